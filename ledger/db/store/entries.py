"""Rows of the directory's entries: their versions and their data's refreshes."""

from sqlalchemy import select

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class EntryRows(Rows):
    """Entries, their versions and refreshes."""

    def find_entry(self, entry_id: bytes) -> model.Entry | None:
        """Return an entry with its current and pending version."""
        row = self._session.get(table.Entry, entry_id)
        if row is None:
            return None
        return entry_of(
            row,
            self._version_or_none(entry_id, row.current),
            self._version_or_none(entry_id, row.pending),
        )

    def _version_or_none(self, entry_id: bytes, number: int | None) -> model.EntryVersion | None:
        return None if number is None else self.find_entry_version(entry_id, number)

    def put_entry(self, entry: model.Entry) -> None:
        """Keep an entry and the versions that it holds."""
        for version in (entry.current, entry.pending):
            if version is not None:
                self.put_entry_version(entry.id, version)
        self._put(
            table.Entry,
            entry.id,
            id=entry.id,
            department=entry.department,
            state=str(entry.state),
            current=None if entry.current is None else entry.current.number,
            pending=None if entry.pending is None else entry.pending.number,
            change_day=entry.change_day,
            extended_day=entry.extended_day,
            revision=entry.revision,
            block_number=entry.block_number,
        )

    def find_entry_version(self, entry_id: bytes, number: int) -> model.EntryVersion | None:
        """Return the version of this number."""
        row = self._session.get(table.EntryVersion, (entry_id, number))
        return None if row is None else entry_version_of(row)

    def put_entry_version(self, entry_id: bytes, version: model.EntryVersion) -> None:
        """Keep a version, published or pending, under its number."""
        v = version
        self._put(
            table.EntryVersion,
            (entry_id, v.number),
            entry=entry_id,
            number=v.number,
            sharing_class=v.sharing_class,
            library=v.library,
            update_cycle=v.update_cycle,
            openness=v.openness,
            mode=v.mode,
            grading=v.grading,
            items=v.items,
            sensitive=v.sensitive,
            document=v.document,
            secrecy_assessment=v.secrecy_assessment,
            privacy_assessment=v.privacy_assessment,
            basis=v.basis,
            submitted_day=v.submitted_day,
            published_day=v.published_day,
            returned_day=v.returned_day,
            returned_reason=v.returned_reason,
            change_day=v.change_day,
            extended_day=v.extended_day,
            act_id=v.act_id,
            block_number=v.block_number,
        )

    def find_refresh(self, entry_id: bytes) -> model.Refresh | None:
        """Return the newest refresh of an entry's data."""
        row = self._session.scalars(
            select(table.Refresh)
            .where(table.Refresh.entry == entry_id)
            .order_by(table.Refresh.position.desc())
            .limit(1)
        ).first()
        return None if row is None else refresh_of(row)

    def put_refresh(self, refresh: model.Refresh) -> None:
        """Keep a refresh; it becomes its entry's newest."""
        self._put(
            table.Refresh,
            refresh.id,
            id=refresh.id,
            entry=refresh.entry,
            department=refresh.department,
            from_day=refresh.from_day,
            until_day=refresh.until_day,
            rows=refresh.rows,
            day=refresh.day,
            revision=refresh.revision,
            block_number=refresh.block_number,
        )


def entry_version_of(row: table.EntryVersion) -> model.EntryVersion:
    """Return the model's entry version."""
    return model.EntryVersion(
        number=row.number,
        sharing_class=row.sharing_class,
        library=row.library,
        update_cycle=row.update_cycle,
        openness=row.openness,
        mode=row.mode,
        grading=row.grading,
        items=row.items,
        sensitive=row.sensitive,
        document=row.document,
        secrecy_assessment=row.secrecy_assessment,
        privacy_assessment=row.privacy_assessment,
        basis=row.basis,
        submitted_day=row.submitted_day,
        published_day=row.published_day,
        returned_day=row.returned_day,
        returned_reason=row.returned_reason,
        change_day=row.change_day,
        extended_day=row.extended_day,
        act_id=row.act_id,
        block_number=row.block_number,
    )


def entry_of(
    row: table.Entry, current: model.EntryVersion | None, pending: model.EntryVersion | None
) -> model.Entry:
    """Return the model's entry."""
    return model.Entry(
        id=row.id,
        department=row.department,
        state=model.EntryState(row.state),
        current=current,
        pending=pending,
        change_day=row.change_day,
        extended_day=row.extended_day,
        revision=row.revision,
        block_number=row.block_number,
    )


def refresh_of(row: table.Refresh) -> model.Refresh:
    """Return the model's refresh."""
    return model.Refresh(
        id=row.id,
        entry=row.entry,
        department=row.department,
        from_day=row.from_day,
        until_day=row.until_day,
        rows=row.rows,
        day=row.day,
        revision=row.revision,
        block_number=row.block_number,
    )

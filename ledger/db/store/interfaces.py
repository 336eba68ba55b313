"""Rows of interfaces and their versions."""

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class InterfaceRows(Rows):
    """Interfaces and their versions."""

    def find_interface(self, interface_id: bytes) -> model.Interface | None:
        """Return an interface with its current and pending version."""
        row = self._session.get(table.Interface, interface_id)
        if row is None:
            return None
        current, pending = row.current, row.pending
        return interface_of(
            row,
            None if current is None else self.find_interface_version(interface_id, current),
            None if pending is None else self.find_interface_version(interface_id, pending),
        )

    def put_interface(self, interface: model.Interface) -> None:
        """Keep an interface and the versions that it holds."""
        i = interface
        for version in (i.current, i.pending):
            if version is not None:
                self.put_interface_version(i.id, version)
        self._put(
            table.Interface,
            i.id,
            id=i.id,
            department=i.department,
            entry=i.entry,
            state=str(i.state),
            current=None if i.current is None else i.current.number,
            pending=None if i.pending is None else i.pending.number,
            suspended_by=None if i.suspended_by is None else str(i.suspended_by),
            revision=i.revision,
            block_number=i.block_number,
        )

    def find_interface_version(
        self, interface_id: bytes, number: int
    ) -> model.InterfaceVersion | None:
        """Return the version of this number."""
        row = self._session.get(table.InterfaceVersion, (interface_id, number))
        return None if row is None else interface_version_of(row)

    def put_interface_version(self, interface_id: bytes, version: model.InterfaceVersion) -> None:
        """Keep a version, online or pending, under its number."""
        v = version
        self._put(
            table.InterfaceVersion,
            (interface_id, v.number),
            interface=interface_id,
            number=v.number,
            entry_version=v.entry_version,
            rate_per_minute=v.rate_per_minute,
            max_rows=v.max_rows,
            items=v.items,
            document=v.document,
            node=v.node,
            test_result=v.test_result,
            test_log=v.test_log,
            test_report=v.test_report,
            act_id=v.act_id,
            block_number=v.block_number,
        )


def interface_version_of(row: table.InterfaceVersion) -> model.InterfaceVersion:
    """Return the model's interface version."""
    return model.InterfaceVersion(
        number=row.number,
        entry_version=row.entry_version,
        rate_per_minute=row.rate_per_minute,
        max_rows=row.max_rows,
        items=row.items,
        document=row.document,
        node=row.node,
        test_result=row.test_result,
        test_log=row.test_log,
        test_report=row.test_report,
        act_id=row.act_id,
        block_number=row.block_number,
    )


def interface_of(
    row: table.Interface,
    current: model.InterfaceVersion | None,
    pending: model.InterfaceVersion | None,
) -> model.Interface:
    """Return the model's interface."""
    return model.Interface(
        id=row.id,
        department=row.department,
        entry=row.entry,
        state=model.InterfaceState(row.state),
        current=current,
        pending=pending,
        suspended_by=None if row.suspended_by is None else model.Side(row.suspended_by),
        revision=row.revision,
        block_number=row.block_number,
    )

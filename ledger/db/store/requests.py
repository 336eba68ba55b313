"""Rows of share requests with their grants."""

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class RequestRows(Rows):
    """Requests, each with its grant."""

    def find_request(self, request_id: bytes) -> model.Request | None:
        """Return a request with its grant."""
        row = self._session.get(table.Request, request_id)
        return None if row is None else request_of(row)

    def put_request(self, request: model.Request) -> None:
        """Keep a request."""
        r = request
        granted = r.granted_term
        self._put(
            table.Request,
            r.id,
            id=r.id,
            requester=r.requester,
            provider=r.provider,
            interface=r.interface,
            interface_version=r.interface_version,
            way=r.way,
            state=str(r.state),
            items=r.items,
            valid_from=r.term.valid_from,
            valid_until=r.term.valid_until,
            quota=r.term.quota,
            legal_basis=r.legal_basis,
            scenario=r.scenario,
            case=r.case,
            granted_items=r.granted_items,
            granted_valid_from=None if granted is None else granted.valid_from,
            granted_valid_until=None if granted is None else granted.valid_until,
            granted_quota=None if granted is None else granted.quota,
            suspended_by=None if r.suspended_by is None else str(r.suspended_by),
            answer_days=r.clock.answer_days,
            extension_days=r.clock.extension_days,
            filed_day=r.clock.filed_day,
            asked_day=r.clock.asked_day,
            supplemented_day=r.clock.supplemented_day,
            extended_day=r.clock.extended_day,
            answered_day=r.clock.answered_day,
            provision_day=r.clock.provision_day,
            reported_day=r.reported_day,
            revision=r.revision,
            block_number=r.block_number,
        )


def request_of(row: table.Request) -> model.Request:
    """Return the model's request."""
    granted = None
    if (
        row.granted_valid_from is not None
        and row.granted_valid_until is not None
        and row.granted_quota is not None
    ):
        granted = model.Term(row.granted_valid_from, row.granted_valid_until, row.granted_quota)
    return model.Request(
        id=row.id,
        requester=row.requester,
        provider=row.provider,
        interface=row.interface,
        interface_version=row.interface_version,
        way=row.way,
        state=model.RequestState(row.state),
        items=row.items,
        term=model.Term(row.valid_from, row.valid_until, row.quota),
        legal_basis=row.legal_basis,
        scenario=row.scenario,
        case=row.case,
        granted_items=row.granted_items,
        granted_term=granted,
        suspended_by=None if row.suspended_by is None else model.Side(row.suspended_by),
        clock=model.Clock(
            answer_days=row.answer_days,
            filed_day=row.filed_day,
            extension_days=row.extension_days,
            asked_day=row.asked_day,
            supplemented_day=row.supplemented_day,
            extended_day=row.extended_day,
            answered_day=row.answered_day,
            provision_day=row.provision_day,
        ),
        reported_day=row.reported_day,
        revision=row.revision,
        block_number=row.block_number,
    )

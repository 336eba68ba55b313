"""Departments, persons and keys, and the authority over them."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.db.store import SqlStore
from ledger.db.store.keys import key_of, proposal_of
from ledger.db.store.registry import person_of
from ledger.reads.page import Page
from ledger.reads.rows import is_like, json_number, page_of, to_json
from protocol.calendar import date_of
from protocol.description import Role
from protocol.model import Key, KeyState, ProposalState, proposal_state, state_of


def list_departments(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    level: int | None = None,
    region: int | None = None,
    parent: bytes | None = None,
    has_ended: bool | None = None,
    text: str | None = None,
) -> Page:
    """Return departments in the order of their registration.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        level: only departments of this level.
        region: only departments of this region.
        parent: only departments directly below this one.
        has_ended: only those that have ended, or only those that have not.
        text: only departments whose name contains it.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Department)
    if level is not None:
        query = query.where(table.Department.level == level)
    if region is not None:
        query = query.where(table.Department.region == region)
    if parent is not None:
        query = query.where(table.Department.parent == parent)
    if has_ended is not None:
        ended = table.Department.ended_day != 0
        query = query.where(ended if has_ended else ~ended)
    if text:
        query = query.where(is_like(table.Department.name, text))
    return _page(connection, query, table.Department, cursor, limit)


def get_department(connection: Connection, department_id: bytes) -> dict[str, Any]:
    """Return a department.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    return _get(connection, table.Department, department_id)


def list_persons(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    department: bytes | None = None,
) -> Page:
    """Return persons, of one department where it is given; `role_names` lists their roles.

    `proposal` is the newest proposal of a head's key, with its state now; null where there is none.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Person)
    if department is not None:
        query = query.where(table.Person.department == department)
    return _page(connection, query, table.Person, cursor, limit)


def get_person(connection: Connection, person_id: bytes) -> dict[str, Any]:
    """Return a person.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    return _get(connection, table.Person, person_id)


def list_keys(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    person: bytes | None = None,
    department: bytes | None = None,
) -> Page:
    """Return keys, of one person or department where it is given, with their state now.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Key)
    if person is not None:
        query = query.where(table.Key.person == person)
    if department is not None:
        query = query.join(table.Person, table.Person.id == table.Key.person).where(
            table.Person.department == department
        )
    return _page(connection, query, table.Key, cursor, limit)


def get_key(connection: Connection, key_id: bytes) -> dict[str, Any]:
    """Return a key with its state now.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    return _get(connection, table.Key, key_id)


def get_authority(connection: Connection) -> dict[str, Any]:
    """Return the authority: threshold, persons, delay, and the successors that it named.

    Raises:
        RequestRefused: NOT_FOUND before genesis was followed.
    """
    with Session(connection) as session:
        row = session.scalars(select(table.Authority)).first()
        if row is None:
            raise RequestRefused("NOT_FOUND", "genesis was not followed yet")
        persons = session.scalars(
            select(table.Person)
            .where(table.Person.roles.op("&")(int(Role.AUTHORITY)) != 0)
            .order_by(table.Person.position, table.Person.id)
        )
        successors = session.scalars(select(table.Successor).order_by(table.Successor.contract))
        return {
            **to_json(row),
            "persons": [
                {"id": person.id.hex(), "has_active_key": person.has_active_key}
                for person in persons
            ],
            "successors": [
                {
                    "contract": "0x" + one.contract.hex(),
                    "successor": "0x" + one.successor.hex(),
                    "act_id": one.act_id.hex(),
                    "block_number": one.block_number,
                }
                for one in successors
            ],
        }


def _department_to_json(row: table.Department) -> dict[str, Any]:
    value = to_json(row)
    return {**value, "ended_day": date_of(row.ended_day).isoformat() if row.ended_day else None}


def _persons_to_json(session: Session, rows: Sequence[table.Person]) -> list[dict[str, Any]]:
    now = int(time.time())
    newest: dict[bytes, dict[str, Any]] = {}
    for row in session.scalars(
        select(table.Proposal)
        .where(table.Proposal.person.in_([person.id for person in rows]))
        .order_by(table.Proposal.position)
    ):
        proposal = proposal_of(row)
        newest[row.person] = {
            **to_json(row),
            "state": str(proposal_state(proposal, now)),
            "key_id": proposal.public_key.key_id.hex(),
        }
        for name in ("person", "generation"):
            del newest[row.person][name]
    found = []
    for person in rows:
        value = to_json(person)
        del value["generation"], value["has_active_key"]
        value["role_names"] = [role.name for role in Role if person.roles & role]
        value["proposal"] = newest.get(person.id)
        found.append(value)
    return found


def _keys_to_json(session: Session, rows: Sequence[table.Key]) -> list[dict[str, Any]]:
    now = int(time.time())
    ids = {row.person for row in rows}
    persons = {
        row.id: person_of(row)
        for row in session.scalars(select(table.Person).where(table.Person.id.in_(ids)))
    }
    # Why the keys of a head's earlier generations ended.
    reasons = {
        (row.person, row.generation): row.reason_code
        for row in session.scalars(
            select(table.Proposal).where(
                table.Proposal.person.in_(ids),
                table.Proposal.state == str(ProposalState.REPLACED),
            )
        )
    }
    certificates = {
        row.key_id: to_json(row)
        for row in session.scalars(
            select(table.Certificate).where(table.Certificate.key_id.in_([row.id for row in rows]))
        )
    }
    store = SqlStore(session)
    found = []
    for row in rows:
        key, person = key_of(row), persons[row.person]
        certificate = certificates.get(row.id)
        if certificate is not None:
            certificate.pop("key_id", None)
        value = to_json(row)
        del value["generation"], value["certificate_until"]
        value["state"] = str(state_of(store, key, person, now))
        value["reason_code"] = row.reason_code
        if key.state is not KeyState.REVOKED and key.generation != person.generation:
            value["reason_code"] = reasons.get((row.person, row.generation), 0)
        value["expires_at"] = json_number(expires_at(key))
        value["certificate"] = certificate
        found.append(value)
    return found


def expires_at(key: Key) -> int:
    """Return the last second at which a key counts if no act ends it sooner; 0 for no end."""
    return min((until for until in (key.valid_until, key.certificate_until) if until), default=0)


def _rows_to_json(session: Session, rows: Sequence[Any], kind: Any) -> list[dict[str, Any]]:
    if kind is table.Person:
        return _persons_to_json(session, rows)
    if kind is table.Key:
        return _keys_to_json(session, rows)
    if kind is table.Department:
        return [_department_to_json(row) for row in rows]
    return [to_json(row) for row in rows]


def _page(
    connection: Connection, query: Select[Any], kind: Any, cursor: str | None, limit: int
) -> Page:
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, kind, cursor, limit)
        return Page(_rows_to_json(session, rows, kind), next_cursor)


def _get(connection: Connection, kind: type[table.Base], key: bytes) -> dict[str, Any]:
    with Session(connection) as session:
        row = session.get(kind, key)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return _rows_to_json(session, [row], kind)[0]

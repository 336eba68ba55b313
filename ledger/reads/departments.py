"""Departments, persons and keys."""

from typing import Any

from sqlalchemy import Connection, Select, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.reads.page import Page
from ledger.reads.rows import is_like, page_of, to_json
from protocol.description import Role


def list_departments(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    level: int | None = None,
    text: str | None = None,
) -> Page:
    """Return departments in the order of their registration.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        level: only departments of this level.
        text: only departments whose name contains it.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.Department)
    if level is not None:
        query = query.where(table.Department.level == level)
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
    """Return keys, of one person or department where it is given.

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
    """Return a key.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    return _get(connection, table.Key, key_id)


def _to_json(row: table.Base) -> dict[str, Any]:
    result = to_json(row)
    if isinstance(row, table.Person):
        result["role_names"] = [role.name for role in Role if row.roles & role]
    if isinstance(row, table.Key):
        result["reason_code"] = row.reason_code
    return result


def _page(
    connection: Connection, query: Select[Any], kind: Any, cursor: str | None, limit: int
) -> Page:
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, kind, cursor, limit)
        return Page([_to_json(row) for row in rows], next_cursor)


def _get(connection: Connection, kind: type[table.Base], key: bytes) -> dict[str, Any]:
    with Session(connection) as session:
        row = session.get(kind, key)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return _to_json(row)

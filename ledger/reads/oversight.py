"""Oversight reports of chief data officers."""

from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from crypto.errors import RequestRefused
from ledger.db import models as table
from ledger.reads.page import Page
from ledger.reads.rows import page_of, to_json


def list_oversight_reports(
    connection: Connection,
    *,
    cursor: str | None = None,
    limit: int = 50,
    department: bytes | None = None,
) -> Page:
    """Return oversight reports in the order in which they were recorded.

    Args:
        connection: connection with a read transaction.
        cursor: where to continue.
        limit: most rows, 1 to 200.
        department: only reports by officers of this department.

    Raises:
        RequestRefused: CURSOR_INVALID, LIMIT_INVALID.
    """
    query = select(table.OversightReport)
    if department is not None:
        query = query.where(table.OversightReport.department == department)
    with Session(connection) as session:
        rows, next_cursor = page_of(session, query, table.OversightReport, cursor, limit)
        return Page([to_json(row) for row in rows], next_cursor)


def get_oversight_report(connection: Connection, report_id: bytes) -> dict[str, Any]:
    """Return an oversight report.

    Raises:
        RequestRefused: NOT_FOUND.
    """
    with Session(connection) as session:
        row = session.get(table.OversightReport, report_id)
        if row is None:
            raise RequestRefused("NOT_FOUND", "nothing with this id is recorded")
        return to_json(row)

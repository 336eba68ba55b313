"""Rows of chief data officers' reports."""

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model


class OversightRows(Rows):
    """Reports of chief data officers."""

    def put_oversight_report(self, report: model.OversightReport) -> None:
        """Keep an oversight report."""
        self._put(
            table.OversightReport,
            report.id,
            id=report.id,
            department=report.department,
            person=report.person,
            from_day=report.from_day,
            until_day=report.until_day,
            report_kind=report.report_kind,
            report_digest=report.report_digest,
            findings=report.findings,
            day=report.day,
            revision=report.revision,
            block_number=report.block_number,
        )


def oversight_report_of(row: table.OversightReport) -> model.OversightReport:
    """Return the model's oversight report."""
    return model.OversightReport(
        id=row.id,
        department=row.department,
        person=row.person,
        from_day=row.from_day,
        until_day=row.until_day,
        report_kind=row.report_kind,
        report_digest=row.report_digest,
        findings=row.findings,
        day=row.day,
        revision=row.revision,
        block_number=row.block_number,
    )

"""Drafts of a chief data officer's reports."""

from crypto.sm3 import sm3
from protocol.acts import ZERO_ID, Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed, seal


class OversightActs(ActBuilder):
    """Reports of a chief data officer."""

    def report_oversight(
        self,
        officer: bytes,
        *,
        from_day: int,
        until_day: int,
        report: bytes,
        findings: bytes | None = None,
        is_performance: bool = True,
    ) -> tuple[Draft, Sealed | None]:
        """Draft a chief data officer's report on a period that is over.

        Args:
            officer: key id of the officer, role CDO.
            from_day: first day of the period, as protocol.calendar counts days.
            until_day: last day of the period.
            report: its bytes, as `sanlian performance --json` writes them.
            findings: text of what was found, which gets sealed; None if there is none.
            is_performance: the bytes are a report as in docs/performance.md.
        """
        sealed = None if findings is None else seal(findings)
        values: dict[str, Value] = {
            "from_day": from_day,
            "until_day": until_day,
            "report_kind": 1 if is_performance else 2,
            "report_digest": sm3(report),
            "findings": ZERO_ID if sealed is None else sealed.commitment,
        }
        return self.build("OversightReported", [officer], values), sealed

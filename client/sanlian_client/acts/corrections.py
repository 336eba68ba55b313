"""Drafts about the correction of another department's data."""

from protocol.acts import Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed, seal


class CorrectionActs(ActBuilder):
    """A correction's filing, the provider's finding, and its result."""

    def file_correction(
        self, operator: bytes, subject: bytes, *, subject_kind: int, items: int, errors: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft a correction of another department's data.

        Args:
            operator: key id of the operator who found the errors.
            subject: the grant under which the data came, or an entry.
            subject_kind: 1 grant, 2 entry.
            items: mask of the items in error.
            errors: what is wrong, which gets sealed.
        """
        sealed = seal(errors)
        values: dict[str, Value] = {
            "subject": subject,
            "subject_kind": subject_kind,
            "items": items,
            "errors": sealed.commitment,
        }
        return self.build("CorrectionFiled", [operator], values), sealed

    def verify_correction(
        self, operator: bytes, correction: bytes, finding: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft that the provider has looked at the data; the finding gets sealed."""
        return self._sealed("CorrectionVerified", [operator], correction, ("finding", finding))

    def close_correction(
        self, officer: bytes, correction: bytes, *, result: int, report: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft the end of a correction: result 1 corrected, 2 rejected; the report gets sealed."""
        values: dict[str, Value] = {"result": result}
        return self._sealed("CorrectionClosed", [officer], correction, ("report", report), values)

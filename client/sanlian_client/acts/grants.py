"""Drafts about a grant's life: provision, use, disposal, suspension and end."""

from protocol.acts import Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed, seal


class GrantActs(ActBuilder):
    """What requester and provider do under a grant, and how it stops."""

    def provide(self, officer: bytes, grant: bytes, way: int) -> Draft:
        """Draft that the data can be had.

        Args:
            officer: key id of the provider's officer.
            grant: the grant.
            way: 1 service interface, 2 batch exchange, 3 file download.
        """
        return self.build("DataProvided", [officer], {"way": way}, target=grant)

    def renew_grant(
        self,
        requester: bytes,
        provider: bytes,
        grant: bytes,
        *,
        valid_until: int,
        quota: int,
        case: bytes,
    ) -> tuple[Draft, Sealed]:
        """Draft that a grant goes on.

        Args:
            requester: key id of the requester's officer.
            provider: key id of the provider's officer.
            grant: the grant.
            valid_until: last second of validity, unix time; not before the present one.
            quota: number of data requests since the grant began; not less than now.
            case: why it goes on, which gets sealed.
        """
        sealed = seal(case)
        values: dict[str, Value] = {
            "valid_until": valid_until,
            "quota": quota,
            "case": sealed.commitment,
        }
        draft = self.build("GrantRenewed", [requester, provider], values, target=grant)
        return draft, sealed

    def report_use(
        self,
        operator: bytes,
        grant: bytes,
        *,
        from_day: int,
        until_day: int,
        uses: int,
        report: bytes,
    ) -> tuple[Draft, Sealed]:
        """Draft a use report; days as in protocol.calendar, the report gets sealed."""
        sealed = seal(report)
        values: dict[str, Value] = {
            "from_day": from_day,
            "until_day": until_day,
            "uses": uses,
            "report": sealed.commitment,
        }
        return self.build("UseReported", [operator], values, target=grant), sealed

    def dispose(self, officer: bytes, grant: bytes, record: bytes) -> tuple[Draft, Sealed]:
        """Draft that the requester has disposed of the data; the record of it gets sealed."""
        sealed = seal(record)
        values: dict[str, Value] = {"disposal": sealed.commitment}
        return self.build("DataDisposed", [officer], values, target=grant), sealed

    def suspend_grant(
        self, signer: bytes, grant: bytes, reason: bytes, cause: int
    ) -> tuple[Draft, Sealed]:
        """Draft a grant's suspension by the provider's officer or the authority.

        Args:
            signer: key id of the officer or authority person.
            grant: the grant.
            reason: the reason, which gets sealed.
            cause: 1 misuse, 2 security risk, 3 legal basis gone.
        """
        return self._ended("GrantSuspended", signer, grant, reason, cause)

    def resume_grant(self, signer: bytes, grant: bytes) -> Draft:
        """Draft the end of a suspension, by the side that suspended."""
        return self.build("GrantResumed", [signer], {}, target=grant)

    def revoke_grant(
        self, officer: bytes, grant: bytes, reason: bytes, cause: int
    ) -> tuple[Draft, Sealed]:
        """Draft a grant's end, by an officer of the provider or of the requester.

        Args:
            officer: key id of the officer.
            grant: the grant.
            reason: the reason, which gets sealed.
            cause: by the provider 1 misuse, 2 security risk, 3 legal basis gone; by the requester
                4 purpose ended.
        """
        return self._ended("GrantRevoked", officer, grant, reason, cause)

    def _ended(
        self, name: str, signer: bytes, grant: bytes, reason: bytes, cause: int
    ) -> tuple[Draft, Sealed]:
        sealed = seal(reason)
        values: dict[str, Value] = {"reason": sealed.commitment, "cause": cause}
        return self.build(name, [signer], values, target=grant), sealed

"""Drafts about the authority's calendar of working days."""

from collections.abc import Sequence

from protocol.acts import Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed, seal


class CalendarActs(ActBuilder):
    """A year's publication and its correction."""

    def publish_calendar(
        self, authority: bytes, *, year: int, working_days: int, source: bytes
    ) -> Draft:
        """Draft the publication of a year's working days.

        Args:
            authority: key id of an authority person.
            year: the year, at most the next one.
            working_days: bits, see protocol.calendar.
            source: SM3 of the State Council's notice.
        """
        values: dict[str, Value] = {"year": year, "working_days": working_days, "source": source}
        return self.build("CalendarPublished", [authority], values)

    def correct_calendar(
        self,
        authorities: Sequence[bytes],
        publication: bytes,
        *,
        year: int,
        working_days: int,
        source: bytes,
        reason: bytes,
        revision: int | None = None,
    ) -> tuple[Draft, Sealed]:
        """Draft the correction of a published year for a sealed reason.

        Args:
            authorities: key ids of as many authority persons as genesis set.
            publication: id of the act that published the year.
            year: the year.
            working_days: bits, see protocol.calendar.
            source: SM3 of the State Council's notice.
            reason: the reason, which gets sealed.
            revision: the revision that was compared; asked for when absent.
        """
        sealed = seal(reason)
        values: dict[str, Value] = {
            "year": year,
            "working_days": working_days,
            "source": source,
            "reason": sealed.commitment,
        }
        draft = self.build(
            "CalendarCorrected", authorities, values, target=publication, revision=revision
        )
        return draft, sealed

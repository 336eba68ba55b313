"""Drafts about the entries of the directory."""

from protocol.acts import ZERO_ID, Value
from protocol.documents import basis_of, document_digest, parse_entry_document, verify_entry_words
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed, seal


class EntryActs(ActBuilder):
    """An entry's submission, publication and retirement; its updates and refreshes."""

    def submit_entry(
        self,
        operator: bytes,
        head: bytes,
        *,
        document: bytes,
        sharing_class: int,
        library: int,
        update_cycle: int,
        openness: int,
        mode: int,
        grading: int = 1,
        secrecy_assessment: bytes,
        privacy_assessment: bytes,
        entry: bytes = ZERO_ID,
        nonce: int | None = None,
    ) -> tuple[Draft, dict[str, Sealed]]:
        """Draft the submission of an entry, or of a new version of one.

        Args:
            operator: key id of the operator.
            head: key id of the head of the same department.
            document: the entry document; its items and sensitive items, and the digest of its
                conditions or citation, become words of the act.
            sharing_class: 1 unconditional, 2 conditional, 3 not shared.
            library: 1 base, 2 shared, 3 theme, 4 special, 5 model.
            update_cycle: 1 real time to 7 year.
            openness: 0 closed, 1 conditional, 2 open.
            mode: 1 platform interface, 2 database, 3 file, 4 medium.
            grading: 1 general, 2 important, 3 core data.
            secrecy_assessment: text of the secrecy-risk assessment, which gets sealed.
            privacy_assessment: text of the personal-information assessment, which gets sealed.
            entry: the entry of which this is a new version.
            nonce: the operator's nonce; asked for when absent.

        Returns:
            The draft, and the sealed assessments by field name, for the department to keep.

        Raises:
            ProtocolError: DOCUMENT_MALFORMED, SEALED_MALFORMED, ACT_MALFORMED.
            RequestRefused: DOCUMENT_DIFFERS.
        """
        parsed = parse_entry_document(document)
        sealed = {
            "secrecy_assessment": seal(secrecy_assessment),
            "privacy_assessment": seal(privacy_assessment),
        }
        values: dict[str, Value] = {
            "sharing_class": sharing_class,
            "library": library,
            "update_cycle": update_cycle,
            "openness": openness,
            "mode": mode,
            "grading": grading,
            "items": parsed.mask,
            "sensitive": parsed.sensitive_mask,
            "document": document_digest(document),
            "basis": basis_of(parsed.members, sharing_class),
            **{name: one.commitment for name, one in sealed.items()},
        }
        verify_entry_words(parsed, values)
        draft = self.build(
            "EntrySubmitted",
            [operator, head],
            values,
            target=entry,
            documents=[document],
            nonce=nonce,
        )
        return draft, sealed

    def publish_entry(self, authority: bytes, entry: bytes, document_id: bytes) -> Draft:
        """Draft the publication of the reviewed version; document_id is its document's digest."""
        return self.build("EntryPublished", [authority], {"document": document_id}, target=entry)

    def retire_entry(self, head: bytes, entry: bytes, reason: bytes) -> tuple[Draft, Sealed]:
        """Draft the retirement of an entry for a sealed reason."""
        return self._reasoned("EntryRetired", head, entry, reason)

    def return_entry(
        self, authority: bytes, entry: bytes, document_id: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft that the authority gives the pending version back, for a sealed reason.

        Args:
            authority: key id of an authority person.
            entry: the entry.
            document_id: digest of the document that was reviewed.
            reason: text of the reason, which gets sealed.
        """
        sealed = seal(reason)
        values: dict[str, Value] = {"document": document_id, "reason": sealed.commitment}
        return self.build("EntryReturned", [authority], values, target=entry), sealed

    def note_change(
        self, signer: bytes, entry: bytes, *, change_day: int, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft that duty or data of an entry changed: its update is due from that day.

        Args:
            signer: key id of the provider's officer or head, or of an authority person.
            entry: the entry.
            change_day: day of the change, as protocol.calendar counts days.
            reason: what changed, which gets sealed.
        """
        sealed = seal(reason)
        values: dict[str, Value] = {"change_day": change_day, "reason": sealed.commitment}
        return self.build("ChangeNoted", [signer], values, target=entry), sealed

    def extend_update(
        self, head: bytes, authority: bytes, entry: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft five more working days for an update, with the authority's consent."""
        sealed = seal(reason)
        values: dict[str, Value] = {"reason": sealed.commitment}
        return self.build("UpdateExtended", [head, authority], values, target=entry), sealed

    def refresh_data(
        self, signer: bytes, *, entry: bytes, from_day: int, until_day: int, rows: int
    ) -> Draft:
        """Draft the statement that an entry's data is complete up to a day.

        Args:
            signer: key id of the provider's operator or of its service (role PROVIDER).
            entry: the entry.
            from_day: first day that the refresh covers, as protocol.calendar counts days.
            until_day: last day up to which the data is complete.
            rows: number of rows that the data has now.
        """
        values: dict[str, Value] = {
            "entry": entry,
            "from_day": from_day,
            "until_day": until_day,
            "rows": rows,
        }
        return self.build("DataRefreshed", [signer], values)

"""Builders for the acts: from a department's words to a draft that its people sign.

    acts = Acts(platform)
    draft, sealed = acts.file_request(operator, officer, interface=…, …)
    acts.submit(draft.sign(operator_key).sign(officer_key))

What is sealed (reasons, assessments, scenarios) goes on chain as a commitment only; its salt and
text come back to the caller, who keeps them: without the salt nothing can be proven later.
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import CryptoError, ProtocolError, VerificationError
from crypto.sm2 import PublicKey, Signer
from crypto.sm3 import sm3
from protocol.acts import MAX_LIFETIME_S, ZERO_ID, Value, make_act
from protocol.description import BY_NAME, Role
from protocol.documents import (
    basis_of,
    document_digest,
    parse_entry_document,
    parse_interface_document,
    verify_entry_words,
)
from sanlian_client.drafts import Draft, make_draft
from sanlian_client.key_acts import KeyActs, key_values
from sanlian_client.platform import Acknowledgement, Platform

SEALED_TYPE = "sanlian/sealed/v1"
MAX_SEALED_SIZE = 16 * 1024 * 1024
#: Both in hexadecimal, with what stands around them.
MAX_SEALED_FILE_SIZE = 2 * MAX_SEALED_SIZE + 1024
SALT_SIZE = 32
#: Way of sharing: a service interface (Art 20).
SERVICE = 1
#: Most parents between a party of a dispute and the superior of both.
MAX_STEPS = 8


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed document: what the chain knows of it is the commitment alone.

    Attributes:
        salt: 32 random bytes.
        document: its bytes.
    """

    salt: bytes
    document: bytes

    @property
    def commitment(self) -> bytes:
        """SM3(salt ‖ document), 32 bytes."""
        return sm3(self.salt + self.document)

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON, to be kept privately."""
        return canonical_json(
            {
                "type": SEALED_TYPE,
                "commitment": self.commitment.hex(),
                "document": self.document.hex(),
                "salt": self.salt.hex(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode and check that the commitment fits.

        Raises:
            ProtocolError: SEALED_MALFORMED.
            VerificationError: COMMITMENT_MISMATCH.
        """
        bad = ProtocolError("SEALED_MALFORMED", "this is not a sealed document of version 1")
        try:
            value: Any = parse_canonical(data, max_bytes=MAX_SEALED_FILE_SIZE)
            if not isinstance(value, dict) or value.get("type") != SEALED_TYPE:
                raise bad
            sealed = cls(bytes.fromhex(value["salt"]), bytes.fromhex(value["document"]))
            commitment = bytes.fromhex(value["commitment"])
        except (CryptoError, KeyError, TypeError, ValueError) as error:
            raise bad from error
        if len(value) != 4 or len(sealed.salt) != SALT_SIZE:
            raise bad
        if sealed.commitment != commitment:
            raise VerificationError(
                "COMMITMENT_MISMATCH", "salt and document give another commitment"
            )
        return sealed


def seal(document: bytes) -> Sealed:
    """Seal a document with a fresh salt.

    Args:
        document: 1 byte to 16 MiB.

    Raises:
        ProtocolError: SEALED_MALFORMED.
    """
    if not 1 <= len(document) <= MAX_SEALED_SIZE:
        raise ProtocolError("SEALED_MALFORMED", "a sealed document has 1 byte to 16 MiB")
    return Sealed(secrets.token_bytes(SALT_SIZE), document)


@dataclass(frozen=True, slots=True)
class Term:
    """How long and how often data may be asked for.

    Attributes:
        valid_from: first second, unix time.
        valid_until: last second, unix time.
        quota: number of data requests, at least 1.
    """

    valid_from: int
    valid_until: int
    quota: int

    def values(self) -> dict[str, Value]:
        """Return the words of an act."""
        return {
            "valid_from": self.valid_from,
            "valid_until": self.valid_until,
            "quota": self.quota,
        }


def mask_of(items: Sequence[int]) -> int:
    """Return the mask of item indices (0 to 255)."""
    if any(not 0 <= item <= 255 for item in items):
        raise ProtocolError("ACT_MALFORMED", "an item's index is 0 to 255", field="items")
    return sum(1 << item for item in set(items))


def element_code(text: str) -> bytes:
    """Return the 32 bytes of a data element's city-wide code.

    Args:
        text: the code, 1 to 32 printable ASCII characters; or 64 hex digits of a digest.

    Raises:
        ProtocolError: ACT_MALFORMED.
    """
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return bytes.fromhex(text)
    if not re.fullmatch(r"[!-~]{1,32}", text):
        raise ProtocolError(
            "ACT_MALFORMED", "a data element's code is 1 to 32 ASCII characters", field="element"
        )
    return text.encode().ljust(32, b"\0")


class Acts(KeyActs):
    """Builds acts for one platform: nonces and revisions come from it, the rest from the caller.

    Args:
        platform: where nonces and revisions are asked for and acts are sent.
        lifetime_s: an act that is not recorded for so long is dead; at most 30 days.
        clock: unix time in seconds.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        lifetime_s: int = 7 * 24 * 3600,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 1 <= lifetime_s <= MAX_LIFETIME_S:
            raise ProtocolError("EXPIRY_TOO_FAR", "an act lives at most 30 days")
        self._platform = platform
        self._lifetime_s = lifetime_s
        self._clock = clock

    def build(
        self,
        name: str,
        signers: Sequence[bytes],
        values: Mapping[str, Value],
        *,
        target: bytes = ZERO_ID,
        documents: Sequence[bytes] = (),
        nonce: int | None = None,
        revision: int | None = None,
    ) -> Draft:
        """Build any act.

        Args:
            name: name of the act type.
            signers: key ids of all signers in the type's order; the first is the actor.
            values: the act's own words.
            target: what it acts on; zeros where it creates something.
            documents: public documents that it names.
            nonce: the actor's nonce; asked for when absent.
            revision: the target's revision that the signer saw; asked for when absent.

        Raises:
            ProtocolError: ACT_TYPE_UNKNOWN, ACT_MALFORMED, DOCUMENT_MISMATCH.
        """
        act_type = BY_NAME.get(name)
        if act_type is None:
            raise ProtocolError("ACT_TYPE_UNKNOWN", "this act type is not known", act_type=name)
        deployment = self._platform.deployment()
        if nonce is None:
            nonce = self._platform.next_nonce(signers[0], act_type.contract)
        if revision is None:
            kind = act_type.target_kind
            revision = 0 if target == ZERO_ID else self._platform.target_revision(target, kind)
        act = make_act(
            name,
            chain_id=deployment.chain_id,
            contract=deployment.contracts[act_type.contract],
            key_id=signers[0],
            nonce=nonce,
            expires_at=int(self._clock()) + self._lifetime_s,
            values=values,
            target=target,
            revision=revision,
        )
        return make_draft(act, signers, documents)

    def contract_addresses(self) -> Mapping[str, bytes]:
        """Return the 20-byte address of each contract of the deployment by name."""
        return self._platform.deployment().contracts

    def submit(self, draft: Draft) -> Acknowledgement:
        """Send a draft that everybody has signed, see Platform.send_act."""
        return self._platform.send_act(draft.signed(), draft.documents)

    def submit_and_wait(
        self, draft: Draft, keys: Sequence[Signer] = (), *, timeout_s: float = 60.0
    ) -> bytes:
        """Sign, send, wait until it is recorded, and return the act's id.

        Raises:
            RequestRefused: a rule refused it, with the rule's code.
            OutcomeUnknown: ask again by the act's id.
        """
        signed = draft.sign(*keys)
        self.submit(signed)
        self._platform.wait_for(signed.act_id, timeout_s)
        return signed.act_id

    # Registry

    def register_department(
        self,
        authorities: Sequence[bytes],
        head: PublicKey,
        *,
        name: str,
        level: int,
        kind: int,
        region: int,
        uscc: str = "",
        uscc_override: bool = False,
        parent: bytes = ZERO_ID,
        valid_until: int = 0,
    ) -> Draft:
        """Draft the registration of a department; its head's new key signs last.

        Args:
            authorities: key ids of as many authority persons as the threshold says.
            head: the new head's public key.
            name: name of the department, at most 64 bytes in UTF-8.
            level: 1 state to 6 village.
            kind: 1 department, 2 government, 3 zone, 4 institution, 5 bank.
            region: GB/T 2260 code.
            uscc: unified social credit code, empty if unknown.
            uscc_override: it was issued although its check character fails.
            parent: id of the department above.
            valid_until: last second of the key's validity, unix time; 0 for no end.
        """
        values: dict[str, Value] = {
            "level": level,
            "kind": kind,
            "region": region,
            "parent": parent,
            "uscc": uscc,
            "uscc_override": int(uscc_override),
            "name": name,
            **key_values(head, valid_until),
        }
        return self.build("DepartmentRegistered", [*authorities, head.key_id], values)

    def change_department(
        self,
        authorities: Sequence[bytes],
        department: bytes,
        *,
        name: str,
        level: int,
        kind: int,
        region: int,
        reason: bytes,
        uscc: str = "",
        uscc_override: bool = False,
        parent: bytes = ZERO_ID,
    ) -> tuple[Draft, Sealed]:
        """Draft other words of a department: all of them, as they hold from then on.

        Args:
            authorities: key ids of as many authority persons as the threshold says.
            department: id of the department, not the authority's.
            name: name of the department, at most 64 bytes in UTF-8.
            level: its level, which stays.
            kind: as for register_department; a government stays one, and nothing becomes one.
            region: GB/T 2260 code.
            reason: text of the reason, which gets sealed.
            uscc: unified social credit code, empty if unknown.
            uscc_override: it was issued although its check character fails.
            parent: id of the department above.
        """
        sealed = seal(reason)
        values: dict[str, Value] = {
            "level": level,
            "kind": kind,
            "region": region,
            "parent": parent,
            "uscc": uscc,
            "uscc_override": int(uscc_override),
            "name": name,
            "reason": sealed.commitment,
        }
        draft = self.build("DepartmentChanged", list(authorities), values, target=department)
        return draft, sealed

    def end_department(
        self,
        authorities: Sequence[bytes],
        department: bytes,
        *,
        reason: bytes,
        successor: bytes = ZERO_ID,
    ) -> tuple[Draft, Sealed]:
        """Draft the end of a department: its keys sign nothing from then on, its grants end.

        Args:
            authorities: key ids of as many authority persons as the threshold says.
            department: id of the department, not the authority's.
            reason: text of the reason, which gets sealed.
            successor: id of the department that takes over its duties, zeros if none.
        """
        sealed = seal(reason)
        values: dict[str, Value] = {"successor": successor, "reason": sealed.commitment}
        draft = self.build("DepartmentEnded", list(authorities), values, target=department)
        return draft, sealed

    def enrol_person(
        self, head: bytes, person: PublicKey, roles: Role, *, valid_until: int = 0
    ) -> Draft:
        """Draft the enrolment of a person, whose new key signs second; see key_values."""
        values: dict[str, Value] = {"roles": int(roles), **key_values(person, valid_until)}
        return self.build("PersonEnrolled", [head, person.key_id], values)

    def set_roles(self, head: bytes, person: bytes, roles: Role) -> Draft:
        """Draft new roles of a person; none ends the person."""
        return self.build("PersonRolesSet", [head], {"roles": int(roles)}, target=person)

    def add_key(self, head: bytes, person: bytes, key: PublicKey, *, valid_until: int = 0) -> Draft:
        """Draft a further key of a person, which signs second; see key_values."""
        values = key_values(key, valid_until)
        return self.build("KeyAdded", [head, key.key_id], values, target=person)

    # Directory chain

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

    def claim_element(
        self, operator: bytes, head: bytes, *, entry: bytes, item: int, element: bytes
    ) -> Draft:
        """Draft the claim to be the source of a data element of the city.

        Args:
            operator: key id of the operator.
            head: key id of the head of the same department.
            entry: its published entry that holds the element.
            item: index of the item that is the element.
            element: 32-byte city-wide code of the element, see element_code.
        """
        values: dict[str, Value] = {"entry": entry, "element": element, "item": item}
        return self.build("ElementClaimed", [operator, head], values)

    def release_element(self, head: bytes, claim: bytes, reason: bytes) -> tuple[Draft, Sealed]:
        """Draft the end of a claim by the claiming department's head, for a sealed reason."""
        return self._reasoned("ElementReleased", head, claim, reason)

    def decide_conflict(
        self, authority: bytes, claim: bytes, *, source: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft the authority's decision on a claim in CONFLICT.

        Args:
            authority: key id of an authority person.
            claim: the claim in CONFLICT.
            source: id of the department that shall be the source: the claiming one or the source
                so far.
            reason: text of the reason, which gets sealed.
        """
        sealed = seal(reason)
        values: dict[str, Value] = {"source_department": source, "reason": sealed.commitment}
        return self.build("ConflictDecided", [authority], values, target=claim), sealed

    # Interface chain

    def register_interface(
        self,
        operator: bytes,
        *,
        entry: bytes,
        entry_version: int,
        document: bytes,
        node: str,
        rate_per_minute: int = 0,
        max_rows: int = 0,
        interface: bytes = ZERO_ID,
    ) -> Draft:
        """Draft the registration of an interface, or of a new version of one.

        Args:
            operator: key id of the provider's operator.
            entry: the entry it serves.
            entry_version: the entry's current version.
            document: its OpenAPI description; the items it maps become a word of the act.
            node: name of the exchange node.
            rate_per_minute: most data requests a minute, 0 for no limit.
            max_rows: most rows in a response, 0 for no limit.
            interface: the interface of which this is a new version.

        Raises:
            ProtocolError: DOCUMENT_MALFORMED, SCHEMA_NOT_COVERING, ACT_MALFORMED.
        """
        values: dict[str, Value] = {
            "entry": entry,
            "entry_version": entry_version,
            "rate_per_minute": rate_per_minute,
            "max_rows": max_rows,
            "items": parse_interface_document(document).mask,
            "document": document_digest(document),
            "node": node,
        }
        return self.build(
            "InterfaceRegistered", [operator], values, target=interface, documents=[document]
        )

    def interface_tested(
        self,
        gateway: bytes,
        interface: bytes,
        *,
        document_id: bytes,
        passed: bool,
        log: bytes,
        report: bytes,
    ) -> Draft:
        """Draft the result of a gateway's test; gateways make it when they have tested.

        Args:
            gateway: key id of the gateway.
            interface: the interface whose pending version was tested.
            document_id: digest of its document.
            passed: whether the answer was as described.
            log: id of the gateway's log.
            report: commitment to the report.
        """
        values: dict[str, Value] = {
            "document": document_id,
            "test_result": 1 if passed else 2,
            "log": log,
            "report": report,
        }
        return self.build("InterfaceTested", [gateway], values, target=interface)

    def interface_online(self, officer: bytes, interface: bytes, document_id: bytes) -> Draft:
        """Draft that the pending version goes online; document_id is its document's digest."""
        return self.build("InterfaceOnline", [officer], {"document": document_id}, target=interface)

    def suspend_interface(
        self, signer: bytes, interface: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft a suspension by the provider's officer or the authority."""
        return self._reasoned("InterfaceSuspended", signer, interface, reason)

    def resume_interface(self, signer: bytes, interface: bytes) -> Draft:
        """Draft the end of a suspension, by the side that suspended."""
        return self.build("InterfaceResumed", [signer], {}, target=interface)

    def retire_interface(
        self, officer: bytes, interface: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft the retirement of an interface for a sealed reason."""
        return self._reasoned("InterfaceRetired", officer, interface, reason)

    # Sharing chain

    def file_request(
        self,
        operator: bytes,
        officer: bytes,
        *,
        interface: bytes,
        interface_version: int,
        items: int,
        term: Term,
        legal_basis: str,
        scenario: str,
        case: bytes,
        way: int = SERVICE,
    ) -> tuple[Draft, Sealed]:
        """Draft a share request.

        Args:
            operator: key id of the operator.
            officer: key id of an officer of the same department, another person.
            interface: what is asked for.
            interface_version: its current version, which the signers saw.
            items: mask of the items asked for.
            term: from when to when, and how often.
            legal_basis: code of the legal basis, 1 to 32 ASCII characters.
            scenario: code of the scenario, the same.
            case: the scenario document, which gets sealed.
            way: 1 service interface, 2 batch exchange, 3 file download (Art 20).
        """
        values, sealed = _asked(
            interface=interface,
            interface_version=interface_version,
            items=items,
            term=term,
            legal_basis=legal_basis,
            scenario=scenario,
            case=case,
            way=way,
        )
        return self.build("RequestFiled", [operator, officer], values), sealed

    def agree(self, officer: bytes, request: bytes, *, items: int, term: Term) -> Draft:
        """Draft the consent to a request: the grant has the request's id."""
        values: dict[str, Value] = {"items": items, **term.values()}
        return self.build("RequestAgreed", [officer], values, target=request)

    def refuse(self, officer: bytes, request: bytes, reason: bytes) -> tuple[Draft, Sealed]:
        """Draft the refusal of a request for a sealed reason."""
        return self._reasoned("RequestRefused", officer, request, reason)

    def ask_supplement(
        self, officer: bytes, request: bytes, missing: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft the one notice of everything that a request lacks; the list gets sealed."""
        sealed = seal(missing)
        values: dict[str, Value] = {"missing": sealed.commitment}
        return self.build("SupplementAsked", [officer], values, target=request), sealed

    def supplement_request(
        self,
        operator: bytes,
        officer: bytes,
        request: bytes,
        *,
        interface: bytes,
        interface_version: int,
        items: int,
        term: Term,
        legal_basis: str,
        scenario: str,
        case: bytes,
        way: int = SERVICE,
    ) -> tuple[Draft, Sealed]:
        """Draft the supplement of a request: it states everything anew, see file_request."""
        values, sealed = _asked(
            interface=interface,
            interface_version=interface_version,
            items=items,
            term=term,
            legal_basis=legal_basis,
            scenario=scenario,
            case=case,
            way=way,
        )
        draft = self.build("RequestSupplemented", [operator, officer], values, target=request)
        return draft, sealed

    def extend_answer(
        self,
        officer: bytes,
        authority: bytes,
        request: bytes,
        *,
        extension_days: int,
        reason: bytes,
    ) -> tuple[Draft, Sealed]:
        """Draft that the answer takes 1 to 10 working days longer, with the authority's consent."""
        sealed = seal(reason)
        values: dict[str, Value] = {"extension_days": extension_days, "reason": sealed.commitment}
        draft = self.build("RequestExtended", [officer, authority], values, target=request)
        return draft, sealed

    def withdraw_request(self, officer: bytes, request: bytes) -> Draft:
        """Draft that the requester no longer asks; before the answer only."""
        return self.build("RequestWithdrawn", [officer], {}, target=request)

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

    def open_dispute(
        self, officer: bytes, request: bytes, statement: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft a dispute over a refused, suspended or revoked request."""
        values: dict[str, Value] = {"request": request}
        return self._sealed("DisputeOpened", [officer], ZERO_ID, ("statement", statement), values)

    def settle_dispute(
        self, requester: bytes, provider: bytes, dispute: bytes, terms: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft that both sides' officers agree; the terms get sealed."""
        return self._sealed("DisputeSettled", [requester, provider], dispute, ("terms", terms))

    def escalate_dispute(
        self,
        officer: bytes,
        dispute: bytes,
        *,
        superior: bytes,
        requester_steps: int,
        provider_steps: int,
        statement: bytes,
    ) -> tuple[Draft, Sealed]:
        """Draft that a dispute goes to the authority, or to the superior of both parties.

        Args:
            officer: key id of an officer of either party.
            dispute: the dispute.
            superior: lowest department above both parties, zeros if none; see common_superior.
            requester_steps: parents from the requester to it.
            provider_steps: parents from the provider to it.
            statement: the party's statement, which gets sealed.
        """
        values: dict[str, Value] = {
            "superior": superior,
            "requester_steps": requester_steps,
            "provider_steps": provider_steps,
        }
        return self._sealed(
            "DisputeEscalated", [officer], dispute, ("statement", statement), values
        )

    def common_superior(self, requester: bytes, provider: bytes) -> tuple[bytes, int, int]:
        """Return the lowest department above both, and the steps to it from each; zeros if none.

        The contract checks them again.
        """
        lines: list[list[bytes]] = []
        for department in (requester, provider):
            line = [department]
            while line[-1] != ZERO_ID and len(line) <= MAX_STEPS:
                found = self._platform.read("departments", line[-1].hex())
                line.append(bytes.fromhex(found["parent"]))
            lines.append(line)
        one, other = lines
        for steps, department in enumerate(one[1:], 1):
            if department in other[1:]:
                return department, steps, other.index(department, 1)
        raise ProtocolError("SUPERIOR_WRONG", "no department is above both within eight steps")

    def refer_dispute(
        self, mediator: bytes, dispute: bytes, proposal: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft that mediation failed and the government decides; the report gets sealed."""
        return self._sealed("DisputeMediated", [mediator], dispute, ("proposal", proposal))

    def decide_dispute(
        self, signer: bytes, dispute: bytes, *, ruling: int, decision: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft the decision; ruling 1 is for the requester, 2 for the provider, 3 in part."""
        values: dict[str, Value] = {"ruling": ruling}
        return self._sealed("DisputeDecided", [signer], dispute, ("decision", decision), values)

    def consent_third_party(
        self,
        officer: bytes,
        grant: bytes,
        *,
        third_party: bytes,
        third_party_kind: int,
        valid_until: int,
        items: int,
        purpose: bytes,
    ) -> tuple[Draft, Sealed]:
        """Draft the provider's consent that granted data are passed on.

        Args:
            officer: key id of the provider's officer.
            grant: the grant.
            third_party: id of a department, or commitment to who it is (seal).
            third_party_kind: 1 department, 2 outside the ledger.
            valid_until: last second, unix time; not behind the grant's.
            items: mask of the items, within the grant's.
            purpose: what for, which gets sealed.
        """
        values: dict[str, Value] = {
            "grant": grant,
            "third_party": third_party,
            "third_party_kind": third_party_kind,
            "valid_until": valid_until,
            "items": items,
        }
        return self._sealed("ThirdPartyConsented", [officer], ZERO_ID, ("purpose", purpose), values)

    def revoke_third_party(
        self, officer: bytes, consent: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft that the provider takes a consent back for a sealed reason."""
        return self._reasoned("ThirdPartyRevoked", officer, consent, reason)

    def register_log(self, authority: bytes, gateway: bytes, *, origin: str) -> Draft:
        """Draft the registration of a gateway's log; the gateway's key signs second."""
        values: dict[str, Value] = {"gateway_key": gateway, "origin": origin}
        return self.build("LogRegistered", [authority, gateway], values)

    def parameters_disposed(
        self,
        gateway: bytes,
        log: bytes,
        *,
        disposed_kind: int,
        period: int,
        record: int,
        record_leaf: bytes,
    ) -> Draft:
        """Draft what a gateway files by itself when keys of its log's parameters are disposed of.

        Args:
            gateway: key id of the log's gateway.
            log: the log.
            disposed_kind: 1 a month's key of digests, 2 a month's envelopes, 3 one envelope.
            period: month as YYYYMM.
            record: index of the log's record of the disposal.
            record_leaf: its leaf hash, 32 bytes.
        """
        values: dict[str, Value] = {
            "disposed_kind": disposed_kind,
            "period": period,
            "record": record,
            "record_leaf": record_leaf,
        }
        return self.build("ParametersDisposed", [gateway], values, target=log)

    # Calendar

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

    def _reasoned(
        self, name: str, signer: bytes, target: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        sealed = seal(reason)
        return self.build(name, [signer], {"reason": sealed.commitment}, target=target), sealed

    def _sealed(
        self,
        name: str,
        signers: Sequence[bytes],
        target: bytes,
        text: tuple[str, bytes],
        values: Mapping[str, Value] | None = None,
    ) -> tuple[Draft, Sealed]:
        """Draft an act with one sealed text, given with its field."""
        sealed = seal(text[1])
        words: dict[str, Value] = {**(values or {}), text[0]: sealed.commitment}
        return self.build(name, signers, words, target=target), sealed

    def _ended(
        self, name: str, signer: bytes, grant: bytes, reason: bytes, cause: int
    ) -> tuple[Draft, Sealed]:
        sealed = seal(reason)
        values: dict[str, Value] = {"reason": sealed.commitment, "cause": cause}
        return self.build(name, [signer], values, target=grant), sealed


def _asked(
    *,
    interface: bytes,
    interface_version: int,
    items: int,
    term: Term,
    legal_basis: str,
    scenario: str,
    case: bytes,
    way: int,
) -> tuple[dict[str, Value], Sealed]:
    sealed = seal(case)
    values: dict[str, Value] = {
        "interface": interface,
        **term.values(),
        "interface_version": interface_version,
        "way": way,
        "items": items,
        "legal_basis": legal_basis,
        "scenario": scenario,
        "case": sealed.commitment,
    }
    return values, sealed

"""The one description of every act type: who signs, what is signed, what it does to its target.

The codec (protocol/acts.py), the Solidity constants (contracts/acts/ActTypes.sol), the tables of
docs/protocol.md and the shared vectors are all made from this table.
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import Literal

WORD = 32

FieldKind = Literal["uint", "bytes", "ascii", "utf8"]


class Role(IntFlag):
    """Roles of a person as bits of one word (domain roles; see docs/glossary.md)."""

    OPERATOR = 1
    OFFICER = 2
    HEAD = 4
    AUTHORITY = 8
    AUDITOR = 16
    SYSADMIN = 32
    SECADMIN = 64
    SYSTEM = 128
    GATEWAY = 256
    WITNESS = 512
    CDO = 1024
    PROVIDER = 2048
    PLATFORM = 4096


#: A person's roles lie within one group: management, audit and operation are separate
#: (GB/T 39477-2020). HEAD and AUTHORITY come only from registration and genesis.
ROLE_GROUPS: tuple[Role, ...] = (
    Role.OPERATOR | Role.OFFICER | Role.CDO,
    Role.AUDITOR | Role.WITNESS,
    Role.SYSADMIN | Role.SECADMIN,
    Role.SYSTEM | Role.PROVIDER,
    Role.GATEWAY | Role.PLATFORM,
)


@dataclass(frozen=True, slots=True)
class Field:
    """A value inside the words of an act.

    Attributes:
        name: name of the value, the same in Python, Solidity comments, API and documents.
        size: length in bytes; fields follow one another, and a word's unused tail is zero.
        kind: "uint" (big-endian), "bytes", "ascii" or "utf8" (both zero-padded on the right).
        meaning: what it says, with its unit.
    """

    name: str
    size: int
    kind: FieldKind
    meaning: str


def _word(name: str, meaning: str, kind: FieldKind = "bytes") -> tuple[Field, ...]:
    return (Field(name, WORD, kind, meaning),)


@dataclass(frozen=True, slots=True)
class ActType:
    """One kind of act.

    Attributes:
        code: number of the act type; the upper 16 bits name the contract's noun.
        name: name of the act and of its event.
        contract: contract that accepts it.
        creates: whether it creates its target (then target and revision are zero in the bytes and
            the new id is the act's id).
        signers: who signs, in order; the first is the actor. "*m" means the authority threshold.
        states: states of the target in which it is accepted.
        words: its own words, each a tuple of fields that fill one word, or two for long text.
        effect: what changes.
    """

    code: int
    name: str
    contract: str
    creates: bool
    signers: tuple[str, ...]
    states: str
    words: tuple[tuple[Field, ...], ...]
    effect: str

    @property
    def brings_key(self) -> bool:
        """Whether it brings a new key, which signs last."""
        return any(field.name == "key_x" for word in self.words for field in word)

    @property
    def target_kind(self) -> str:
        """Noun of the registry that it changes; empty where the id alone tells, or it creates.

        A founder's department, person and key have one id.
        """
        return _TARGET_KINDS.get(self.name, "")

    @property
    def word_count(self) -> int:
        """Number of 32-byte words behind the header."""
        return sum(max(1, -(-sum(f.size for f in word) // WORD)) for word in self.words)


_REASON = _word("reason", "commitment to the sealed reason (section 5.2), not zero")
_CAUSE = (
    Field("cause", 1, "uint", "1 misuse, 2 security risk, 3 legal basis gone, 4 purpose ended"),
)
_KEY = (
    _word("key_x", "x of the new SM2 public key", "uint"),
    _word("key_y", "y of the new SM2 public key", "uint"),
    (Field("valid_until", 8, "uint", "last second of the key's validity, unix time; 0 no end"),),
)
_TARGET_KINDS = {
    "ThresholdSet": "department",
    "DepartmentChanged": "department",
    "DepartmentEnded": "department",
    "PersonRolesSet": "person",
    "KeyAdded": "person",
    "HeadKeyProposed": "person",
    "HeadKeyObjected": "person",
    "HeadKeyReplaced": "person",
    "AuthorityPersonRemoved": "person",
    "KeyRevoked": "key",
    "KeyRotated": "key",
    "KeySuspended": "key",
    "KeyResumed": "key",
    "AuthorityKeyResumed": "key",
    "CertificateBound": "key",
}
_LOSS = _word("reason_code", "2 lost, 3 compromised, 4 left", "uint")
_WORKING_DAYS = (
    (Field("year", 2, "uint", "calendar year"),),
    (
        Field("working_days", 64, "uint",
              "bit i is set when day i of the year (0 is 1 January) is a working day"),
    ),
    _word("source", "SM3 of the State Council's notice as it was published, not zero"),
)  # fmt: skip  # as the rows below
_TERM = (
    Field("valid_from", 8, "uint", "first second of validity, unix time"),
    Field("valid_until", 8, "uint", "last second of validity, unix time"),
    Field("quota", 8, "uint", "total number of data requests, at least 1"),
)

#: Filing and supplementing state the same: the words are the same.
_ASKED = (
    _word("interface", "id of the interface asked for"),
    (
        *_TERM,
        Field("interface_version", 4, "uint", "interface version the signers saw"),
        Field("way", 1, "uint",
              "way asked for: 1 service interface, 2 batch exchange, 3 file download (Art 20)"),
    ),
    _word("items", "mask of the items asked for", "uint"),
    _word("legal_basis", "code of the legal basis", "ascii"),
    _word("scenario", "code of the scenario", "ascii"),
    _word("case", "commitment to the sealed scenario document"),
)  # fmt: skip  # as the rows below

#: What is said of a department when it is registered and when it changes.
_DEPARTMENT = (
    (
        Field("level", 1, "uint", "1 state 2 province 3 city 4 county 5 town 6 village"),
        Field("kind", 1, "uint", "1 department 2 government 3 zone 4 institution 5 bank"),
        Field("region", 4, "uint", "GB/T 2260 code, or a local code"),
    ),
    _word("parent", "department above, zero if none"),
    (
        Field("uscc", 18, "ascii", "unified social credit code (GB 32100), or empty"),
        Field("uscc_override", 1, "uint", "1: issued although its check character fails"),
    ),
    (Field("name", 64, "utf8", "name of the department"),),
)

ACT_TYPES: tuple[ActType, ...] = (
    ActType(
        0x0101, "DepartmentRegistered", "Registry", True,
        ("AUTHORITY*m", "the new head's key"), "-",
        (*_DEPARTMENT, *_KEY),
        "department exists; its head is a person with this act's id and the given key",
    ),
    ActType(
        0x0102, "PersonEnrolled", "Registry", True,
        ("HEAD", "the new person's key"), "-",
        (_word("roles", "role bits, within one group", "uint"), *_KEY),
        "person exists in the head's department with the given roles and key",
    ),
    ActType(
        0x0103, "PersonRolesSet", "Registry", False,
        ("HEAD of the person's department",), "person",
        (_word("roles", "new role bits, within one group; zero ends the person", "uint"),),
        "roles replaced",
    ),
    ActType(
        0x0104, "KeyAdded", "Registry", False,
        ("HEAD of the person's department", "the new key"), "person", _KEY,
        "person has a further key",
    ),
    ActType(
        0x0105, "KeyRevoked", "Registry", False,
        ("HEAD of the key's department, or the key itself",), "key ACTIVE, SUSPENDED",
        (_word("reason_code", "1 rotated, 2 lost, 3 compromised, 4 left", "uint"),),
        "key is REVOKED; acts it signed before keep their force",
    ),
    ActType(
        0x0106, "KeyRotated", "Registry", False,
        ("the key itself", "the new key"), "key ACTIVE", _KEY,
        "key is REVOKED as rotated; the new key of the same person is ACTIVE",
    ),
    ActType(
        0x0107, "KeySuspended", "Registry", False,
        ("HEAD of the key's department, or the key itself",), "key ACTIVE", (_LOSS,),
        "key is SUSPENDED and signs nothing",
    ),
    ActType(
        0x0108, "KeyResumed", "Registry", False,
        ("HEAD of the key's department",), "key SUSPENDED", (), "key is ACTIVE",
    ),
    ActType(
        0x0109, "AuthorityKeyResumed", "Registry", False,
        ("AUTHORITY*m",), "key of an authority person SUSPENDED", (), "key is ACTIVE",
    ),
    ActType(
        0x010A, "HeadKeyProposed", "Registry", False,
        ("AUTHORITY*m", "the new key"), "head without a pending proposal", (*_KEY, _LOSS),
        "the new key is pending for the delay of genesis; it signs nothing",
    ),
    ActType(
        0x010B, "HeadKeyObjected", "Registry", False,
        ("HEAD of the person's department",), "head with a pending proposal",
        (_word("key", "key id of the pending key"),),
        "the proposal is cancelled",
    ),
    ActType(
        0x010C, "HeadKeyReplaced", "Registry", False,
        ("AUTHORITY",), "head whose proposal's delay is over",
        (_word("key", "key id of the pending key"),),
        "all other keys of the head are REVOKED; the pending key is ACTIVE",
    ),
    ActType(
        0x010D, "ThresholdSet", "Registry", False,
        ("AUTHORITY*m",), "department of the authority",
        (_word("threshold", "number of authority persons who act together", "uint"),),
        "so many sign the next AUTHORITY*m",
    ),
    ActType(
        0x010E, "AuthorityPersonAdded", "Registry", True,
        ("AUTHORITY*m", "the new person's key"), "-", _KEY,
        "person with the role AUTHORITY exists in the authority's department",
    ),
    ActType(
        0x010F, "AuthorityPersonRemoved", "Registry", False,
        ("AUTHORITY*m",), "authority person", (_LOSS,), "the person has ended",
    ),
    ActType(
        0x0110, "CertificateBound", "Registry", False,
        ("HEAD of the key's department; for an authority person's key the key itself",),
        "key ACTIVE, SUSPENDED",
        (
            _word("issuer", "SM3 of the issuer's name in DER"),
            _word("serial", "serial number of the certificate, 1 to 2^160 - 1", "uint"),
            _word("certificate", "SM3 of the certificate in DER"),
            (Field("not_after", 8, "uint", "last second of the certificate, unix time"),),
        ),
        "key expires with the certificate, if not before; replaces an earlier binding",
    ),
    ActType(
        0x0111, "SuccessorNamed", "Registry", True,
        ("AUTHORITY*m",), "-",
        (
            (Field("contract", 20, "bytes", "address of a contract of this deployment"),),
            (Field("successor", 20, "bytes", "address of the contract that follows it"),),
        ),
        "the successor is named, once for each contract; nothing else changes",
    ),
    ActType(
        0x0112, "DepartmentChanged", "Registry", False,
        ("AUTHORITY*m",), "department that has not ended, but the authority's",
        (*_DEPARTMENT, _REASON),
        "these words hold of the department; its level, and whether it is a government, stay",
    ),
    ActType(
        0x0113, "DepartmentEnded", "Registry", False,
        ("AUTHORITY*m",), "department that has not ended, but the authority's",
        (_word("successor", "department that takes over its duties, zero if none"), _REASON),
        "the department has ended: its keys sign nothing, its entries and grants are not live",
    ),
    ActType(
        0x0201, "CalendarPublished", "Calendar", True, ("AUTHORITY",), "year not published",
        _WORKING_DAYS, "the year's working days are known",
    ),
    ActType(
        0x0202, "CalendarCorrected", "Calendar", False, ("AUTHORITY*m",), "published",
        (*_WORKING_DAYS, _REASON), "the year's working days are replaced",
    ),
    ActType(
        0x0301, "OversightReported", "Oversight", True, ("CDO",), "-",
        (
            (
                Field("from_day", 4, "uint", "first day of the period (section 3.5)"),
                Field("until_day", 4, "uint", "last day of the period, which is over"),
                Field("report_kind", 1, "uint", "1 figures of docs/performance.md, 2 other"),
            ),
            _word("report_digest", "SM3 of the report's bytes, not zero"),
            _word("findings", "commitment to the sealed findings (section 5.2), or zero"),
        ),
        "the report is known to be this one",
    ),
    ActType(
        0x1001, "EntrySubmitted", "Entries", True,
        ("OPERATOR", "HEAD of the same department"), "none, or SUBMITTED, PUBLISHED (new version)",
        (
            (
                Field("sharing_class", 1, "uint", "1 unconditional, 2 conditional, 3 not shared"),
                Field("library", 1, "uint", "1 base, 2 shared, 3 theme, 4 special, 5 model"),
                Field("update_cycle", 1, "uint",
                      "1 real time, 2 day, 3 week, 4 ten days, 5 month, 6 quarter, 7 year"),
                Field("openness", 1, "uint", "0 closed, 1 conditional, 2 open to the public"),
                Field("mode", 1, "uint", "1 platform interface, 2 database, 3 file, 4 medium"),
                Field("grading", 1, "uint", "1 general data, 2 important data, 3 core data"),
            ),
            _word("items", "mask of the data items; bit i is item i, for ever", "uint"),
            _word("sensitive", "mask of the sensitive items, within items", "uint"),
            _word("document", "digest of the entry document"),
            _word("secrecy_assessment", "commitment to the secrecy-risk assessment (Art 13)"),
            _word("privacy_assessment", "commitment to the personal-data assessment (Art 13)"),
            _word("basis", "class 2: digest of the conditions; 3: of the citation; else 0"),
        ),
        "version pending",
    ),
    ActType(
        0x1002, "EntryPublished", "Entries", False, ("AUTHORITY",), "version pending",
        (_word("document", "digest of the document that was reviewed"),),
        "pending version becomes the current one",
    ),
    ActType(
        0x1003, "EntryRetired", "Entries", False, ("HEAD of the provider",), "not RETIRED",
        (_REASON,), "RETIRED; its interfaces and grants are no longer live",
    ),
    ActType(
        0x1004, "EntryReturned", "Entries", False, ("AUTHORITY",), "version pending",
        (_word("document", "digest of the document that was reviewed"), _REASON),
        "no version is pending; the reason goes to the department",
    ),
    ActType(
        0x1005, "ChangeNoted", "Entries", False,
        ("OFFICER or HEAD of the provider, or AUTHORITY",), "PUBLISHED",
        (
            (Field("change_day", 4, "uint", "day on which duty or data changed (section 3.5)"),),
            _REASON,
        ),
        "the update clock runs from that day",
    ),
    ActType(
        0x1006, "UpdateExtended", "Entries", False,
        ("HEAD of the provider", "AUTHORITY"), "update clock runs, not extended", (_REASON,),
        "the update is due 5 working days later, if this is in time",
    ),
    ActType(
        0x1101, "ElementClaimed", "Elements", True,
        ("OPERATOR", "HEAD of the same department"), "-",
        (
            _word("entry", "id of the entry whose item is the data element"),
            _word("element", "city-wide code of the data element, not zero"),
            (Field("item", 1, "uint", "index of the item in the entry's current version"),),
        ),
        "SOURCE; or CONFLICT where another department is the source",
    ),
    ActType(
        0x1102, "ElementReleased", "Elements", False,
        ("HEAD of the claiming department",), "SOURCE, CONFLICT", (_REASON,), "RELEASED",
    ),
    ActType(
        0x1103, "ConflictDecided", "Elements", False, ("AUTHORITY",), "CONFLICT",
        (
            _word("source_department", "id of the claiming department, or of the source so far"),
            _REASON,
        ),
        "the named department's claim is SOURCE, the other one's REJECTED",
    ),
    ActType(
        0x1201, "DataRefreshed", "Refreshes", True,
        ("OPERATOR or PROVIDER of the entry's department",), "-",
        (
            _word("entry", "id of the entry whose data was refreshed"),
            (
                Field("from_day", 4, "uint", "first day that the refresh covers (section 3.5)"),
                Field("until_day", 4, "uint", "last day up to which the data is complete"),
                Field("rows", 8, "uint", "number of rows that the data has now"),
            ),
        ),
        "the data is known to be fresh up to that day",
    ),
    ActType(
        0x2001, "InterfaceRegistered", "Interfaces", True,
        ("OPERATOR of the provider",), "none, or any but RETIRED (new version)",
        (
            _word("entry", "id of the entry it serves"),
            (
                Field("entry_version", 4, "uint", "entry version it is bound to: the current one"),
                Field("rate_per_minute", 4, "uint", "most data requests a minute, 0 = no limit"),
                Field("max_rows", 4, "uint", "most rows in a response, 0 = no limit"),
            ),
            _word("items", "mask of the items it returns, within the entry's", "uint"),
            _word("document", "digest of the interface document (OpenAPI 3)"),
            _word("node", "name of the exchange node", "ascii"),
        ),
        "version pending",
    ),
    ActType(
        0x2002, "InterfaceOnline", "Interfaces", False,
        ("OFFICER of the provider",), "version pending, its test passed",
        (_word("document", "digest of the document that goes online"),),
        "pending version becomes the current one; ONLINE (a suspension stays)",
    ),
    ActType(
        0x2003, "InterfaceSuspended", "Interfaces", False,
        ("OFFICER of the provider, or AUTHORITY",), "ONLINE", (_REASON,), "SUSPENDED",
    ),
    ActType(
        0x2004, "InterfaceResumed", "Interfaces", False,
        ("the side that suspended",), "SUSPENDED", (), "ONLINE",
    ),
    ActType(
        0x2005, "InterfaceRetired", "Interfaces", False,
        ("OFFICER of the provider",), "not RETIRED", (_REASON,), "RETIRED",
    ),
    ActType(
        0x2006, "InterfaceTested", "Interfaces", False,
        ("GATEWAY",), "version pending",
        (
            _word("document", "digest of the document against which it was tested"),
            (Field("test_result", 1, "uint", "1 passed, 2 failed"),),
            _word("log", "id of the log of the gateway that tested"),
            _word("report", "commitment to the report of the test"),
        ),
        "the pending version's test has this result",
    ),
    ActType(
        0x3001, "RequestFiled", "Requests", True,
        ("OPERATOR", "OFFICER of the same department, another person"), "-",
        _ASKED, "FILED",
    ),
    ActType(
        0x3002, "RequestAgreed", "Requests", False,
        ("OFFICER of the provider",), "FILED",
        (_word("items", "mask of the items granted, within those asked for", "uint"), _TERM),
        "AGREED: the grant exists, its id is the request's id",
    ),
    ActType(
        0x3003, "RequestRefused", "Requests", False,
        ("OFFICER of the provider",), "FILED", (_REASON,), "REFUSED",
    ),
    ActType(
        0x3004, "GrantSuspended", "Requests", False,
        ("OFFICER of the provider, or AUTHORITY",), "AGREED, PROVIDED",
        (_REASON, _CAUSE), "SUSPENDED",
    ),
    ActType(
        0x3005, "GrantResumed", "Requests", False,
        ("the side that suspended",), "SUSPENDED", (), "AGREED, or PROVIDED as it was",
    ),
    ActType(
        0x3006, "GrantRevoked", "Requests", False,
        ("OFFICER of the provider or of the requester",), "AGREED, PROVIDED, SUSPENDED",
        (_REASON, _CAUSE), "REVOKED",
    ),
    ActType(
        0x3007, "SupplementAsked", "Requests", False,
        ("OFFICER of the provider",), "FILED, not supplemented before",
        (_word("missing", "commitment to the sealed list of all that is missing, not zero"),),
        "SUPPLEMENT: the clock of the answer stops (section 3.5)",
    ),
    ActType(
        0x3008, "RequestSupplemented", "Requests", False,
        ("OPERATOR of the requester", "OFFICER of the requester, another person"), "SUPPLEMENT",
        _ASKED, "FILED, with these words in place of the former ones; the clock goes on",
    ),
    ActType(
        0x3009, "RequestExtended", "Requests", False,
        ("OFFICER of the provider", "AUTHORITY"), "FILED, not extended before",
        (
            (Field("extension_days", 1, "uint", "working days that the answer may take longer"),),
            _REASON,
        ),
        "the answer is due later",
    ),
    ActType(
        0x300A, "RequestWithdrawn", "Requests", False,
        ("OFFICER of the requester",), "FILED, SUPPLEMENT", (), "WITHDRAWN",
    ),
    ActType(
        0x300B, "DataProvided", "Requests", False,
        ("OFFICER of the provider",), "AGREED",
        (
            (Field("way", 1, "uint",
                   "1 service interface, 2 batch exchange, 3 file download (Art 22)"),),
        ),
        "PROVIDED: the data can be had",
    ),
    ActType(
        0x300C, "GrantRenewed", "Requests", False,
        ("OFFICER of the requester", "OFFICER of the provider"), "AGREED, PROVIDED",
        (
            (
                Field("valid_until", 8, "uint", "last second of validity, unix time"),
                Field("quota", 8, "uint", "number of data requests since the grant began"),
            ),
            _word("case", "commitment to the sealed reason for going on, not zero"),
        ),
        "the grant's term and quota are these",
    ),
    ActType(
        0x300D, "UseReported", "Requests", False,
        ("OPERATOR of the requester",), "AGREED, PROVIDED, SUSPENDED, REVOKED",
        (
            (
                Field("from_day", 4, "uint", "first day reported on, as section 3.5 counts days"),
                Field("until_day", 4, "uint", "last day reported on"),
                Field("uses", 8, "uint", "number of uses of the data"),
            ),
            _word("report", "commitment to the sealed use report, not zero"),
        ),
        "use up to `until_day` is reported",
    ),
    ActType(
        0x300E, "DataDisposed", "Requests", False,
        ("OFFICER of the requester",), "REVOKED; or AGREED, PROVIDED, SUSPENDED behind its term",
        (_word("disposal", "commitment to the sealed record of the disposal, not zero"),),
        "DISPOSED",
    ),
    ActType(
        0x4001, "LogRegistered", "Logs", True,
        ("AUTHORITY", "the gateway's key"), "-",
        (
            _word("gateway_key", "key id of the gateway that signs the log's checkpoints"),
            _word("origin", "origin line of the checkpoints, 1 to 30 characters a-z 0-9 . / -",
                  "ascii"),
        ),
        "log exists",
    ),
    ActType(
        0x4002, "ParametersDisposed", "Logs", False,
        ("GATEWAY",), "any",
        (
            (
                Field("disposed_kind", 1, "uint",
                      "1 a month's key of digests, 2 a month's envelopes, 3 one envelope"),
                Field("period", 4, "uint", "month as YYYYMM, in Asia/Shanghai"),
                Field("record", 8, "uint", "index of the log's record of the disposal, not 0"),
            ),
            _word("record_leaf", "leaf hash of that record, not zero"),
        ),
        "the disposal is told; the log is as it was",
    ),
    ActType(
        0x3101, "CorrectionFiled", "Corrections", True, ("OPERATOR",), "-",
        (
            _word("subject", "id of the grant or entry whose data are in error"),
            (Field("subject_kind", 1, "uint", "1 grant, 2 entry"),),
            _word("items", "mask of the items in error, within the subject's", "uint"),
            _word("errors", "commitment to the sealed description of the errors, not zero"),
        ),
        "FILED",
    ),
    ActType(
        0x3102, "CorrectionVerified", "Corrections", False,
        ("OPERATOR of the provider",), "FILED",
        (_word("finding", "commitment to the sealed result of the verification, not zero"),),
        "VERIFIED",
    ),
    ActType(
        0x3103, "CorrectionClosed", "Corrections", False,
        ("OFFICER of the provider",), "VERIFIED",
        (
            (Field("result", 1, "uint", "1 corrected, 2 rejected"),),
            _word("report", "commitment to the sealed report to the requester, not zero"),
        ),
        "CORRECTED or REJECTED",
    ),
    ActType(
        0x3201, "DisputeOpened", "Disputes", True, ("OFFICER of the requester",), "-",
        (
            _word("request", "id of the request or grant in dispute"),
            _word("statement", "commitment to the sealed statement of the party, not zero"),
        ),
        "NEGOTIATION",
    ),
    ActType(
        0x3202, "DisputeSettled", "Disputes", False,
        ("OFFICER of the requester", "OFFICER of the provider"),
        "NEGOTIATION, AUTHORITY, GOVERNMENT",
        (_word("terms", "commitment to the sealed terms, not zero"),), "DECIDED",
    ),
    ActType(
        0x3203, "DisputeEscalated", "Disputes", False,
        ("OFFICER of the requester or of the provider",), "NEGOTIATION",
        (
            _word("superior", "lowest department above both parties, zero if none"),
            (
                Field("requester_steps", 1, "uint", "parents from the requester to it, 1 to 8"),
                Field("provider_steps", 1, "uint", "parents from the provider to it, 1 to 8"),
            ),
            _word("statement", "commitment to the sealed statement of the party, not zero"),
        ),
        "AUTHORITY",
    ),
    ActType(
        0x3204, "DisputeMediated", "Disputes", False, ("the mediator",), "AUTHORITY",
        (_word("proposal", "commitment to the sealed report of the mediation, not zero"),),
        "GOVERNMENT: the parties did not agree",
    ),
    ActType(
        0x3205, "DisputeDecided", "Disputes", False,
        ("HEAD of the superior, or AUTHORITY where there is none",), "GOVERNMENT",
        (
            (Field("ruling", 1, "uint", "1 for the requester, 2 for the provider, 3 in part"),),
            _word("decision", "commitment to the sealed decision, not zero"),
        ),
        "DECIDED",
    ),
    ActType(
        0x3301, "ThirdPartyConsented", "ThirdParties", True, ("OFFICER of the provider",), "-",
        (
            _word("grant", "id of the grant whose data are passed on"),
            _word("third_party", "id of a department, or commitment to who it is; not zero"),
            (
                Field("third_party_kind", 1, "uint", "1 department, 2 outside the ledger"),
                Field("valid_until", 8, "uint", "last second of validity, unix time"),
            ),
            _word("items", "mask of the items passed on, within the grant's", "uint"),
            _word("purpose", "commitment to the sealed purpose, not zero"),
        ),
        "CONSENTED",
    ),
    ActType(
        0x3302, "ThirdPartyRevoked", "ThirdParties", False,
        ("OFFICER of the provider",), "CONSENTED", (_REASON,), "REVOKED",
    ),
)  # fmt: skip  # a table reads better in rows

BY_CODE: dict[int, ActType] = {a.code: a for a in ACT_TYPES}
BY_NAME: dict[str, ActType] = {a.name: a for a in ACT_TYPES}

#: Contracts of one deployment, in the order in which they are created.
CONTRACTS: tuple[str, ...] = (
    "Sm", "Registry", "Calendar", "Documents", "Entries", "Interfaces", "Requests", "Logs",
    "Corrections", "Disputes", "ThirdParties", "Elements", "Refreshes", "Oversight",
)  # fmt: skip  # a table reads better in rows

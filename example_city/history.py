"""What happened in the example city before it is started: told, and recorded act by act.

The acts are real: signed with the example's keys, checked and recorded by the contracts. Only the
clock is not: the engine that records them is given the dates below (example_city.recording). They
are fixed, so that their working days are known and the same story stands in every instance. Nobody
serves data in it: the tests of its three interfaces are told too, and no provider runs for them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from crypto.canonical import canonical_json
from example_city.catalogue import COMPANIES, DIVISIONS, INSURANCE, OFFERS, Item, Offer
from example_city.directory import load_entries, unit_of
from example_city.plan import Planned, Planner
from example_city.units import (
    AUTHORITY,
    HOUSING,
    MARKET,
    MEDICAL,
    PERSONS,
    load_units,
    unit_key,
)
from example_city.working_days import YEARS
from protocol.acts import ZERO_ID, Value
from protocol.calendar import day_at
from protocol.documents import basis_of, document_digest, parse_entry_document
from sanlian_client.catalogue import CatalogueEntry

YEAR = 2026
_CHINA = timezone(timedelta(hours=8))
_WEEK_S = 7 * 86_400
_YEAR_S = 365 * 86_400
HEALTH, STATISTICS, EMERGENCY, LAND, FINANCE, CULTURE = 3, 11, 12, 17, 19, 20
POLICE, JUSTICE, VETERANS, EDUCATION = 21, 22, 29, 32
#: Interfaces of the history: code of the entry, path; the parameter is the first item.
INTERFACES = (
    ("3010010001/000001", "/birth-certificates"),
    ("3010130001/000001", "/students"),
    ("3010070001/000001", "/contracts"),
)
#: Data elements of the city by offer, item and city-wide code: one source each (Art 19).
ELEMENTS = (
    (DIVISIONS, "code", "DE-DIVISION-CODE"),
    (DIVISIONS, "name", "DE-DIVISION-NAME"),
    (COMPANIES, "uscc", "DE-COMPANY-USCC"),
    (COMPANIES, "name", "DE-COMPANY-NAME"),
    (INSURANCE, "months_paid", "DE-INSURED-MONTHS"),
)
#: Offers with the number of their rows.
ROWS = ((DIVISIONS, 6), (COMPANIES, 200), (INSURANCE, 300))
MISUSE, PURPOSE_ENDED = 1, 4


def time_of(month: int, day: int, hour: int = 10) -> int:
    """Return an hour of the history's year in Asia/Shanghai as unix seconds."""
    return int(datetime(YEAR, month, day, hour, tzinfo=_CHINA).timestamp())


#: When the deployment was made, and the last moment of the history.
BEGIN, END = time_of(9, 7, 9), time_of(11, 20, 17)


@dataclass(slots=True)
class Moment:
    """Acts of one hour, in the order in which they are recorded.

    Attributes:
        at: unix seconds.
        acts: the acts.
    """

    at: int
    acts: list[Planned] = field(default_factory=list)


@dataclass(slots=True)
class History:
    """The told acts.

    Attributes:
        planner: planner of the deployment.
        log: id of the gateway's access log.
        moments: what happened, in its order.
        entries: ids of the entries by code.
        interfaces: ids of the told interfaces by slug.
        requests: ids of the requests by what became of them.
        dispute: id of the dispute.
    """

    planner: Planner
    log: bytes = b""
    moments: list[Moment] = field(default_factory=list)
    entries: dict[str, bytes] = field(default_factory=dict)
    interfaces: dict[str, bytes] = field(default_factory=dict)
    requests: dict[str, bytes] = field(default_factory=dict)
    dispute: bytes = ZERO_ID

    def at(self, month: int, day: int, hour: int = 10) -> int:
        """Go on at this hour; return it in unix seconds."""
        moment = Moment(time_of(month, day, hour))
        if self.moments and self.moments[-1].at >= moment.at:
            raise ValueError("a history goes forward")
        self.moments.append(moment)
        self.planner.expires_at = moment.at + _WEEK_S
        return moment.at

    def add(self, *acts: Planned) -> bytes:
        """Add acts to this hour; return the last one's id."""
        self.moments[-1].acts.extend(acts)
        return acts[-1].id

    def do(
        self,
        name: str,
        signers: Sequence[tuple[int, str]],
        values: Mapping[str, Value],
        *,
        target: bytes = ZERO_ID,
        words: str = "",
    ) -> bytes:
        """Add an act that these roles of units sign; return its id."""
        keys = [unit_key(unit, role) for unit, role in signers]
        return self.add(self.planner.act(name, keys, values, target=target, words=words or name))

    def sealed(self, text: str) -> bytes:
        """Return the commitment to a text that is sealed."""
        return self.planner.commitment(text)


def offer_of(entry: CatalogueEntry, path: str) -> Offer:
    """Return an entry of the file with an interface that serves it by its first item."""
    members = entry.members
    items = tuple(
        Item(
            one["name"],
            one["code"],
            one["type"],
            one["length"],
            sensitive=one["sensitive"],
            name_en=one["name_en"],
            element=one["element"],
        )
        for one in members["items"]
    )
    category = members["category"]
    return Offer(
        slug=path.strip("/"),
        unit=unit_of(entry),
        provider=members["provider"],
        name=members["name"],
        name_en=members["name_en"],
        code=members["code"],
        category=(category["division"], category["group"], category["subgroup"]),
        summary=members["summary"],
        summary_en=members["summary_en"],
        sharing_class=entry.words["sharing_class"],
        conditions=members["conditions"],
        duty=members["duty"],
        classification=members["classification"],
        grading=members["grading"],
        system="",
        table="",
        update_cycle=entry.words["update_cycle"],
        items=items,
        method="get",
        path=path,
        parameter=items[0].code,
        parameter_text=items[0].name,
        required=True,
    )


def tell(planner: Planner, origin: str) -> History:
    """Tell the history; the same planner state gives the same acts.

    Args:
        planner: planner of a fresh deployment.
        origin: origin of the gateway's log.
    """
    history = History(planner)
    _found(history, origin)
    catalogue = load_entries()
    _publish(history, catalogue)
    _claim(history)
    offers = _put_online(history, catalogue)
    _october(history, offers, catalogue)
    _november(history, offers)
    return history


def _found(history: History, origin: str) -> None:
    """Units, persons, log and working days."""
    planner = history.planner
    history.at(9, 7, 10)
    history.add(*(planner.publish_calendar(year) for year in YEARS))
    history.add(*(planner.register_unit(unit) for unit in load_units()))
    history.at(9, 7, 14)
    history.add(*planner.enrol_all(*dict.fromkeys(unit for unit, _, _ in PERSONS)))
    history.log = history.add(planner.register_log(origin))


def _publish(history: History, catalogue: Sequence[CatalogueEntry]) -> None:
    """A department a day submits; the authority reviews on the next working day, once too late."""
    planner = history.planner
    history.at(9, 8)
    for offer in OFFERS:
        history.entries[offer.code] = history.add(planner.submit_entry(offer))
    history.at(9, 8, 16)
    for offer in OFFERS:
        history.add(planner.publish_entry(offer, history.entries[offer.code]))
    of_unit: dict[int, list[CatalogueEntry]] = {}
    for entry in catalogue:
        of_unit.setdefault(unit_of(entry), []).append(entry)
    days = [day for day in range(9, 31) if day not in (12, 13, 19, 20, 25, 26, 27)]
    units = sorted(of_unit)
    for at, day in enumerate(days[: -(-len(units) // 2)]):
        entries = [one for unit in units[2 * at : 2 * at + 2] for one in of_unit[unit]]
        history.at(9, day, 11)
        for entry in entries:
            submitted = planner.submit_imported(unit_of(entry), entry)
            history.entries[entry.members["code"]] = history.add(submitted)
        history.at(9, day, 16)
        for entry in entries:
            code = entry.members["code"]
            history.add(planner.publish_imported(entry, history.entries[code]))


def _claim(history: History) -> None:
    """Sources of data elements (Art 19), and how fresh the data is."""
    planner, entries = history.planner, history.entries
    at = history.at(10, 8, 9)
    for offer, code, element in ELEMENTS:
        history.add(planner.claim_element(offer, entries[offer.code], code, element))
    for offer, rows in ROWS:
        refreshed = planner.refresh_data(offer, entries[offer.code], day=day_at(at) - 1, rows=rows)
        history.add(refreshed)


def _entry(catalogue: Iterable[CatalogueEntry], code: str) -> CatalogueEntry:
    return next(one for one in catalogue if one.members["code"] == code)


def _put_online(history: History, catalogue: Sequence[CatalogueEntry]) -> dict[str, Offer]:
    """Three interfaces: one stays online, one is suspended later, one retired."""
    planner = history.planner
    offers = [offer_of(_entry(catalogue, code), path) for code, path in INTERFACES]
    history.at(10, 8, 10)
    for offer in offers:
        entry = history.entries[offer.code]
        history.interfaces[offer.slug] = history.add(planner.register_interface(offer, entry))
    history.at(10, 8, 11)
    for offer in offers:
        interface = history.interfaces[offer.slug]
        history.add(
            planner.told_test(offer, interface, history.log),
            planner.interface_online(offer, interface),
        )
    return {offer.slug: offer for offer in offers}


def _ask(history: History, unit: int, offer: Offer, case: str) -> bytes:
    """A unit asks for all items of an interface for a year; return the request's id."""
    at = history.moments[-1].at
    return history.add(
        history.planner.file_request(
            unit,
            history.interfaces[offer.slug],
            items=offer.mask,
            scenario="CASE-CHECK",
            case=case,
            valid=(at, at + _YEAR_S),
            quota=1_000,
            words=f"unit {unit:02d} asks for 《{offer.name}》",
        )
    )


def _agree(history: History, offer: Offer, request: bytes) -> None:
    at = history.moments[-1].at
    valid = (at, at + 300 * 86_400)
    history.add(history.planner.agree(offer, request, items=offer.mask, valid=valid, quota=1_000))


def _provide(history: History, offer: Offer, request: bytes) -> None:
    history.do("DataProvided", [(offer.unit, "officer")], {"way": 1}, target=request)


def _october(
    history: History, offers: Mapping[str, Offer], catalogue: Sequence[CatalogueEntry]
) -> None:
    planner, requests = history.planner, history.requests
    births, students = offers["birth-certificates"], offers["students"]
    contracts = offers["contracts"]
    history.at(10, 8, 14)
    requests["DISPOSED"] = _ask(history, MEDICAL, births, "maternity benefits")
    history.at(10, 9)
    requests["SUSPENDED"] = _ask(history, HOUSING, students, "housing of families with pupils")
    history.at(10, 12)
    requests["REFUSED"] = _ask(history, EMERGENCY, births, "census of shelters")
    requests["WITHDRAWN"] = _ask(history, CULTURE, students, "museum tickets")
    changed: dict[str, Value] = {
        "change_day": day_at(history.moments[-1].at),
        "reason": history.sealed("revised"),
    }
    indicators = _entry(catalogue, "3010030001/000001")
    entry = history.entries["3010030001/000001"]
    history.do("ChangeNoted", [(STATISTICS, "officer")], changed, target=entry)
    history.at(10, 13)
    history.do("RequestWithdrawn", [(CULTURE, "officer")], {}, target=requests["WITHDRAWN"])
    missing = {"missing": history.sealed("the list of housing estates")}
    history.do("SupplementAsked", [(EDUCATION, "officer")], missing, target=requests["SUSPENDED"])
    history.at(10, 14)
    claimed: dict[str, Value] = {
        "entry": history.entries["3010170001/000001"],
        "element": b"DE-COMPANY-NAME".ljust(32, b"\0"),
        "item": 1,
    }
    rival = history.do("ElementClaimed", [(8, "operator"), (8, "head")], claimed)
    at = history.at(10, 15)
    asked: dict[str, Value] = {
        "interface": history.interfaces[students.slug],
        "valid_from": at,
        "valid_until": at + _YEAR_S,
        "quota": 1_000,
        "interface_version": 1,
        "way": 1,
        "items": students.mask,
        "legal_basis": "ORDER-809-ART-20",
        "scenario": "CASE-CHECK",
        "case": history.sealed("housing of families with pupils, with the list of estates"),
    }
    both = [(HOUSING, "operator"), (HOUSING, "officer")]
    history.do("RequestSupplemented", both, asked, target=requests["SUSPENDED"])
    history.at(10, 16)
    members = {**indicators.members, "summary": indicators.members["summary"] + "（含季度数据）"}
    document = canonical_json(members)
    parsed = parse_entry_document(document)
    words: dict[str, Value] = {
        **indicators.words,
        "grading": 1,
        "items": parsed.mask,
        "sensitive": parsed.sensitive_mask,
        "document": document_digest(document),
        "secrecy_assessment": history.sealed("secrecy of the revised indicators"),
        "privacy_assessment": history.sealed("privacy of the revised indicators"),
        "basis": basis_of(members, indicators.words["sharing_class"]),
    }
    history.add(
        planner.act(
            "EntrySubmitted",
            (unit_key(STATISTICS, "operator"), unit_key(STATISTICS, "head")),
            words,
            target=entry,
            documents=(document,),
            words="市统计局 submits a second version of 《国民经济主要指标》",
        )
    )
    history.at(10, 19)
    published = {"document": document_digest(document)}
    history.do("EntryPublished", [(AUTHORITY, "authority-1")], published, target=entry)
    _agree(history, students, requests["SUSPENDED"])
    _provide(history, students, requests["SUSPENDED"])
    history.at(10, 20)
    reason = {"reason": history.sealed("shelters need no births")}
    history.do("RequestRefused", [(HEALTH, "officer")], reason, target=requests["REFUSED"])
    kept = {
        "source_department": planner.departments[MARKET],
        "reason": history.sealed("the register of companies is the source"),
    }
    history.do("ConflictDecided", [(AUTHORITY, "authority-2")], kept, target=rival)
    history.at(10, 22)
    opened = {"request": requests["REFUSED"], "statement": history.sealed("births tell of needs")}
    history.dispute = history.do("DisputeOpened", [(EMERGENCY, "officer")], opened)
    history.at(10, 26)  # due on the 21st: late
    _agree(history, births, requests["DISPOSED"])
    history.at(10, 27)
    _provide(history, births, requests["DISPOSED"])
    escalated: dict[str, Value] = {
        "superior": ZERO_ID,
        "requester_steps": 1,
        "provider_steps": 1,
        "statement": history.sealed("no agreement"),
    }
    history.do("DisputeEscalated", [(EMERGENCY, "officer")], escalated, target=history.dispute)
    history.at(10, 28)
    requests["REVOKED"] = _ask(history, POLICE, contracts, "a procurement inquiry")
    history.at(10, 29)
    _agree(history, contracts, requests["REVOKED"])
    _provide(history, contracts, requests["REVOKED"])
    history.at(10, 30)
    requests["PROVIDED"] = _ask(history, VETERANS, births, "allowances for children")


def _november(history: History, offers: Mapping[str, Offer]) -> None:
    requests, sealed = history.requests, history.sealed
    births, students = offers["birth-certificates"], offers["students"]
    history.at(11, 2)
    errors: dict[str, Value] = {
        "subject": requests["DISPOSED"],
        "subject_kind": 1,
        "items": births.mask_of("birth_date"),
        "errors": sealed("two dates of birth are wrong"),
    }
    correction = history.do("CorrectionFiled", [(MEDICAL, "operator")], errors)
    history.at(11, 3)
    longer: dict[str, Value] = {"extension_days": 5, "reason": sealed("an old register")}
    history.do(
        "RequestExtended",
        [(HEALTH, "officer"), (AUTHORITY, "authority-1")],
        longer,
        target=requests["PROVIDED"],
    )
    proposal = {"proposal": sealed("numbers of births by district instead")}
    history.do("DisputeMediated", [(AUTHORITY, "authority-3")], proposal, target=history.dispute)
    history.at(11, 4)
    finding = {"finding": sealed("both are wrong")}
    history.do("CorrectionVerified", [(HEALTH, "operator")], finding, target=correction)
    at = history.at(11, 5)
    uses: dict[str, Value] = {
        "from_day": day_at(at) - 9,
        "until_day": day_at(at) - 1,
        "uses": 214,
        "report": sealed("claims that were paid"),
    }
    history.do("UseReported", [(MEDICAL, "operator")], uses, target=requests["DISPOSED"])
    history.at(11, 9)
    corrected: dict[str, Value] = {"result": 1, "report": sealed("both dates were corrected")}
    history.do("CorrectionClosed", [(HEALTH, "officer")], corrected, target=correction)
    ended: dict[str, Value] = {"reason": sealed("the register is complete"), "cause": PURPOSE_ENDED}
    history.do("GrantRevoked", [(MEDICAL, "officer")], ended, target=requests["DISPOSED"])
    history.at(11, 10)
    _agree(history, births, requests["PROVIDED"])
    disposal = {"disposal": sealed("files erased, protocol 7")}
    history.do("DataDisposed", [(MEDICAL, "officer")], disposal, target=requests["DISPOSED"])
    history.at(11, 11)
    _provide(history, births, requests["PROVIDED"])
    history.at(11, 12)
    misuse: dict[str, Value] = {"reason": sealed("addresses used for letters"), "cause": MISUSE}
    history.do("GrantSuspended", [(EDUCATION, "officer")], misuse, target=requests["SUSPENDED"])
    basis: dict[str, Value] = {"reason": sealed("the inquiry was closed"), "cause": 3}
    history.do("GrantRevoked", [(FINANCE, "officer")], basis, target=requests["REVOKED"])
    decided: dict[str, Value] = {"ruling": 2, "decision": sealed("the refusal stands")}
    history.do("DisputeDecided", [(AUTHORITY, "authority-2")], decided, target=history.dispute)
    at = history.at(11, 13)
    third: dict[str, Value] = {
        "grant": requests["PROVIDED"],
        "valid_until": at + 100 * 86_400,
        "items": births.mask_of("child_name"),
        "third_party": sealed("a bank that pays allowances out"),
        "third_party_kind": 2,
        "purpose": sealed("payment"),
    }
    history.do("ThirdPartyConsented", [(HEALTH, "officer")], third)
    history.at(11, 16)
    reason = {"reason": sealed("the school register moves")}
    students_id = history.interfaces[students.slug]
    history.do("InterfaceSuspended", [(EDUCATION, "officer")], reason, target=students_id)
    reason = {"reason": sealed("contracts are on the procurement site")}
    contracts_id = history.interfaces["contracts"]
    history.do("InterfaceRetired", [(FINANCE, "officer")], reason, target=contracts_id)
    requests["AGREED"] = _ask(history, LAND, births, "inheritance of land")
    history.at(11, 17)
    requests["SUPPLEMENT"] = _ask(history, POLICE, births, "household registration")
    history.at(11, 18)
    _agree(history, births, requests["AGREED"])
    requests["FILED"] = _ask(history, CULTURE, births, "library cards")
    history.at(11, 19)
    missing = {"missing": sealed("which districts")}
    history.do("SupplementAsked", [(HEALTH, "officer")], missing, target=requests["SUPPLEMENT"])

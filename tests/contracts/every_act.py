"""Every type of act once, in an order in which each is accepted.

A new act type gets its step here; `missing` names those that have none.
"""

from protocol.acts import ZERO_ID
from protocol.calendar import day_at
from protocol.description import ACT_TYPES, Role
from tests.contracts.city import AUTHORITY, CITY_HEAD, DELAY_S, City, digest, key, key_words

REQUESTER = ("housing operator", "housing officer")
ASKER, OFFICER = "housing officer", "civil affairs officer"


def record_every_act(city: City) -> None:
    """Build the city and record what `City.build` does not."""
    city.build()
    _record_the_directory(city)
    _record_the_registry(city)
    _record_the_keys(city)
    _record_the_authority(city)
    _record_the_calendar(city)
    _record_the_requests(city)
    city.do("ParametersDisposed", ("gateway",), city.ids["log"], **city.disposed_values())
    # Last, as what depends on an entry or interface needs it live.
    _record_the_ends(city)


def missing(city: City) -> set[str]:
    """Return the act types of which the city recorded none."""
    return {act_type.name for act_type in ACT_TYPES} - set(city.gas)


def signers(city: City) -> list[tuple[int, int]]:
    """Return the keys that signed, as points, in the order of their first signature."""
    keys = dict.fromkeys(key(name).public_key for name in city.signers)
    return [(one.x, one.y) for one in keys]


def _record_the_registry(city: City) -> None:
    head, spare = "housing head", "housing spare"
    public = key(spare).public_key
    city.do("KeyAdded", (head, spare), city.ids["housing operator"], **key_words(spare))
    city.do("KeyRevoked", (head,), public.key_id, reason_code=1)
    city.do("PersonRolesSet", (head,), city.ids["housing both"], roles=int(Role.OPERATOR))
    weather, reason, two = city.register("weather"), digest("reason"), AUTHORITY[:2]
    city.enrol("housing officer for data", head, Role.CDO)
    city.do("OversightReported", ("housing officer for data",), **city.oversight_values())
    words = city.department_values("climate")
    city.do("DepartmentChanged", two, weather, **words, reason=reason)
    city.do("DepartmentEnded", two, weather, successor=city.ids["housing"], reason=reason)


def _record_the_keys(city: City) -> None:
    head, both, new = ("housing head",), "housing both", "housing both's next"
    old, next_ = key(both).public_key.key_id, key(new).public_key.key_id
    city.do("KeyRotated", (both, new), old, **key_words(new))
    city.do("KeySuspended", head, next_, reason_code=2)
    city.do("KeyResumed", head, next_)
    words = {"issuer": digest("issuer"), "serial": 7, "certificate": digest("certificate")}
    city.do("CertificateBound", head, next_, **words, not_after=city.now() + 10 * DELAY_S)
    for name, asked, code in (("refused", "HeadKeyObjected", 2), ("taken", "HeadKeyReplaced", 3)):
        person, signers = city.ids["housing"], (*AUTHORITY[:2], name)
        city.do("HeadKeyProposed", signers, person, **key_words(name), reason_code=code)
        if asked == "HeadKeyReplaced":
            city.rpc.call("evm_increaseTime", DELAY_S + 1)
            city.rpc.call("evm_mine")
        actor = head if asked == "HeadKeyObjected" else AUTHORITY[:1]
        city.do(asked, actor, person, key=key(name).public_key.key_id)


def _record_the_authority(city: City) -> None:
    two, third = AUTHORITY[:2], AUTHORITY[2]
    added = city.do("AuthorityPersonAdded", (*two, "authority 4"), **key_words("authority 4"))
    city.do("AuthorityPersonRemoved", two, added, reason_code=4)
    city.do("ThresholdSet", two, key(CITY_HEAD).public_key.key_id, threshold=2)
    suspended = key(third).public_key.key_id
    city.do("KeySuspended", (third,), suspended, reason_code=2)
    city.do("AuthorityKeyResumed", two, suspended)
    city.do("SuccessorNamed", two, contract=city.contracts["Entries"], successor=b"\x11" * 20)


def _record_the_calendar(city: City) -> None:
    target, reason = city.ids["calendar 2026"], digest("reason")
    city.do("CalendarCorrected", AUTHORITY[:2], target, **city.calendar_values(reason=reason))


def _record_the_directory(city: City) -> None:
    entry, reason, today = city.ids["entry"], digest("reason"), day_at(city.now())
    provider = ("civil affairs operator", "civil affairs head")
    city.do("ChangeNoted", (OFFICER,), entry, change_day=today, reason=reason)
    city.do("UpdateExtended", (provider[1], AUTHORITY[0]), entry, reason=reason)
    city.do("EntrySubmitted", provider, entry, **city.entry_values(document=digest("second")))
    returned = {"document": digest("second"), "reason": reason}
    city.do("EntryReturned", AUTHORITY[:1], entry, **returned)
    city.do("DataRefreshed", provider[:1], **city.refresh_values())
    rival, document = ("housing operator", "housing head"), digest("housing entry")
    other = city.do("EntrySubmitted", rival, **city.entry_values(document=document))
    city.do("EntryPublished", AUTHORITY[:1], other, document=document)
    claim = city.do("ElementClaimed", rival, **city.claim_values(entry=other))
    kept = {"source_department": city.ids["civil affairs"], "reason": reason}
    city.do("ConflictDecided", AUTHORITY[:1], claim, **kept)
    city.do("ElementReleased", provider[1:], city.ids["claim"], reason=reason)


def _record_the_requests(city: City) -> None:
    officer, asker, filed, reason = (OFFICER,), (ASKER,), city.ids["filed"], digest("reason")
    both, grant, until = (ASKER, OFFICER), city.ids["grant"], city.now() + 30 * 86_400
    city.do("SupplementAsked", officer, filed, missing=reason)
    city.do("RequestSupplemented", REQUESTER, filed, **city.request_values(case=reason))
    extended = {"extension_days": 10, "reason": reason}
    city.do("RequestExtended", (OFFICER, AUTHORITY[0]), filed, **extended)
    city.do("RequestRefused", officer, filed, reason=reason)
    _record_the_disputes(city, filed)
    other = city.do("RequestFiled", REQUESTER, **city.request_values())
    city.do("RequestWithdrawn", asker, other)
    city.do("DataProvided", officer, grant, way=1)
    city.do("GrantRenewed", both, grant, valid_until=until, quota=20, case=reason)
    today = day_at(city.now())
    report = {"from_day": today - 1, "until_day": today, "uses": 3, "report": reason}
    city.do("UseReported", REQUESTER[:1], grant, **report)
    _record_the_corrections(city, grant)
    city.do("GrantSuspended", officer, grant, reason=reason, cause=1)
    city.do("GrantResumed", officer, grant)
    city.do("GrantRevoked", asker, grant, reason=reason, cause=4)
    city.do("DataDisposed", asker, grant, disposal=reason)


def _record_the_disputes(city: City, refused: bytes) -> None:
    reason = digest("reason")
    opened = {"request": refused, "statement": reason}
    dispute = city.do("DisputeOpened", (ASKER,), **opened)
    steps = {"superior": ZERO_ID, "requester_steps": 1, "provider_steps": 1}
    city.do("DisputeEscalated", (OFFICER,), dispute, **steps, statement=reason)
    city.do("DisputeMediated", AUTHORITY[:1], dispute, proposal=reason)
    city.do("DisputeDecided", AUTHORITY[:1], dispute, ruling=3, decision=reason)
    again = city.do("DisputeOpened", (ASKER,), **opened)
    city.do("DisputeSettled", (ASKER, OFFICER), again, terms=reason)


def _record_the_corrections(city: City, grant: bytes) -> None:
    reason = digest("reason")
    found = {"subject": grant, "subject_kind": 1, "items": 1, "errors": reason}
    correction = city.do("CorrectionFiled", REQUESTER[:1], **found)
    city.do("CorrectionVerified", ("civil affairs operator",), correction, finding=reason)
    city.do("CorrectionClosed", (OFFICER,), correction, result=1, report=reason)
    third = {"third_party": digest("a bank"), "third_party_kind": 2, "purpose": reason}
    words = {"grant": grant, "valid_until": city.now() + 600, "items": 1, **third}
    consent = city.do("ThirdPartyConsented", (OFFICER,), **words)
    city.do("ThirdPartyRevoked", (OFFICER,), consent, reason=reason)


def _record_the_ends(city: City) -> None:
    officer, interface, reason = ("civil affairs officer",), city.ids["interface"], digest("reason")
    city.do("InterfaceSuspended", officer, interface, reason=reason)
    city.do("InterfaceResumed", officer, interface)
    city.do("InterfaceRetired", officer, interface, reason=reason)
    city.do("EntryRetired", ("civil affairs head",), city.ids["entry"], reason=reason)

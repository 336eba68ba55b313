"""Whether a record's decision follows from the state: shared by the verifier and the audit."""

from typing import Any

from crypto.canonical import fast_canonical
from crypto.errors import CryptoError, VerificationError
from crypto.merkle import leaf_hash
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from protocol.acts import ZERO_ID, Act
from protocol.description import Role
from protocol.httpsig import (
    CLOSING_PATH,
    CONSULTATION_PATH,
    DATA_PATH,
    NOT_SENT_PATH,
    OFFER_PATH,
    RESTRICTION_PATH,
    SEALED_PATHS,
    TEST_PATH,
    ProviderAnswer,
    SignedRequest,
)
from protocol.model import (
    GRANT_PROBLEMS,
    Person,
    Store,
    effective_items,
    grant_problem,
    is_grant_live,
    key_problem,
)
from protocol.model.sealed_texts import sealed_commitments, sealed_parties
from protocol.transfer import BATCH_WAY

#: A gateway's clock may be set to allow so much; beyond it no setting goes.
MAX_SKEW_S = 300
#: Paths of the calls whose body stands in the record, by its event.
_STATED = {"not_sent": NOT_SENT_PATH, "offered": OFFER_PATH, "closed": CLOSING_PATH}


def _refuse(code: str, message: str) -> VerificationError:
    return VerificationError(code, message)


def _require(code: str, message: str, *, ok: bool) -> None:
    if not ok:
        raise _refuse(code, message)


def verify_request(record: dict[str, Any]) -> SignedRequest:
    """Check the requester's signature in a record and return the request.

    Raises:
        VerificationError: REQUEST_INVALID.
    """
    try:
        request = SignedRequest.from_record(record["request"])
        request.verify()
    except (CryptoError, VerificationError) as error:
        raise _refuse("REQUEST_INVALID", "the requester's signature does not hold") from error
    if record["event"] == "intent" and request.path != DATA_PATH:
        raise _refuse("REQUEST_INVALID", "the record is not about a data request")
    if record["event"] == "sealed" and request.path != SEALED_PATHS[record["operation"]]:
        raise _refuse("REQUEST_INVALID", "the record is not about this call")
    if record["event"] == "restricted" and request.path != RESTRICTION_PATH:
        raise _refuse("REQUEST_INVALID", "the record is not about a grant's networks")
    if record["event"] == "consulted" and request.path != CONSULTATION_PATH:
        raise _refuse("REQUEST_INVALID", "the record is not about a consultation")
    if record["event"] == "test" and request.path != TEST_PATH:
        raise _refuse("REQUEST_INVALID", "the record is not about an interface's test")
    if record["event"] in _STATED and (
        request.path != _STATED[record["event"]]
        or request.content_digest != sm3(fast_canonical(record["statement"]))
    ):
        raise _refuse("REQUEST_INVALID", "the statement is not the one that was signed")
    return request


def not_sent_problem(store: Store, key_id: bytes, at_s: int) -> tuple[str, str]:
    """Return why a key's statement of unsent numbers does not count, or two empty texts.

    Args:
        store: the state.
        key_id: id of the key that signed it; it can ask for data.
        at_s: unix seconds of the statement.
    """
    problem, _ = _person(store, key_id, at_s)
    return problem


def _person(store: Store, key_id: bytes, at_s: int) -> tuple[tuple[str, str], Person | None]:
    key = store.find_key(key_id)
    person = store.find_person(key.person) if key is not None else None
    if key is None or person is None:
        return ("KEY_UNKNOWN", "the key is not registered"), None
    problem = key_problem(store, key, person, at_s)
    if problem is not None:
        return (problem, "the key does not count now"), None
    return ("", ""), person


def offer_problem(store: Store, *, grant: bytes, key_id: bytes, at_s: int) -> tuple[str, str]:
    """Return why a key may not offer a batch under a grant, or two empty texts.

    Args:
        store: the state.
        grant: 32-byte id of the grant.
        key_id: id of the key that signed the offer.
        at_s: unix seconds of the offer.
    """
    problem, person = _person(store, key_id, at_s)
    if person is None:
        return problem
    found = store.find_request(grant)
    if found is None:
        return "GRANT_UNKNOWN", "there is no such grant"
    if person.department != found.provider:
        return "GRANT_NOT_YOURS", "the grant is for another department's data"
    if not person.roles & Role.PROVIDER:
        return "ROLE_MISSING", "a batch is offered by a key that signs the provider's answers"
    if not is_grant_live(store, grant, at_s):
        return "GRANT_NOT_LIVE", "the grant is not live"
    if found.way != BATCH_WAY:
        return "GRANT_OF_ANOTHER_WAY", "the grant is not for the exchange of batches"
    return "", ""


def closing_problem(store: Store, *, grant: bytes, key_id: bytes, at_s: int) -> tuple[str, str]:
    """Return why a key may not end a transfer under a grant, or two empty texts.

    The grant need not be live any more: what came under it can be ended.

    Args:
        store: the state.
        grant: 32-byte id of the grant.
        key_id: id of the key that signed it.
        at_s: unix seconds.
    """
    problem, person = _person(store, key_id, at_s)
    if person is None:
        return problem
    found = store.find_request(grant)
    if found is None or found.granted_term is None:
        return "GRANT_UNKNOWN", "there is no such grant"
    if person.department != found.requester:
        return "GRANT_NOT_YOURS", "the grant is another department's"
    if not person.roles & (Role.SYSTEM | Role.OPERATOR):
        return "ROLE_MISSING", "a transfer is ended by a key that may ask for data"
    return "", ""


def verify_not_sent(store: Store, record: dict[str, Any], request: SignedRequest) -> None:
    """Check that the state of the deciding block let this statement pass, as the record says.

    Raises:
        VerificationError: DECISION_WRONG.
    """
    code, _ = not_sent_problem(store, request.public_key.key_id, record["time_ms"] // 1000)
    key = store.find_key(request.public_key.key_id)
    person = store.find_person(key.person) if key is not None else None
    _require(
        "DECISION_WRONG",
        f"the state refuses this statement: {code}",
        ok=not code and person is not None and record["department"] == person.department.hex(),
    )


def verify_transfer(store: Store, record: dict[str, Any], request: SignedRequest) -> None:
    """Check that the state of the deciding block let this offer or closing pass.

    Raises:
        VerificationError: DECISION_WRONG.
    """
    find = offer_problem if record["event"] == "offered" else closing_problem
    key_id, at_s = request.public_key.key_id, record["time_ms"] // 1000
    code, _ = find(store, grant=request.grant, key_id=key_id, at_s=at_s)
    _, person = _person(store, key_id, at_s)
    _require(
        "DECISION_WRONG",
        f"the state refuses this statement: {code}",
        ok=not code and person is not None and record["department"] == person.department.hex(),
    )


def _problem(store: Store, record: dict[str, Any], request: SignedRequest) -> str | None:
    return grant_problem(
        store,
        grant=request.grant,
        key_id=request.public_key.key_id,
        basis=request.basis,
        scenario=request.scenario,
        at_s=record["time_ms"] // 1000,
    )


def verify_intent(store: Store, record: dict[str, Any], request: SignedRequest) -> None:
    """Check that the state of the deciding block let this request pass, as the record says.

    Raises:
        VerificationError: DECISION_WRONG.
    """
    problem = _problem(store, record, request)
    if problem is not None:
        raise _refuse("DECISION_WRONG", f"the state refuses this request: {problem}")
    grant = store.find_request(request.grant)
    interface = store.find_interface(grant.interface) if grant is not None else None
    entry = store.find_entry(interface.entry) if interface is not None else None
    key = store.find_key(request.public_key.key_id)
    person = store.find_person(key.person) if key is not None else None
    if (
        grant is None
        or interface is None
        or interface.current is None
        or entry is None
        or entry.current is None
        or person is None
    ):
        raise _refuse("DECISION_WRONG", "the state does not hold what the record rests on")
    told = {
        "department": person.department.hex(),
        "grant_revision": grant.revision,
        "provider": grant.provider.hex(),
        "entry": entry.id.hex(),
        "entry_version": entry.current.number,
        "interface": interface.id.hex(),
        "interface_version": interface.current.number,
        "items": f"{effective_items(store, grant.id):064x}",
    }
    for name, value in told.items():
        _require("DECISION_WRONG", f"{name} is not that of the state", ok=record[name] == value)
    skew = abs(record["time_ms"] // 1000 - request.created)
    _require("DECISION_WRONG", "the request's time is not the record's", ok=skew <= MAX_SKEW_S)


def interface_test_problem(
    store: Store, *, interface: bytes, document: bytes, key_id: bytes, at_s: int
) -> tuple[str, str]:
    """Return why a gateway does not test an interface's pending version: code and sentence.

    The provider itself asks for the test; its data leaves it for nobody else.

    Args:
        store: the state.
        interface: id of the interface.
        document: digest of the pending version's document; zeros for any.
        key_id: id of the key that signed the call.
        at_s: unix seconds of the call.

    Returns:
        Two empty texts when it may be tested.
    """
    key = store.find_key(key_id)
    person = store.find_person(key.person) if key is not None else None
    if key is None or person is None:
        return "KEY_UNKNOWN", "the key is not registered"
    problem = key_problem(store, key, person, at_s)
    if problem is not None:
        return problem, "the key does not count now"
    found = store.find_interface(interface)
    if (
        found is None
        or person.department != found.department
        or not person.roles & (Role.OPERATOR | Role.OFFICER)
    ):
        return "TEST_NOT_ALLOWED", "only the provider's operators and officers ask for its test"
    if found.pending is None or document not in (ZERO_ID, found.pending.document):
        return "NOTHING_TO_TEST", "no version of the interface waits for its test"
    return "", ""


def verify_test(store: Store, record: dict[str, Any], request: SignedRequest) -> None:
    """Check that the state of the deciding block let this test pass, as the record says.

    Raises:
        VerificationError: DECISION_WRONG.
    """
    interface = bytes.fromhex(record["interface"])
    code, _ = interface_test_problem(
        store,
        interface=interface,
        document=bytes.fromhex(record["document"]),
        key_id=request.public_key.key_id,
        at_s=record["time_ms"] // 1000,
    )
    found = store.find_interface(interface)
    _require(
        "DECISION_WRONG",
        f"the state refuses this test: {code}",
        ok=not code
        and found is not None
        and record["provider"] == record["department"] == found.department.hex(),
    )


def verify_sealed(
    store: Store, record: dict[str, Any], request: SignedRequest, act: Act | None
) -> None:
    """Check that the state of the deciding block let this call about a sealed text pass.

    Args:
        store: state of the deciding block.
        record: the record.
        request: its request, verified.
        act: the act that the record names, None where none was recorded by that block.

    Raises:
        VerificationError: DECISION_WRONG.
    """
    key = store.find_key(request.public_key.key_id)
    person = store.find_person(key.person) if key is not None else None
    counts = (
        key is not None
        and person is not None
        and key_problem(store, key, person, record["time_ms"] // 1000) is None
        and bool(person.roles)
        and record["department"] == person.department.hex()
    )
    _require("DECISION_WRONG", "the key, or the department, does not count", ok=counts)
    _require(
        "DECISION_WRONG",
        "the department is no party to a sealed text of this act",
        ok=act is not None
        and record["word"] in sealed_commitments(act)
        and bytes.fromhex(record["department"]) in sealed_parties(store, act),
    )


def verify_denial(store: Store, record: dict[str, Any], request: SignedRequest) -> None:
    """Check that the stated code follows from the state, where the state can tell.

    Raises:
        VerificationError: DECISION_WRONG.
    """
    problem, code = _problem(store, record, request), record["code"]
    _require(
        "DECISION_WRONG",
        f"the record says {code}, the state {problem or 'nothing'}",
        ok=code not in GRANT_PROBLEMS or code == problem,
    )
    key = store.find_key(request.public_key.key_id)
    person = store.find_person(key.person) if key is not None else None
    # Whoever owns an unknown key, it is nobody: a gateway could make one and blame a department.
    department = person.department if person is not None else ZERO_ID
    _require(
        "DECISION_WRONG",
        "department is not that of the state",
        ok=record["department"] == department.hex(),
    )


def verify_end(
    store: Store, intent: dict[str, Any], intent_bytes: bytes, end: dict[str, Any]
) -> None:
    """Check an outcome or interruption against its intent.

    Args:
        store: state of the deciding block.
        intent: the intent's record.
        intent_bytes: its bytes.
        end: the record of the outcome or interruption.

    Raises:
        VerificationError: OUTCOME_INVALID, PROVIDER_INVALID.
    """
    leaf = leaf_hash(intent_bytes)
    follows = end["seq"] > intent["seq"] and end["time_ms"] + 1000 * MAX_SKEW_S >= intent["time_ms"]
    _require(
        "OUTCOME_INVALID",
        "the record does not end this intent",
        ok=end["intent"] == intent["seq"] and end["intent_leaf"] == leaf.hex() and follows,
    )
    if end["event"] == "interrupted":
        return
    within = int(end["items"], 16) & ~int(intent["items"], 16) == 0
    _require("OUTCOME_INVALID", "more items were released than were decided", ok=within)
    released = end["result"] == "released"
    _require("OUTCOME_INVALID", "code and result do not agree", ok=released == (end["code"] == ""))
    answer = end["provider_response"]
    if answer is None:
        _require("PROVIDER_INVALID", "the provider's signature is missing", ok=not released)
        return
    public_key = _verify_answer(answer, leaf)
    if not released:
        return
    # The provider's own clock: a gateway that dates an intent back finds no such answer.
    begun, ended = intent["time_ms"] // 1000, end["time_ms"] // 1000
    _require(
        "PROVIDER_INVALID",
        "the provider's answer is of another time",
        ok=begun - MAX_SKEW_S <= answer["created"] <= ended + MAX_SKEW_S,
    )
    _require(
        "OUTCOME_INVALID", "the response's digest is missing", ok=end["response_digest"] is not None
    )
    key = store.find_key(public_key.key_id)
    person = store.find_person(key.person) if key is not None else None
    _require(
        "PROVIDER_INVALID",
        "the answer is not signed by a key of the provider",
        ok=key is not None
        and person is not None
        and key_problem(store, key, person, answer["created"]) is None
        and bool(person.roles & Role.PROVIDER)
        and person.department.hex() == intent["provider"],
    )


def _verify_answer(answer: dict[str, Any], leaf: bytes) -> PublicKey:
    try:
        signed = ProviderAnswer.from_record(answer, intent_leaf=leaf)
        signed.verify()
    except (CryptoError, VerificationError) as error:
        raise _refuse("PROVIDER_INVALID", "the provider's signature does not hold") from error
    return signed.public_key

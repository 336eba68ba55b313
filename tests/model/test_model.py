"""The model alone: the main path, and acts that its rules refuse."""

from typing import Any

import pytest

from crypto.errors import ProtocolError
from crypto.sm2 import PrivateKey
from protocol.acts import ZERO_ID, SignedAct, make_act, sign_act
from protocol.checkpoint import Checkpoint
from protocol.description import BY_NAME, CONTRACTS, Role
from protocol.model import (
    MemoryStore,
    apply_act,
    apply_anchor,
    apply_genesis,
    effective_items,
    grant_problem,
    is_grant_live,
)

CHAIN = 7
NOW = 1_800_000_000
ADDRESSES = {name: bytes([i + 1]) * 20 for i, name in enumerate(CONTRACTS)}
DOCUMENT = b"\x11" * 32
KEYS = {
    name: PrivateKey.from_int(index + 1000)
    for index, name in enumerate(
        ["city", "a1", "a2", "ph", "po", "pf", "ps", "rh", "ro", "rf", "gw"]
    )
}


class Town:
    """A state and everybody's keys."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        apply_genesis(
            self.store,
            department=KEYS["city"].public_key.key_id,
            head=KEYS["city"].public_key,
            authority_keys=[KEYS["a1"].public_key, KEYS["a2"].public_key],
            threshold=2,
            replacement_delay_s=3600,
            block_number=1,
        )

    def sign(
        self, name: str, signers: str, target: bytes = ZERO_ID, revision: int = 0, /, **values: Any
    ) -> SignedAct:
        contract = BY_NAME[name].contract
        keys = [KEYS[one] for one in signers.split()]
        act = make_act(
            name,
            chain_id=CHAIN,
            contract=ADDRESSES[contract],
            key_id=keys[0].public_key.key_id,
            nonce=self.store.nonce(contract, keys[0].public_key.key_id),
            expires_at=NOW + 60,
            target=target,
            revision=revision,
            values=values,
        )
        return sign_act(act, keys)

    def apply(self, signed: SignedAct, **changes: Any) -> bytes:
        settings = {"chain_id": CHAIN, "contracts": ADDRESSES, "block_number": 2}
        return apply_act(self.store, signed, **{**settings, "block_time": NOW, **changes}).target

    def do(self, *arguments: Any, **values: Any) -> bytes:
        return self.apply(self.sign(*arguments, **values))

    def department(self, name: str, head: str) -> bytes:
        return self.do(
            "DepartmentRegistered",
            f"a1 a2 {head}",
            level=3,
            kind=1,
            region=1,
            parent=ZERO_ID,
            uscc="",
            uscc_override=0,
            name=name,
            **point(head),
        )

    def enrol(self, head: str, person: str, roles: Role) -> bytes:
        return self.do("PersonEnrolled", f"{head} {person}", roles=int(roles), **point(person))


def point(name: str) -> dict[str, int]:
    """Return the words of a new key."""
    public = KEYS[name].public_key
    return {"key_x": public.x, "key_y": public.y, "valid_until": 0}


@pytest.fixture
def town() -> Town:
    """Provider and requester with a live grant, and a log."""
    town = Town()
    town.provider = town.department("provider", "ph")  # type: ignore[attr-defined]
    town.department("requester", "rh")
    for head, person, role in (
        ("ph", "po", Role.OPERATOR),
        ("ph", "pf", Role.OFFICER),
        ("rh", "ro", Role.OPERATOR),
        ("rh", "rf", Role.OFFICER),
        ("city", "gw", Role.GATEWAY),
    ):
        town.enrol(head, person, role)
    entry = town.do(
        "EntrySubmitted",
        "po ph",
        sharing_class=1,
        library=1,
        update_cycle=1,
        openness=0,
        mode=1,
        grading=1,
        items=7,
        sensitive=1,
        document=DOCUMENT,
        secrecy_assessment=DOCUMENT,
        privacy_assessment=DOCUMENT,
        basis=ZERO_ID,
    )
    town.do("EntryPublished", "a1", entry, 1, document=DOCUMENT)
    interface = town.do(
        "InterfaceRegistered",
        "po",
        entry=entry,
        entry_version=1,
        rate_per_minute=0,
        max_rows=0,
        items=3,
        document=DOCUMENT,
        node="n",
    )
    town.log = town.do(  # type: ignore[attr-defined]
        "LogRegistered", "a1 gw", gateway_key=KEYS["gw"].public_key.key_id, origin="log.x/1"
    )
    tested = {"document": DOCUMENT, "test_result": 1, "log": town.log, "report": DOCUMENT}  # type: ignore[attr-defined]
    town.do("InterfaceTested", "gw", interface, 1, **tested)
    town.do("InterfaceOnline", "pf", interface, 2, document=DOCUMENT)
    term = {"valid_from": NOW, "valid_until": NOW + 100, "quota": 5}
    grant = town.do(
        "RequestFiled",
        "ro rf",
        interface=interface,
        interface_version=1,
        way=1,
        items=3,
        legal_basis="法".encode().hex()[:4],
        scenario="a b",
        case=DOCUMENT,
        **term,
    )
    town.do("RequestAgreed", "pf", grant, 1, items=2, **term)
    town.entry, town.interface, town.grant = entry, interface, grant  # type: ignore[attr-defined]
    return town


def _problem(town: Any, **changes: Any) -> str | None:
    values = {
        "grant": town.grant,
        "key_id": KEYS["ro"].public_key.key_id,
        "basis": "法".encode().hex()[:4],
        "scenario": "a%20b",
        "at_s": NOW,
    }
    return grant_problem(town.store, **{**values, **changes})


def test_grant(town: Any) -> None:
    assert is_grant_live(town.store, town.grant, NOW)
    assert effective_items(town.store, town.grant) == 2
    assert _problem(town) is None
    assert _problem(town, scenario="a+b") == "PURPOSE_MISMATCH"
    assert _problem(town, at_s=NOW - 1) == "GRANT_NOT_YET_VALID"
    assert _problem(town, at_s=NOW + 101) == "GRANT_EXPIRED"
    assert _problem(town, grant=bytes(32)) == "GRANT_UNKNOWN"
    assert _problem(town, key_id=bytes(32)) == "KEY_UNKNOWN"
    assert _problem(town, key_id=KEYS["po"].public_key.key_id) == "GRANT_NOT_YOURS"
    assert _problem(town, key_id=KEYS["rf"].public_key.key_id) == "ROLE_MISSING"


def test_provision_does_not_interrupt_and_disposal_ends(town: Any) -> None:
    town.do("DataProvided", "pf", town.grant, 2, way=1)
    assert _problem(town) is None
    assert is_grant_live(town.store, town.grant, NOW)
    town.do("GrantSuspended", "pf", town.grant, 3, reason=DOCUMENT, cause=2)
    town.do("GrantResumed", "pf", town.grant, 4)
    assert _problem(town) is None
    town.do("GrantRevoked", "rf", town.grant, 5, reason=DOCUMENT, cause=4)
    town.do("DataDisposed", "rf", town.grant, 6, disposal=DOCUMENT)
    assert _problem(town) == "GRANT_DISPOSED"


def test_what_ends_a_grant(town: Any) -> None:
    town.do("GrantSuspended", "a1", town.grant, 2, reason=DOCUMENT, cause=1)
    assert _problem(town) == "GRANT_SUSPENDED"
    with pytest.raises(ProtocolError, match="SUSPENDED_BY_OTHER"):
        town.do("GrantResumed", "pf", town.grant, 3)
    town.do("GrantResumed", "a2", town.grant, 3)
    assert _problem(town) is None
    town.do("EntryRetired", "ph", town.entry, 2, reason=DOCUMENT)
    assert _problem(town) == "INTERFACE_NOT_LIVE"
    town.do("GrantRevoked", "rf", town.grant, 4, reason=DOCUMENT, cause=4)
    assert _problem(town) == "GRANT_REVOKED"
    town.do("KeyRevoked", "ro", KEYS["ro"].public_key.key_id, 1, reason_code=1)
    assert _problem(town) == "KEY_NOT_ACTIVE"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain_id": 8}, "WRONG_CHAIN"),
        ({"contracts": {**ADDRESSES, "Requests": bytes(20)}}, "WRONG_CONTRACT"),
        ({"block_time": NOW + 61}, "ACT_EXPIRED"),
        ({"block_time": NOW - 40 * 86400}, "EXPIRY_TOO_FAR"),
    ],
)
def test_envelope(town: Any, changes: dict[str, Any], code: str) -> None:
    signed = town.sign("GrantRevoked", "rf", town.grant, 2, reason=DOCUMENT, cause=4)
    with pytest.raises(ProtocolError, match=code):
        town.apply(signed, **changes)
    assert is_grant_live(town.store, town.grant, NOW)


@pytest.mark.parametrize(
    ("signers", "revision", "reason", "code"),
    [
        ("pf", 1, DOCUMENT, "STALE_REVISION"),
        ("po", 2, DOCUMENT, "ROLE_MISSING"),
        ("pf", 2, ZERO_ID, "VALUE_INVALID"),
        ("pf rf", 2, DOCUMENT, "SIGNATURE_COUNT"),
        ("gw", 2, DOCUMENT, "ROLE_MISSING"),
        ("ps", 2, DOCUMENT, "KEY_UNKNOWN"),
    ],
)
def test_refused(town: Any, signers: str, revision: int, reason: bytes, code: str) -> None:
    with pytest.raises(ProtocolError, match=code):
        town.do("GrantRevoked", signers, town.grant, revision, reason=reason, cause=1)


def test_replay_and_forgery(town: Any) -> None:
    signed = town.sign("GrantSuspended", "pf", town.grant, 2, reason=DOCUMENT, cause=1)
    forged = SignedAct(signed.data[:-33] + bytes(33), signed.signatures)
    with pytest.raises(ProtocolError, match="SIGNATURE_INVALID"):
        town.apply(forged)
    town.apply(signed)
    with pytest.raises(ProtocolError, match="NONCE_MISMATCH"):
        town.apply(signed)
    with pytest.raises(ProtocolError, match="NONCE_MISMATCH"):
        town.apply(signed, check_nonce=False)


def test_anchor(town: Any) -> None:
    log = town.log
    place = {"block_number": 3, "block_time": NOW}

    def anchor(size: int, root: bytes) -> None:
        text = Checkpoint("log.x/1", size, root).text().encode()
        apply_anchor(town.store, log, size, root, KEYS["gw"].sign(text), **place)

    anchor(5, DOCUMENT)
    for size, root, code in (
        (5, DOCUMENT, "ALREADY_ANCHORED"),
        (5, ZERO_ID, "ROOT_DIFFERS"),
        (4, DOCUMENT, "SIZE_SHRINKS"),
        (0, DOCUMENT, "SIZE_INVALID"),
    ):
        with pytest.raises(ProtocolError, match=code):
            anchor(size, root)
    wrong = KEYS["a1"].sign(Checkpoint("log.x/1", 6, DOCUMENT).text().encode())
    with pytest.raises(ProtocolError, match="SIGNATURE_INVALID"):
        apply_anchor(town.store, log, 6, DOCUMENT, wrong, **place)

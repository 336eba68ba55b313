"""Mutated acts: the contracts and the model refuse the same bytes with the same error.

tests/contracts/test_model.py walks through states with well-formed acts. Here the state stands
still and the bytes are hostile: any byte of an act may be anything, and its signatures hold.
One disagreement would let whoever sends straight to the chain stop every indexer.
"""

import copy
import random
from collections.abc import Sequence
from typing import Any

import pytest

from crypto.errors import LedgerError, ProtocolError
from ledger.chain.artifacts import decode_revert, encode_act_call
from protocol.acts import MAX_LIFETIME_S, ZERO_ID, SignedAct
from protocol.calendar import plain_weekdays
from protocol.description import ACT_TYPES, BY_CODE, BY_NAME, ActType, Field
from protocol.model import MemoryStore, apply_act
from tests.contracts.city import (
    AUTHORITY,
    CHAIN_ID,
    CITY_HEAD,
    City,
    digest,
    key,
    key_words,
    resigned,
)
from tests.contracts.conftest import built as built  # noqa: PLC0414 - a fixture, shared
from tests.contracts.conftest import deployed as deployed  # noqa: PLC0414 - a fixture, shared
from tests.contracts.conftest import rpc as rpc  # noqa: PLC0414 - a fixture, shared
from tests.contracts.test_model import replayed as replayed  # noqa: PLC0414 - a fixture, shared

FEW, MANY = 400, 6000
U64 = 2**64 - 1
#: A head, an operator and so on of the provider; the requester's are "housing ...".
PROVIDER, REQUESTER = "civil affairs", "housing"
TEXTS = (
    "民政局".encode(),
    b"",
    b"a\0b",
    b"\0a",
    b"\x7f",
    b"\x1f",
    b"\x80",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc2\x80",
    b"\xc2",
    b"\xdf\xbf",
    b"\xe0\x9f\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xed\xa0\x80",
    b"\xef\xbf\xbf",
    b"\xe4\xb8",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xff",
    b"91330100799655058B",
    b"91330100799655058A",
    b"9133010079965505IB",
    b"log.city/9",
    b"Log.city/9",
    b"-./0",
    b"log:city",
)
EDGES = (0, 1, 2, 3, 5, 6, 7, 8, 255, 256, 2**31, 2**32 - 1, 2**63, U64, 2**256 - 1)


def signers_of(act_type: ActType, source: random.Random) -> list[str]:
    """Return signers who may do this, or now and then somebody else."""
    side = PROVIDER
    if act_type.name in ("RequestFiled", "CorrectionFiled") or source.random() < 0.1:
        side = REQUESTER
    names: list[str] = []
    for wanted in act_type.signers:
        if wanted == "AUTHORITY*m":
            names += source.sample(AUTHORITY, 2)
        elif wanted == "the key itself":
            names.append(f"{side} operator")
        elif wanted.startswith("the"):
            names.append("gateway" if act_type.name == "LogRegistered" else "a new key")
        elif wanted == "GATEWAY":
            names.append("gateway")
        elif wanted.startswith("AUTHORITY"):
            names.append(AUTHORITY[0])
        else:
            of = REQUESTER if "the requester" in wanted else side
            names.append(f"{of} {wanted.split()[0].strip(',').lower()}")
    names = [n if "system" not in n else f"{side} operator" for n in names]
    if source.random() < 0.1:
        names[source.randrange(len(names))] = source.choice(
            (CITY_HEAD, "gateway", "nobody", *names)
        )
    return names


def value_of(field: Field, city: City, act_type: ActType, source: random.Random) -> Any:
    """Return a value that is often legal."""
    usual = {
        "EntrySubmitted": city.entry_values,
        "ElementClaimed": city.claim_values,
        "DataRefreshed": city.refresh_values,
        "OversightReported": city.oversight_values,
        "InterfaceTested": city.tested_values,
        "ParametersDisposed": city.disposed_values,
        "InterfaceRegistered": city.interface_values,
        "RequestFiled": city.request_values,
        "RequestAgreed": city.agreed_values,
        "CalendarPublished": lambda: city.calendar_values(
            source.choice((2024, 2026)), working_days=plain_weekdays(2024)
        ),
        "CalendarCorrected": lambda: city.calendar_values(reason=digest("reason")),
    }.get(act_type.name)
    if usual is not None and source.random() < 0.9:
        return usual()[field.name]
    legal: dict[str, Any] = {
        "cause": 1,
        "extension_days": 5,
        "way": 1,
        "from_day": 1,
        "until_day": 2,
        "subject": city.ids["grant"],
        "subject_kind": 1,
        "grant": city.ids["grant"],
        "third_party_kind": 2,
        "valid_until": city.now() + 3600,
        "missing": digest("missing"),
        "disposal": digest("disposal"),
    }
    if field.name in legal and source.random() < 0.9:
        return legal[field.name]
    if field.kind == "uint":
        return source.choice(EDGES) % (1 << 8 * field.size)
    if field.kind == "bytes":
        if field.name == "gateway_key":
            return key("gateway").public_key.key_id
        if field.size == 20:
            return source.choice((bytes(20), *city.contracts.values()))
        return source.choice((ZERO_ID, digest("entry document"), digest("interface document")))
    return source.choice(("", "log.city/9", "A code"))


def target_of(act_type: ActType, city: City, source: random.Random) -> bytes:
    """Return what the act may change, or now and then something else."""
    ids = city.ids
    usual = {
        "CalendarCorrected": ids["calendar 2026"],
        "PersonRolesSet": ids[f"{PROVIDER} officer"],
        "KeyAdded": ids[PROVIDER],
        "HeadKeyProposed": ids[PROVIDER],
        "HeadKeyObjected": ids[PROVIDER],
        "HeadKeyReplaced": ids[PROVIDER],
        "ThresholdSet": key(CITY_HEAD).public_key.key_id,
        "AuthorityPersonRemoved": key(AUTHORITY[2]).public_key.key_id,
        "RequestAgreed": ids["filed"],
        "RequestRefused": ids["filed"],
        "GrantSuspended": ids["grant"],
        "GrantRevoked": ids["grant"],
        "GrantResumed": ids["grant"],
        "SupplementAsked": ids["filed"],
        "RequestExtended": ids["filed"],
        "RequestWithdrawn": ids["filed"],
        "DataProvided": ids["grant"],
        "UseReported": ids["grant"],
    }
    if act_type.target_kind == "key":
        usual[act_type.name] = key(f"{PROVIDER} operator").public_key.key_id
    contract = {
        "Entries": ids["entry"],
        "Interfaces": ids["interface"],
        "Elements": ids["claim"],
    }
    if act_type.name == "ParametersDisposed":
        return ids["log"] if source.random() < 0.9 else ids["grant"]
    if act_type.contract in ("Logs", "Refreshes", "Oversight"):
        return ZERO_ID if source.random() < 0.9 else ids["log"]
    if source.random() < 0.1:
        return source.choice((ZERO_ID, *ids.values()))
    if act_type.creates and source.random() < 0.5:
        return ZERO_ID
    return usual.get(act_type.name, contract.get(act_type.contract, ZERO_ID))


def mutate(data: bytes, city: City, source: random.Random) -> bytes:
    """Return the act with some of its bytes changed."""
    changed = bytearray(data)
    for _ in range(source.choice((1, 1, 1, 2))):
        what = source.randrange(9)
        if what == 0:  # nonce, chain id, revision
            at = source.choice((8, 16, 56))
            changed[at : at + 8] = source.choice((0, 1, CHAIN_ID, U64)).to_bytes(8, "big")
        elif what == 1:  # expiry; blocks of calls have a time near the newest block's
            now = city.now()
            edge = source.choice((0, now - 99, now + MAX_LIFETIME_S + 99, 2**63, U64))
            changed[24:32] = edge.to_bytes(8, "big")
        elif what == 2:
            changed[32:52] = source.choice((*city.contracts.values(), bytes(20)))
        elif what == 3:
            changed[52:56] = source.choice((*BY_CODE, 0, 0xFFFF)).to_bytes(4, "big")
        elif what == 4:
            changed = changed[
                : source.choice((0, 31, 127, 128, len(changed) - 32, len(changed) - 1))
            ]
        elif what == 5:
            changed += bytes(source.choice((1, 32, 32 * 16)))
        elif what == 6 and len(changed) > 128:  # any byte of the words
            changed[source.randrange(128, len(changed))] = source.randrange(256)
        elif what == 7 and len(changed) >= 160:  # a whole word
            at = 128 + 32 * source.randrange((len(changed) - 128) // 32)
            changed[at : at + 32] = source.choice(EDGES).to_bytes(32, "big")
        elif len(changed) >= 160:  # text where a text may stand
            text = source.choice(TEXTS)
            fields = [128 + 32 * n for n in range((len(changed) - 128) // 32)]
            at = source.choice(fields) + source.choice((0, 0, 32 - len(text), 14))
            text = text[: max(0, len(changed) - at)]
            size = source.choice((len(text), 32))
            changed[at : at + size] = text.ljust(size, b"\0")[: len(changed[at : at + size])]
    return bytes(changed)


def contract_says(city: City, signed: SignedAct, name: str) -> tuple[str, object]:
    """Ask a contract without changing anything."""
    call = {
        "to": "0x" + city.contracts[name].hex(),
        "data": "0x" + encode_act_call(signed).hex(),
        "gas": hex(30_000_000),
    }
    try:
        city.rpc.call("eth_call", call, "latest")
    except LedgerError as error:
        decoded = decode_revert(bytes.fromhex(str(error.details["data"])[2:]))
        if decoded is None:
            raise
        return decoded[0], decoded[2].get("index")
    return "", None


def model_says(city: City, store: MemoryStore, signed: SignedAct) -> tuple[str, object]:
    """Ask the model, with a state of its own."""
    try:
        apply_act(
            copy.deepcopy(store),
            signed,
            chain_id=CHAIN_ID,
            contracts=city.contracts,
            block_number=1,
            block_time=city.now(),
        )
    except ProtocolError as error:
        return error.code, error.details.get("index")
    return "", None


def compare(city: City, store: MemoryStore, rounds: int, seed: int) -> dict[str, int]:
    """Compare random acts; return how often each answer came."""
    source = random.Random(seed)  # noqa: S311 - repeatable, not secret
    seen: dict[str, int] = {}
    for _ in range(rounds):
        act_type = source.choice(ACT_TYPES)
        names: Sequence[str] = signers_of(act_type, source)
        values = {
            field.name: value_of(field, city, act_type, source)
            for word in act_type.words
            for field in word
        }
        if act_type.brings_key:
            drawn = values["valid_until"]
            values |= key_words(names[-1])
            values["valid_until"] = source.choice((0, 0, 0, drawn))
        if act_type.name == "DepartmentRegistered" and source.random() < 0.8:
            values |= {"level": 3, "kind": 1, "parent": ZERO_ID, "uscc_override": 1}
            values["name"] = "a name"
        target = target_of(act_type, city, source)
        signed = city.sign(act_type.name, names, target, **values)
        if source.random() < 0.85:
            signed = resigned(
                SignedAct(mutate(signed.data, city, source), signed.signatures), *names
            )
        if source.random() < 0.05:
            signatures = list(signed.signatures)
            source.shuffle(signatures)
            signed = SignedAct(signed.data, tuple(signatures[: source.randrange(1, 4)]))
        found = model_says(city, store, signed)
        # Whoever sends it chooses the contract; it only takes what names itself.
        named = [n for n, a in city.contracts.items() if a == signed.data[32:52]]
        known = {one.contract for one in BY_NAME.values()}
        to = named[0] if named and named[0] in known else act_type.contract
        answer = contract_says(city, signed, to)
        seen[answer[0]] = seen.get(answer[0], 0) + 1
        assert found == answer, (act_type.name, names, signed.data.hex())
    return seen


def test_mutated_acts(built: City, replayed: MemoryStore) -> None:
    seen = compare(built, replayed, FEW, 1)
    assert seen[""] > FEW // 20
    assert len(seen) > 12


@pytest.mark.full
def test_many_mutated_acts(built: City, replayed: MemoryStore) -> None:
    for seed in range(2, 6):
        compare(built, replayed, MANY // 4, seed)

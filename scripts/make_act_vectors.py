"""Makes the shared vectors of the protocol in tests/vectors: acts.json, log.json and http.json.

    python scripts/make_act_vectors.py            write the files
    python scripts/make_act_vectors.py --check    exit 1 and name each file that is stale

Signatures have randomness in them: those in the files are kept where they still hold.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from crypto.canonical import canonical_json  # noqa: E402 - the path comes first
from crypto.merkle import (  # noqa: E402 - the same
    Frontier,
    consistency_path,
    inclusion_path,
    leaf_hash,
)
from crypto.sm2 import PrivateKey, Signature, digest_e, is_valid  # noqa: E402 - the same
from crypto.sm3 import sm3  # noqa: E402 - the same
from protocol.acknowledgement import acknowledgement_text  # noqa: E402 - the same
from protocol.acts import Act, Value, make_act  # noqa: E402 - the same
from protocol.checkpoint import (  # noqa: E402 - the same
    Checkpoint,
    block_statement,
    key_hash,
    note_of,
)
from protocol.consultation import consultation_body  # noqa: E402 - the same
from protocol.description import ACT_TYPES, ActType, Field  # noqa: E402 - the same
from protocol.example_keys import example_key  # noqa: E402 - the same
from protocol.httpsig import (  # noqa: E402 - the same
    CLOSING_PATH,
    CONSULTATION_PATH,
    DATA_PATH,
    NOT_SENT_PATH,
    OFFER_PATH,
    RESTRICTION_PATH,
    TEST_PATH,
    ProviderAnswer,
    SignedRequest,
    content_digest,
)
from protocol.observation import Observation, observation_text  # noqa: E402 - the same
from protocol.parameters import key_digest, parameter_member, period_at  # noqa: E402 - the same
from protocol.receipt import Receipt  # noqa: E402 - the same
from protocol.records import encode_record  # noqa: E402 - the same
from protocol.restriction import restriction_body  # noqa: E402 - the same
from protocol.transfer import make_manifest  # noqa: E402 - the same

VECTORS = ROOT / "tests" / "vectors"
CHAIN_ID = 20817
NOW = 1_800_000_000
PARAMETER_KEY = sm3(b"parameter key")
ACTOR, SECOND, THIRD = (example_key(f"01/{role}") for role in ("head", "operator", "officer"))
NEW_KEY = example_key("01/system")
GATEWAY, WITNESS, PLATFORM = (
    example_key(name) for name in ("00/gateway", "01/witness", "00/platform")
)
REQUESTER, PROVIDER = example_key("02/system"), example_key("03/provider")
ORIGIN = "gateway.city.example/log1"

#: Values that tell the fields of a word apart; others follow from the field's name.
NUMBERS = {
    "key_x": NEW_KEY.public_key.x,
    "key_y": NEW_KEY.public_key.y,
    "items": (1 << 255) | 0b1011,
    "sensitive": 0b10,
    "valid_from": NOW,
    "valid_until": NOW + 365 * 86_400,
    "quota": 2**64 - 1,
    "region": 330_100,
    "roles": 3,
    "rate_per_minute": 600,
    "max_rows": 2**32 - 1,
    "year": 2026,
    "working_days": (1 << 364) | (1 << 256) | (1 << 255) | 0b1011,
}
TEXTS = {
    "uscc": "11330100MB0000001X",
    "name": "示范市数据资源管理局",
    "node": "node-1",
    "legal_basis": "LAW-1",
    "scenario": "S-001",
    "origin": ORIGIN,
}

OBSERVED = {
    "v": 1,
    "platform": "exchange-1",
    "record": "2027-01-15/000001",
    "time_ms": NOW * 1000 - 5000,
    "requester": "housing-bureau",
    "requester_key": None,
    "person": "p-7f3a",
    "grant": None,
    "authorization": "AUTH-2026-118",
    "provider": "civil-affairs-bureau",
    "resource": "PERSON-BASE-01",
    "items": ["ADDRESS", "NAME"],
    "result": "released",
    "code": "",
    "request_digest": sm3(b"observed request").hex(),
    "response_digest": sm3(b"observed response").hex(),
}

Sign = Callable[[PrivateKey, bytes], Signature]


def kept_signatures() -> Sign:
    """Return a signer that takes a signature of the present files where one holds."""
    known: set[str] = set()

    def collect(value: object) -> None:
        if isinstance(value, dict):
            for member in value.values():
                collect(member)
        elif isinstance(value, list):
            for member in value:
                collect(member)
        elif isinstance(value, str):
            known.update(re.findall(r"\b[0-9a-f]{128}\b", value))

    for name in ("acts", "log", "http"):
        file = VECTORS / f"{name}.json"
        if file.exists():
            collect(json.loads(file.read_bytes()))

    def sign(key: PrivateKey, message: bytes) -> Signature:
        for text in sorted(known):
            try:
                signature = Signature.from_bytes(bytes.fromhex(text))
            except Exception:  # noqa: BLE001, S112 - other text of this length
                continue
            if is_valid(key.public_key, message, signature):
                return signature
        return key.sign(message)

    return sign


def value_of(act_type: ActType, field: Field) -> Value:
    if field.kind == "uint":
        return NUMBERS.get(field.name, 1 + len(field.name) % 3 if field.size == 1 else 7)
    if field.kind == "bytes":
        return sm3(f"{act_type.name}/{field.name}".encode())[: field.size]
    return TEXTS[field.name]


def as_json(value: Value) -> str:
    """Numbers in decimal, bytes in hex, text as it is."""
    return value.hex() if isinstance(value, bytes) else str(value)


def act_vector(number: int, act_type: ActType, sign: Sign) -> dict[str, Any]:
    signers = [ACTOR, *([SECOND, THIRD] if "*" in act_type.signers[0] else [])]
    others = [SECOND, NEW_KEY] if len(signers) == 1 else [NEW_KEY]
    signers += others[: len(act_type.signers) - 1]
    values = {f.name: value_of(act_type, f) for word in act_type.words for f in word}
    act: Act = make_act(
        act_type.name,
        chain_id=CHAIN_ID,
        contract=sm3(act_type.contract.encode())[:20],
        key_id=ACTOR.public_key.key_id,
        nonce=number,
        expires_at=NOW + 3600 + number,
        values=values,
        target=bytes(32) if act_type.creates else sm3(b"target of " + act_type.name.encode()),
        revision=0 if act_type.creates else 2**32 + number,
    )
    data = act.to_bytes()
    return {
        "type": act_type.name,
        "code": act_type.code,
        "chain_id": act.chain_id,
        "contract": act.contract.hex(),
        "nonce": act.nonce,
        "expires_at": act.expires_at,
        "target": act.target.hex(),
        "revision": act.revision,
        "key_id": act.key_id.hex(),
        "values": {name: as_json(value) for name, value in values.items()},
        "act": data.hex(),
        "act_id": sm3(act.key_id + data).hex(),
        "signatures": [
            {
                "key_id": key.public_key.key_id.hex(),
                "public_key": key.public_key.to_bytes().hex(),
                "e": digest_e(key.public_key, data).hex(),
                "signature": sign(key, data).to_bytes().hex(),
            }
            for key in signers
        ],
    }


def make_acts(sign: Sign) -> dict[str, Any]:
    return {
        "source": "scripts/make_act_vectors.py; docs/protocol.md section 3",
        "acts": [act_vector(number, a, sign) for number, a in enumerate(ACT_TYPES)],
    }


def make_request(sign: Sign) -> tuple[SignedRequest, bytes]:
    body = b'{"parameters":{"id":"330100"},"salt":"' + b"5a" * 32 + b'"}'
    unsigned = SignedRequest(
        authority="gateway.city.example:8441",
        path=DATA_PATH,
        content_digest=sm3(body),
        created=NOW,
        nonce="000102030405060708090a0b0c0d0e0f",
        public_key=REQUESTER.public_key,
        grant=sm3(b"grant"),
        person="clerk-7",
        basis="LAW-1",
        scenario="S-001",
        case="%E6%A1%881",
        stream=None,
        signature=Signature(1, 1),
    )
    values = {name: getattr(unsigned, name) for name in unsigned.__slots__}
    return SignedRequest(**{**values, "signature": sign(REQUESTER, unsigned.base())}), body


STATEMENT: dict[str, Any] = {
    "reason": "not_sent",
    "salt": "a7" * 32,
    "sequences": [[2, 4], [9, 9]],
    "stream": "housing-1",
}

#: An offer and a closing of section 7.11.
MANIFEST = make_manifest(
    sm3(b"grant"), "monthly-2026-10", "6b" * 32, [[{"name": "张三"}], [{"name": "李四"}]]
)
OFFER: dict[str, Any] = {
    "manifest": sm3(MANIFEST).hex(),
    "name": "monthly-2026-10",
    "parts": 2,
    "rows": 2,
    "salt": "6c" * 32,
}
CLOSING: dict[str, Any] = {
    "first": 2,
    "last": 9,
    "manifest": sm3(b"the requester's manifest").hex(),
    "offer": 1,
    "parts": 3,
    "rows": 2,
    "salt": "6d" * 32,
}

#: A declaration of section 7.8.
NETWORKS = ["192.0.2.0/24", "2001:db8::/32"]


def make_test_request(sign: Sign) -> SignedRequest:
    """A call for the test of an interface: another path and tag, no grant, no purpose."""
    body = canonical_json(
        {"interface": sm3(b"interface").hex(), "parameters": {"id": "1"}, "salt": "5a" * 32}
    )
    return make_plain_request(sign, TEST_PATH, body, bytes(32))


def make_plain_request(sign: Sign, path: str, body: bytes, grant: bytes) -> SignedRequest:
    """A call without a purpose."""
    unsigned = SignedRequest(
        authority="gateway.city.example:8441",
        path=path,
        content_digest=sm3(body),
        created=NOW,
        nonce="0f0e0d0c0b0a09080706050403020100",
        public_key=REQUESTER.public_key,
        grant=grant,
        person="-",
        basis="-",
        scenario="-",
        case="-",
        stream=None,
        signature=Signature(1, 1),
    )
    values = {name: getattr(unsigned, name) for name in unsigned.__slots__}
    return SignedRequest(**{**values, "signature": sign(REQUESTER, unsigned.base())})


def make_statement_request(sign: Sign) -> SignedRequest:
    """A statement of numbers that were not sent."""
    unsigned = SignedRequest(
        authority="gateway.city.example:8441",
        path=NOT_SENT_PATH,
        content_digest=sm3(canonical_json(STATEMENT)),
        created=NOW,
        nonce="101112131415161718191a1b1c1d1e1f",
        public_key=REQUESTER.public_key,
        grant=bytes(32),
        person="-",
        basis="-",
        scenario="-",
        case="-",
        stream=None,
        signature=Signature(1, 1),
    )
    values = {name: getattr(unsigned, name) for name in unsigned.__slots__}
    return SignedRequest(**{**values, "signature": sign(REQUESTER, unsigned.base())})


def make_answer(sign: Sign, intent_leaf: bytes) -> tuple[ProviderAnswer, bytes]:
    body = b'{"data":{"records":[]},"salt":"' + b"c3" * 32 + b'"}'
    unsigned = ProviderAnswer(
        PROVIDER.public_key, NOW + 1, 200, sm3(body), intent_leaf, Signature(1, 1)
    )
    values = {name: getattr(unsigned, name) for name in unsigned.__slots__}
    return ProviderAnswer(**{**values, "signature": sign(PROVIDER, unsigned.base())}), body


def make_records(request: SignedRequest, sign: Sign) -> list[bytes]:
    asked = {
        "request": request.to_record(),
        "department": sm3(b"requester").hex(),
        "source": "192.0.2.7",
        "block": {"number": 12, "hash": sm3(b"block").hex()},
    }
    events: list[dict[str, Any]] = [
        {
            "event": "opened",
            "log_id": sm3(b"log").hex(),
            "gateway_key": GATEWAY.public_key.key_id.hex(),
        },
        {
            "event": "intent",
            **asked,
            "grant_revision": 2,
            "provider": sm3(b"provider").hex(),
            "entry": sm3(b"entry").hex(),
            "entry_version": 1,
            "interface": sm3(b"interface").hex(),
            "interface_version": 1,
            "items": f"{0b1011:064x}",
        },
        {
            "event": "outcome",
            "intent": 1,
            "result": "released",
            "code": "",
            "items": f"{0b1011:064x}",
            "rows": 0,
            "bytes": 100,
            "latency_ms": 12,
            "response_digest": sm3(b"response").hex(),
        },
        {"event": "denied", **asked, "code": "GRANT_NOT_LIVE"},
        {"event": "interrupted", "intent": 1},
        {"event": "inspected", **asked, "subject_log": ORIGIN, "subject_seq": 1},
        {
            "event": "rejected",
            "source": "2001:db8::7",
            "code": "SIGNATURE_INVALID",
            "minute": NOW // 60,
            "count": 3,
        },
        {"event": "heartbeat"},
        {
            "event": "test",
            **asked,
            "request": make_test_request(sign).to_record(),
            "provider": sm3(b"requester").hex(),
            "interface": sm3(b"interface").hex(),
            "document": sm3(b"document").hex(),
        },
        {
            "event": "tested",
            "test": 8,
            "result": "passed",
            "code": "",
            "report": sm3(b"report").hex(),
            "latency_ms": 12,
            "provider_response": None,
        },
        {
            "event": "sealed",
            **asked,
            "operation": "fetch",
            "act": sm3(b"act").hex(),
            "word": "reason",
            "envelope": sm3(b"envelope").hex(),
        },
        {
            "event": "observed",
            "observation": OBSERVED,
            "public_key": PROVIDER.public_key.to_bytes().hex(),
            "signature": sign(PROVIDER, observation_text(OBSERVED)).to_bytes().hex(),
            **{name: asked[name] for name in ("department", "source", "block")},
        },
        {
            **{name: asked[name] for name in ("department", "source", "block")},
            "event": "not_sent",
            "request": make_statement_request(sign).to_record(),
            "statement": STATEMENT,
        },
        {
            **asked,
            "event": "offered",
            "request": make_plain_request(
                sign, OFFER_PATH, canonical_json(OFFER), sm3(b"grant")
            ).to_record(),
            "statement": OFFER,
        },
        {
            **asked,
            "event": "closed",
            "request": make_plain_request(
                sign, CLOSING_PATH, canonical_json(CLOSING), sm3(b"grant")
            ).to_record(),
            "statement": CLOSING,
        },
        {
            "event": "denied",
            **asked,
            "code": "GRANT_NOT_LIVE",
            "parameters": parameter_member(
                PARAMETER_KEY,
                period_at(1000 * NOW),
                ("/number", "/person/name"),
                {"number": "11010519491231002X", "person": {"name": "张三"}},
            ),
        },
        {
            "event": "disposed",
            "period": "2026-01",
            "key": key_digest(PARAMETER_KEY).hex(),
            "cause": "retention_over",
        },
        {
            "event": "restricted",
            **asked,
            "request": make_plain_request(
                sign, RESTRICTION_PATH, restriction_body(NETWORKS, "5a" * 32), sm3(b"grant")
            ).to_record(),
            "side": "requester",
            "networks": NETWORKS,
            "salt": "5a" * 32,
        },
        {
            "event": "consulted",
            **asked,
            "request": make_plain_request(
                sign,
                CONSULTATION_PATH,
                consultation_body("search", ["2025-12", "2026-01"], None, "5b" * 32),
                bytes(32),
            ).to_record(),
            "operation": "search",
            "periods": ["2025-12", "2026-01"],
            "record": None,
            "salt": "5b" * 32,
        },
        {
            "event": "kept_disposed",
            "period": "2026-01",
            "record": None,
            "cause": "retention_over",
        },
    ]
    records: list[bytes] = []
    for seq, event in enumerate(events):
        if "intent" in event:
            event["intent_leaf"] = leaf_hash(records[1]).hex()
        if event["event"] == "tested":
            event["test_leaf"] = leaf_hash(records[8]).hex()
        if event["event"] == "outcome":
            answer, _ = make_answer(sign, leaf_hash(records[1]))
            event["provider_response"] = answer.to_record()
        common = {"v": 1, "log": ORIGIN, "seq": seq, "time_ms": NOW * 1000 + seq}
        records.append(encode_record({**common, **event}))
    return records


def make_log(sign: Sign) -> dict[str, Any]:
    request, _ = make_request(sign)
    records = make_records(request, sign)
    nodes: dict[tuple[int, int], bytes] = {}
    frontier, roots = Frontier(), []
    for record in records:
        for level, index, value in frontier.append(leaf_hash(record)):
            nodes[level, index] = value
        roots.append(frontier.root())

    def get_node(level: int, index: int) -> bytes:
        return nodes[level, index]

    checkpoint = Checkpoint(ORIGIN, len(records), frontier.root())
    text = checkpoint.text()
    signature = sign(GATEWAY, text.encode())
    note = note_of(checkpoint, GATEWAY.public_key, signature)
    cosigned = f"cosignature/v1\ntime {NOW + 5}\n{text}".encode()
    statement = block_statement(
        chain_id=CHAIN_ID, number=12, block_hash=sm3(b"block"), time=NOW + 6
    )
    observed = Observation(
        OBSERVED, PROVIDER.public_key.key_id, sign(PROVIDER, observation_text(OBSERVED))
    )
    acknowledged = acknowledgement_text(chain_id=CHAIN_ID, act_id=sm3(b"act"), received_at=NOW + 7)
    return {
        "source": "scripts/make_act_vectors.py; docs/protocol.md sections 3.6, 6 and 8",
        "origin": ORIGIN,
        "gateway_key": GATEWAY.public_key.to_bytes().hex(),
        "manifest": MANIFEST.decode(),
        "key_hash": key_hash(ORIGIN, GATEWAY.public_key).hex(),
        "records": [
            {
                "record": record.decode(),
                "leaf_hash": leaf_hash(record).hex(),
                "root": root.hex(),
                "path": [n.hex() for n in inclusion_path(get_node, seq, len(records))],
                "consistency": [n.hex() for n in consistency_path(get_node, seq + 1, len(records))],
            }
            for seq, (record, root) in enumerate(zip(records, roots, strict=True))
        ],
        "checkpoint": note,
        "checkpoint_signature": signature.to_bytes().hex(),
        "receipts": [
            Receipt(
                record, seq, tuple(inclusion_path(get_node, seq, len(records))), note
            ).to_header()
            for seq, record in enumerate(records[:4])
        ],
        "cosignature": {
            "name": "witness.example",
            "public_key": WITNESS.public_key.to_bytes().hex(),
            "time": NOW + 5,
            "message": cosigned.decode(),
            "signature": sign(WITNESS, cosigned).to_bytes().hex(),
        },
        "block": {
            "public_key": WITNESS.public_key.to_bytes().hex(),
            "message": statement.decode(),
            "signature": sign(WITNESS, statement).to_bytes().hex(),
        },
        "observation": {
            "public_key": PROVIDER.public_key.to_bytes().hex(),
            "message": observed.text.decode(),
            "digest": observed.digest.hex(),
            "handed_in": observed.to_json(),
        },
        "acknowledgement": {
            "public_key": PLATFORM.public_key.to_bytes().hex(),
            "message": acknowledged.decode(),
            "signature": sign(PLATFORM, acknowledged).to_bytes().hex(),
        },
    }


def make_http(sign: Sign) -> dict[str, Any]:
    request, body = make_request(sign)
    answer, answer_body = make_answer(sign, sm3(b"intent"))
    return {
        "source": "scripts/make_act_vectors.py; docs/protocol.md section 7",
        "request": {
            "method": "POST",
            "body": body.decode(),
            "content_digest_header": content_digest(body),
            "fields": request.to_record(),
            "key_id": request.public_key.key_id.hex(),
            "base": request.base().decode(),
        },
        "answer": {
            "status": answer.status,
            "body": answer_body.decode(),
            "content_digest_header": content_digest(answer_body),
            "intent_leaf": answer.intent_leaf.hex(),
            "fields": answer.to_record(),
            "key_id": answer.public_key.key_id.hex(),
            "base": answer.base().decode(),
        },
    }


def main(arguments: list[str]) -> int:
    sign = kept_signatures()
    stale = []
    for name, make in (("acts", make_acts), ("log", make_log), ("http", make_http)):
        file = VECTORS / f"{name}.json"
        text = json.dumps(make(sign), ensure_ascii=False, indent=1) + "\n"
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            file.write_text(text, encoding="utf-8")
            sign = kept_signatures()
    for name in stale:
        print(f"tests/vectors/{name}.json", "is stale" if "--check" in arguments else "written")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

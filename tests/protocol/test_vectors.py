"""The shared vectors against protocol/ and against a second reading of docs/protocol.md.

What is recomputed here uses struct, hashlib, json and gmssl, and none of the project's encoders.
"""

import base64
import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gmssl import func
from gmssl import sm2 as gmssl_sm2
from gmssl import sm3 as gmssl_sm3

from crypto.sm2 import PublicKey, Signature, verify
from protocol.acknowledgement import verify_acknowledgement
from protocol.acts import Act, act_id
from protocol.checkpoint import block_statement, verify_checkpoint, verify_cosignature
from protocol.description import ACT_TYPES, BY_NAME, WORD
from protocol.httpsig import ProviderAnswer, SignedRequest, parse_answer, parse_request
from protocol.observation import Observation
from protocol.receipt import Receipt, verify_receipt
from protocol.records import EVENTS, encode_record, parse_record

ROOT = Path(__file__).parents[2]
# GB/T 32918.5: a, b and the generator.
CURVE = bytes.fromhex(
    "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc"
    "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93"
    "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
)


def sm3_of_gmssl(data: bytes) -> bytes:
    return bytes.fromhex(gmssl_sm3.sm3_hash(func.bytes_to_list(data)))


def z_a(public_key: bytes) -> bytes:
    return sm3_of_gmssl(b"\x00\x80" + b"1234567812345678" + CURVE + public_key)


def gmssl_accepts(key_hex: str, signature_hex: str, message: bytes) -> bool:
    PublicKey.from_bytes(bytes.fromhex(key_hex))  # gmssl does not check the point
    Signature.from_bytes(bytes.fromhex(signature_hex))  # nor the ranges
    verifier = gmssl_sm2.CryptSM2(private_key="", public_key=key_hex)
    verifier.public_key = key_hex  # the constructor strips leading 04
    e = sm3_of_gmssl(z_a(bytes.fromhex(key_hex)) + message)
    return bool(verifier.verify(signature_hex, e))


def pack_words(vector: dict[str, Any]) -> bytes:
    packed = b""
    for word in BY_NAME[vector["type"]].words:
        part = b""
        for field in word:
            text = vector["values"][field.name]
            if field.kind == "uint":
                part += int(text).to_bytes(field.size, "big")
            elif field.kind == "bytes":
                part += bytes.fromhex(text)
            else:
                part += text.encode().ljust(field.size, b"\0")
        packed += part.ljust(-(-len(part) // WORD) * WORD, b"\0")
    return packed


def pack_act(vector: dict[str, Any]) -> bytes:
    return struct.pack(
        ">7sBQQQ20sIQ32s32s",
        b"sanlian",
        1,
        vector["chain_id"],
        vector["nonce"],
        vector["expires_at"],
        bytes.fromhex(vector["contract"]),
        vector["code"],
        vector["revision"],
        bytes.fromhex(vector["key_id"]),
        bytes.fromhex(vector["target"]),
    ) + pack_words(vector)


def test_files_are_what_the_script_makes() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "make_act_vectors.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


# --- acts ---------------------------------------------------------------------------------------


def test_every_act_type_has_a_vector(acts: list[dict[str, Any]]) -> None:
    assert [(v["type"], v["code"]) for v in acts] == [(a.name, a.code) for a in ACT_TYPES]


def test_acts_decode_and_encode(acts: list[dict[str, Any]]) -> None:
    for vector in acts:
        act = Act.from_bytes(bytes.fromhex(vector["act"]))
        assert act.to_bytes().hex() == vector["act"]
        assert act_id(act).hex() == vector["act_id"]
        assert (act.type.name, act.chain_id, act.nonce, act.expires_at, act.revision) == (
            *(vector[name] for name in ("type", "chain_id", "nonce", "expires_at", "revision")),
        )
        assert (act.contract.hex(), act.key_id.hex(), act.target.hex()) == (
            *(vector[name] for name in ("contract", "key_id", "target")),
        )
        values = {
            name: value.hex() if isinstance(value, bytes) else str(value)
            for name, value in act.values.items()
        }
        assert values == vector["values"]


def test_acts_by_struct_and_gmssl(acts: list[dict[str, Any]]) -> None:
    for vector in acts:
        data = pack_act(vector)
        assert data.hex() == vector["act"]
        first = vector["signatures"][0]
        assert first["key_id"] == vector["key_id"]
        assert first["e"] == vector["act_id"]
        assert len({s["key_id"] for s in vector["signatures"]}) == len(vector["signatures"])
        for signed in vector["signatures"]:
            public_key = bytes.fromhex(signed["public_key"])
            assert z_a(public_key).hex() == signed["key_id"]
            assert sm3_of_gmssl(z_a(public_key) + data).hex() == signed["e"]
            assert gmssl_accepts(signed["public_key"], signed["signature"], data)
            verify(
                PublicKey.from_bytes(public_key),
                data,
                Signature.from_bytes(bytes.fromhex(signed["signature"])),
            )


# --- log ----------------------------------------------------------------------------------------


def naive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sm3_of_gmssl(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:]))


def test_records(log: dict[str, Any]) -> None:
    leaves = []
    assert {json.loads(v["record"])["event"] for v in log["records"]} == set(EVENTS)
    for vector in log["records"]:
        data = vector["record"].encode()
        assert encode_record(parse_record(data)) == data
        # ASCII names and no doubles: sorted keys are RFC 8785's order.
        plain = json.dumps(
            json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        assert plain.encode() == data
        leaves.append(sm3_of_gmssl(b"\x00" + data))
        assert leaves[-1].hex() == vector["leaf_hash"]
        assert naive_root(leaves).hex() == vector["root"]


def test_networks_of_a_grant(log: dict[str, Any]) -> None:
    found = [json.loads(v["record"]) for v in log["records"]]
    record = next(one for one in found if one["event"] == "restricted")
    body = json.dumps(
        {"networks": record["networks"], "salt": record["salt"]}, separators=(",", ":")
    )
    assert sm3_of_gmssl(body.encode()).hex() == record["request"]["content_digest"]
    request = SignedRequest.from_record(record["request"])
    request.verify()
    assert b'tag="sanlian-restriction"' in request.base()


def test_observation(log: dict[str, Any]) -> None:
    vector = log["observation"]
    key, handed_in = vector["public_key"], vector["handed_in"]
    message = vector["message"].encode()
    members = json.dumps(handed_in["record"], sort_keys=True, separators=(",", ":"))
    assert message == b"sanlian/observation/v1\n" + members.encode()
    key_id = bytes.fromhex(handed_in["key_id"])
    assert sm3_of_gmssl(key_id + message).hex() == vector["digest"]
    assert gmssl_accepts(key, handed_in["signature"], message)
    observation = Observation.from_json(handed_in)
    observation.verify(PublicKey.from_bytes(bytes.fromhex(key)))
    assert (observation.text, observation.to_json()) == (message, handed_in)
    kept = next(r for v in log["records"] if (r := json.loads(v["record"]))["event"] == "observed")
    assert (kept["observation"], kept["public_key"]) == (handed_in["record"], key)


def test_statement_of_unsent_numbers(log: dict[str, Any]) -> None:
    kept = next(r for v in log["records"] if (r := json.loads(v["record"]))["event"] == "not_sent")
    body = json.dumps(kept["statement"], sort_keys=True, separators=(",", ":")).encode()
    request = kept["request"]
    assert sm3_of_gmssl(body).hex() == request["content_digest"]
    base = SignedRequest.from_record(request).base()
    assert b'tag="sanlian-not-sent"' in base
    assert gmssl_accepts(request["public_key"], request["signature"], base)


@pytest.mark.parametrize("event", ["offered", "closed"])
def test_offer_and_closing(log: dict[str, Any], event: str) -> None:
    kept = next(r for v in log["records"] if (r := json.loads(v["record"]))["event"] == event)
    body = json.dumps(kept["statement"], sort_keys=True, separators=(",", ":")).encode()
    request = kept["request"]
    assert sm3_of_gmssl(body).hex() == request["content_digest"]
    base = SignedRequest.from_record(request).base()
    tag = {"offered": "offer", "closed": "closing"}[event]
    assert f'tag="sanlian-{tag}"'.encode() in base
    assert gmssl_accepts(request["public_key"], request["signature"], base)
    if event == "offered":
        manifest = log["manifest"]
        assert sm3_of_gmssl(manifest.encode()).hex() == kept["statement"]["manifest"]
        told = json.loads(manifest)
        part = bytes.fromhex(told["salt"]) + '[{"name":"张三"}]'.encode()
        assert sm3_of_gmssl(part).hex() == told["parts"][0]["sm3"]


def test_checkpoint(log: dict[str, Any]) -> None:
    size, root = len(log["records"]), log["records"][-1]["root"]
    text = f"{log['origin']}\n{size}\n{base64.b64encode(bytes.fromhex(root)).decode()}\n"
    key = bytes.fromhex(log["gateway_key"])
    hashed = hashlib.sha256(log["origin"].encode() + b"\n\xffsanlian/sm2-sm3/v1" + key).digest()[:4]
    assert hashed.hex() == log["key_hash"]
    payload = base64.b64encode(hashed + bytes.fromhex(log["checkpoint_signature"])).decode()
    assert log["checkpoint"] == f"{text}\n— {log['origin']} {payload}\n"
    assert gmssl_accepts(log["gateway_key"], log["checkpoint_signature"], text.encode())
    found = verify_checkpoint(
        log["checkpoint"], origin=log["origin"], public_key=PublicKey.from_bytes(key)
    )
    assert (found.size, found.root.hex()) == (size, root)


def test_receipts(log: dict[str, Any]) -> None:
    key = PublicKey.from_bytes(bytes.fromhex(log["gateway_key"]))
    assert len(log["receipts"]) == 4
    for index, header in enumerate(log["receipts"]):
        receipt = Receipt.from_header(header)
        assert receipt.to_header() == header
        record, _ = verify_receipt(receipt, origin=log["origin"], public_key=key)
        assert record["seq"] == index
        vector = log["records"][index]
        expected = {
            "checkpoint": log["checkpoint"],
            "index": index,
            "path": vector["path"],
            "record": vector["record"],
            "type": "sanlian/receipt/v1",
        }
        plain = json.dumps(expected, separators=(",", ":"), ensure_ascii=False)
        assert base64.b64decode(header) == plain.encode()


def test_statements(log: dict[str, Any]) -> None:
    for name in ("cosignature", "block", "acknowledgement"):
        vector = log[name]
        assert gmssl_accepts(vector["public_key"], vector["signature"], vector["message"].encode())
    cosigned = log["cosignature"]
    text = log["checkpoint"].partition("\n\n")[0] + "\n"
    assert cosigned["message"] == f"cosignature/v1\ntime {cosigned['time']}\n{text}"
    key = bytes.fromhex(cosigned["public_key"])
    hashed = hashlib.sha256(cosigned["name"].encode() + b"\n\xffsanlian/sm2-sm3/v1" + key)
    payload = hashed.digest()[:4] + struct.pack(">Q", cosigned["time"])
    payload += bytes.fromhex(cosigned["signature"])
    line = f"— {cosigned['name']} {base64.b64encode(payload).decode()}\n"
    time = verify_cosignature(
        log["checkpoint"] + line, name=cosigned["name"], public_key=PublicKey.from_bytes(key)
    )
    assert time == cosigned["time"]
    tag, chain_id, number, block_hash, at, _ = log["block"]["message"].split("\n")
    assert tag == "sanlian/block/v1"
    assert log["block"]["message"].encode() == block_statement(
        chain_id=int(chain_id),
        number=int(number),
        block_hash=bytes.fromhex(block_hash),
        time=int(at),
    )
    tag, chain_id, acted, at, _ = log["acknowledgement"]["message"].split("\n")
    assert tag == "sanlian/acknowledgement/v1"
    verify_acknowledgement(
        PublicKey.from_bytes(bytes.fromhex(log["acknowledgement"]["public_key"])),
        Signature.from_bytes(bytes.fromhex(log["acknowledgement"]["signature"])),
        chain_id=int(chain_id),
        act_id=bytes.fromhex(acted),
        received_at=int(at),
    )


# --- HTTP signatures ----------------------------------------------------------------------------


def digest_header(body: bytes) -> str:
    return f"sm3=:{base64.b64encode(sm3_of_gmssl(body)).decode()}:"


def signature_headers(
    vector: dict[str, Any], parameters: str, **others: str
) -> list[tuple[str, str]]:
    raw = base64.b64encode(bytes.fromhex(vector["fields"]["signature"])).decode()
    return [
        ("Content-Type", "application/json"),
        ("Content-Digest", digest_header(vector["body"].encode())),
        ("Signature-Input", f"sanlian={parameters}"),
        ("Signature", f"sanlian=:{raw}:"),
        ("Sanlian-Key", vector["fields"]["public_key"]),
        *((f"Sanlian-{name.title()}", value) for name, value in others.items()),
    ]


def test_request(http: dict[str, Any]) -> None:
    vector = http["request"]
    fields, body = vector["fields"], vector["body"].encode()
    named = ("grant", "person", "basis", "scenario", "case")
    parameters = (
        '("@method" "@authority" "@path" "content-type" "content-digest" "sanlian-grant" '
        '"sanlian-person" "sanlian-basis" "sanlian-scenario" "sanlian-case")'
        f';created={fields["created"]};keyid="{z_a(bytes.fromhex(fields["public_key"])).hex()}"'
        f';nonce="{fields["nonce"]}";tag="sanlian-data-request"'
    )
    lines = [
        '"@method": POST',
        f'"@authority": {fields["authority"]}',
        f'"@path": {fields["path"]}',
        '"content-type": application/json',
        f'"content-digest": {digest_header(body)}',
        *(f'"sanlian-{name}": {fields[name]}' for name in named),
        f'"@signature-params": {parameters}',
    ]
    assert "\n".join(lines) == vector["base"]
    assert digest_header(body) == vector["content_digest_header"]
    assert gmssl_accepts(fields["public_key"], fields["signature"], vector["base"].encode())
    parsed = parse_request(
        method="POST",
        authority=fields["authority"],
        path=fields["path"],
        headers=signature_headers(vector, parameters, **{n: fields[n] for n in named}),
        body=body,
    )
    assert parsed == SignedRequest.from_record(fields)
    assert parsed.to_record() == fields


def test_answer(http: dict[str, Any]) -> None:
    vector = http["answer"]
    fields, body = vector["fields"], vector["body"].encode()
    parameters = (
        '("@status" "content-type" "content-digest" "sanlian-intent")'
        f';created={fields["created"]};keyid="{z_a(bytes.fromhex(fields["public_key"])).hex()}"'
        ';tag="sanlian-provider"'
    )
    lines = [
        '"@status": 200',
        '"content-type": application/json',
        f'"content-digest": {digest_header(body)}',
        f'"sanlian-intent": {vector["intent_leaf"]}',
        f'"@signature-params": {parameters}',
    ]
    assert "\n".join(lines) == vector["base"]
    assert gmssl_accepts(fields["public_key"], fields["signature"], vector["base"].encode())
    leaf = bytes.fromhex(vector["intent_leaf"])
    parsed = parse_answer(
        status=200,
        headers=signature_headers(vector, parameters, intent=vector["intent_leaf"]),
        body=body,
        intent_leaf=leaf,
    )
    assert parsed == ProviderAnswer.from_record(fields, intent_leaf=leaf)


def test_parameter_digests(log: dict[str, Any]) -> None:
    """By the second implementation: HMAC (RFC 2104) over gmssl's SM3, blocks of 64 bytes."""
    key = sm3_of_gmssl(b"parameter key")
    inner, outer = (bytes(a ^ b for a in key.ljust(64, b"\0")) for b in (0x36, 0x5C))
    records = [json.loads(vector["record"]) for vector in log["records"]]
    (member,) = [record["parameters"] for record in records if "parameters" in record]
    values = {"/number": '"11010519491231002X"', "/person/name": '"张三"'}
    assert [one["pointer"] for one in member["digests"]] == list(values)
    for one in member["digests"]:
        text = f"sanlian/parameter/v1\n{member['period']}\n{one['pointer']}\n"
        data = (text + values[one["pointer"]]).encode()
        assert one["digest"] == sm3_of_gmssl(outer + sm3_of_gmssl(inner + data)).hex()
    assert member["key"] == sm3_of_gmssl(b"sanlian/parameter-key/v1\n" + key).hex()

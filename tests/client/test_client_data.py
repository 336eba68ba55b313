"""Data requests against real HTTP servers that answer honestly, or not."""

import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from client_rig import ORIGIN, Log, serve

from crypto.canonical import canonical_json
from crypto.errors import OutcomeUnknown, RequestRefused, VerificationError
from crypto.merkle import consistency_path, inclusion_path, leaf_hash
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from protocol.description import CONTRACTS
from protocol.httpsig import content_digest, parse_request
from sanlian_client.cli import main
from sanlian_client.data import Gateway, Purpose, header_text, request_data
from sanlian_client.log import LogClient
from sanlian_client.receipts import ReceiptStore, verify_receipts

GRANT = b"\x01" * 32
PURPOSE = Purpose("p-7", "BASIS-1", "SCENARIO", "办件 1")


class SmallGateway:
    """A small gateway: real signatures, log and proofs; `bend` changes its answers."""

    def __init__(self, key: PrivateKey) -> None:
        self.key = key
        self.log = Log(key)
        self.log.fill(3)
        self.requests: list[dict[str, Any]] = []
        self.deny = ""
        self.bend: Callable[[int, dict[str, str], bytes], tuple[int, dict[str, str], bytes]] = (
            lambda status, headers, body: (status, headers, body)
        )

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        query = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
        if parts.path == "/v1/deployment":
            return 200, {}, self.deployment()
        if parts.path == "/log/checkpoint":
            return 200, {}, self.log.note().encode()
        if parts.path == "/log/consistency":
            return self.proof(consistency_path(self.log.node, query["old"], query["new"]))
        if parts.path == "/log/inclusion":
            return self.proof(inclusion_path(self.log.node, query["index"], query["size"]))
        return self.data(method, parts.path, headers, body)

    def proof(self, path: list[bytes]) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, canonical_json({"path": [node.hex() for node in path]})

    def deployment(self) -> bytes:
        key = self.key.public_key.to_bytes().hex()
        return canonical_json(
            {
                "chain_id": 7,
                "contracts": dict.fromkeys(CONTRACTS, "0x" + "11" * 20),
                "example": False,
                "type": "sanlian/deployment/v1",
                "block": 1,
                "platform_key": key,
                "gateway_key": key,
                "origin": ORIGIN,
                "supplement_stops_clock": True,
            }
        )

    def data(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        request = parse_request(
            method=method,
            authority=headers["host"],
            path=path,
            headers=headers.items(),
            body=body,
        ).to_record()
        self.requests.append(request)
        asked = {
            "request": request,
            "department": "02" * 32,
            "source": "127.0.0.1",
            "block": {"number": 3, "hash": "03" * 32},
        }
        if self.deny:
            self.log.add({"event": "denied", "code": self.deny, **asked})
            answer = canonical_json({"code": self.deny, "title": "no"})
            status, kind = 403, "application/problem+json"
        else:
            status, kind = 200, "application/json"
            answer = canonical_json(
                {"data": {"rows": [1, 2]}, "salt": sm3(request["nonce"].encode()).hex()}
            )
            self.log.add(
                {
                    "event": "outcome",
                    "intent": len(self.log.records) - 1,
                    "intent_leaf": "05" * 32,
                    "result": "released",
                    "code": "",
                    "items": "00" * 31 + "03",
                    "rows": 2,
                    "bytes": len(answer),
                    "latency_ms": 3,
                    "response_digest": sm3(answer).hex(),
                    "provider_response": None,
                }
            )
        lines = {
            "content-type": kind,
            "content-digest": content_digest(answer),
            "sanlian-receipt": self.log.receipt(len(self.log.records) - 1).to_header(),
        }
        return self.bend(status, lines, answer)


@pytest.fixture
def rig(gateway_key: PrivateKey) -> SmallGateway:
    return SmallGateway(gateway_key)


def ask(
    url: str, rig: SmallGateway, key: PrivateKey, store: ReceiptStore, timeout_s: float = 5
) -> Any:
    with Gateway(url, origin=ORIGIN, public_key=rig.key.public_key, timeout_s=timeout_s) as gateway:
        return request_data(
            gateway, key, grant=GRANT, parameters={"id": "5"}, purpose=PURPOSE, store=store
        )


def test_released_data_with_kept_receipt(
    rig: SmallGateway, requester_key: PrivateKey, tmp_path: Path
) -> None:
    store = ReceiptStore(tmp_path / "receipts")
    with serve(rig.answer) as url:
        released = ask(url, rig, requester_key, store)
    assert (released.data, released.items, released.rows) == ({"rows": [1, 2]}, 3, 2)
    assert rig.requests[0]["case"] == "%E5%8A%9E%E4%BB%B6%201"
    ((name, kept),) = list(ReceiptStore(tmp_path / "receipts"))
    assert kept.receipt == released.receipt
    assert kept.request == released.request.to_record()
    body = canonical_json({"parameters": {"id": "5"}, "salt": kept.salt})
    assert sm3(body).hex() == kept.request["content_digest"]
    assert stat.S_IMODE((tmp_path / "receipts" / name).stat().st_mode) == 0o600


def test_a_denial_keeps_its_receipt(
    rig: SmallGateway, requester_key: PrivateKey, tmp_path: Path
) -> None:
    rig.deny = "GRANT_REVOKED"
    store = ReceiptStore(tmp_path)
    with serve(rig.answer) as url, pytest.raises(RequestRefused) as refused:
        ask(url, rig, requester_key, store)
    assert refused.value.code == "GRANT_REVOKED"
    assert refused.value.details["receipt"] is True
    ((_, kept),) = list(store)
    assert kept.receipt is not None
    assert json.loads(kept.receipt.record)["request"] == kept.request


@pytest.mark.parametrize("case", ["body", "no receipt", "foreign", "other key", "no digest"])
def test_bent_answers(
    case: str, rig: SmallGateway, requester_key: PrivateKey, tmp_path: Path
) -> None:
    store = ReceiptStore(tmp_path)
    code = {"body": "RESPONSE_TAMPERED", "no receipt": "RECEIPT_MISSING"}.get(case)
    code = code or ("RESPONSE_TAMPERED" if case == "no digest" else "RECEIPT_INVALID")

    def bend(status: int, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        if case == "body":
            body = body.replace(b"[1,2]", b"[1,3]")
            headers["content-digest"] = content_digest(body)
        elif case == "no receipt":
            del headers["sanlian-receipt"]
        elif case == "no digest":
            del headers["content-digest"]
        elif case == "foreign":  # a heartbeat of the same log
            headers["sanlian-receipt"] = rig.log.receipt(0).to_header()
        else:
            other = Log(PrivateKey.generate())
            other.records = rig.log.records
            headers["sanlian-receipt"] = other.receipt(len(other.records) - 1).to_header()
        return status, headers, body

    rig.bend = bend
    with serve(rig.answer) as url, pytest.raises(VerificationError) as refused:
        ask(url, rig, requester_key, store)
    assert refused.value.code == code


def test_the_receipt_of_an_earlier_request(
    rig: SmallGateway, requester_key: PrivateKey, tmp_path: Path
) -> None:
    store = ReceiptStore(tmp_path)
    answers: list[tuple[int, dict[str, str], bytes]] = []

    def bend(*answer: Any) -> Any:
        answers.append(answer)
        return answers[0]

    rig.bend = bend
    with serve(rig.answer) as url:
        ask(url, rig, requester_key, store)
        for again in (store, ReceiptStore(tmp_path)):
            with pytest.raises(VerificationError) as refused:
                ask(url, rig, requester_key, again)
            assert refused.value.code == "RECEIPT_INVALID"


def test_a_denial_of_another_request(
    rig: SmallGateway, requester_key: PrivateKey, tmp_path: Path
) -> None:
    rig.deny = "GRANT_REVOKED"
    first: list[str] = []

    def bend(status: int, headers: dict[str, str], body: bytes) -> Any:
        first.append(headers["sanlian-receipt"])
        return status, {**headers, "sanlian-receipt": first[0]}, body

    rig.bend = bend
    with serve(rig.answer) as url:
        with pytest.raises(RequestRefused):
            ask(url, rig, requester_key, ReceiptStore(tmp_path / "a"))
        with pytest.raises(VerificationError) as refused:
            ask(url, rig, requester_key, ReceiptStore(tmp_path / "b"))
    assert refused.value.code == "RECEIPT_INVALID"


def test_a_lost_answer_leaves_a_trace(
    rig: SmallGateway, requester_key: PrivateKey, tmp_path: Path
) -> None:
    rig.bend = lambda _status, headers, body: (0, headers, body)
    store = ReceiptStore(tmp_path)
    with serve(rig.answer) as url, pytest.raises(OutcomeUnknown):
        ask(url, rig, requester_key, store)
    ((_, kept),) = list(store)
    assert kept.receipt is None
    assert kept.request == rig.requests[0]


def test_a_slow_answer_ends(rig: SmallGateway, requester_key: PrivateKey, tmp_path: Path) -> None:
    def bend(*answer: Any) -> Any:
        time.sleep(1.5)
        return answer

    rig.bend = bend
    with serve(rig.answer) as url, pytest.raises(OutcomeUnknown):
        ask(url, rig, requester_key, ReceiptStore(tmp_path), timeout_s=0.5)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, list(arguments))


def test_receipts_of_others_against_the_log(rig: SmallGateway, tmp_path: Path) -> None:
    rig.log.fill(4)
    (tmp_path / "intent-1.json").write_bytes(rig.log.receipt(6).to_bytes())
    (tmp_path / "damaged.json").write_bytes(b"{")
    (tmp_path / "numbers.json").write_bytes(canonical_json({"type": "sanlian/sequence/v1"}))
    store = ReceiptStore(tmp_path)
    with (
        serve(rig.answer) as url,
        LogClient(url, origin=ORIGIN, public_key=rig.key.public_key) as log,
    ):
        _, findings = verify_receipts(store, log)
        assert [(one.name, one.verdict, one.code) for one in findings] == [
            ("damaged.json", "invalid", "RECEIPT_MALFORMED"),
            ("intent-1.json 6", "valid", ""),
        ]
        (tmp_path / "damaged.json").unlink()
        (tmp_path / "checkpoint.txt").unlink()
        kept = rig.log.records.pop()
        _, findings = verify_receipts(store, log)
        assert [one.code for one in findings] == ["RECEIPT_RECORD_MISSING"]
        (tmp_path / "checkpoint.txt").unlink()
        rig.log.records += [rig.log.records[2], kept]
        _, findings = verify_receipts(store, log)
        assert [one.code for one in findings] == ["RECEIPT_FORKED"]


def test_receipts_against_a_later_log(
    rig: SmallGateway, requester_key: PrivateKey, tmp_path: Path
) -> None:
    store = ReceiptStore(tmp_path)
    with serve(rig.answer) as url:
        log = LogClient(url, origin=ORIGIN, public_key=rig.key.public_key)
        command = ("receipt", "verify", str(tmp_path), "--api", url, "--gateway", url)
        for _ in range(3):
            ask(url, rig, requester_key, store)
        rig.log.fill(5)
        newest, findings = verify_receipts(store, log)
        assert newest.size == 11
        assert [finding.verdict for finding in findings] == ["valid"] * 3
        assert run(*command).exit_code == 0
        assert len(run("receipt", "list", str(tmp_path), "--json").output.splitlines()) == 3

        # One of the records that somebody holds a receipt of is replaced.
        seen = (tmp_path / "checkpoint.txt").read_bytes()
        rig.log.records[4] = rig.log.records[2]
        with pytest.raises(VerificationError) as refused:
            verify_receipts(store, log)
        assert refused.value.code == "PROOF_INVALID"
        (tmp_path / "checkpoint.txt").unlink()
        _, findings = verify_receipts(store, log)
        assert {one.code for one in findings if one.verdict == "invalid"} == {"RECEIPT_FORKED"}
        assert run(*command).exit_code == 1
        (tmp_path / "checkpoint.txt").write_bytes(seen)
        follow = run("log", "follow", str(tmp_path), "--rounds", "1", *command[3:])
        assert (follow.exit_code, "PROOF_INVALID" in follow.stderr) == (1, True)
        log.close()
    assert run(*command).exit_code == 2  # nobody answers: cannot decide


def test_receipts_of_several_gateways_behind_one_address(
    requester_key: PrivateKey, tmp_path: Path
) -> None:
    rigs = {
        origin: SmallGateway(PrivateKey.generate()) for origin in (ORIGIN, "test.example/log-2")
    }
    for origin, rig in rigs.items():
        rig.log = Log(rig.key, origin)
        rig.log.fill(3)
    first, second = rigs.values()
    store = ReceiptStore(tmp_path / "receipts")
    further = {"test.example/log-2": second.key.public_key}

    def ask_at(url: str, keys: dict[str, Any] | None) -> Any:
        with Gateway(url, origin=ORIGIN, public_key=first.key.public_key, further=keys) as gateway:
            return request_data(
                gateway, requester_key, grant=GRANT, parameters={"id": "5"}, purpose=PURPOSE,
                store=store,
            )  # fmt: skip

    with serve(first.answer) as url, serve(second.answer) as other_url:
        assert ask_at(url, further).outcome["log"] == ORIGIN
        assert ask_at(other_url, further).outcome["log"] == "test.example/log-2"
        with pytest.raises(VerificationError, match="RECEIPT_INVALID"):
            ask_at(other_url, None)  # nobody said that there is another
        wrong = {"test.example/log-2": first.key.public_key}
        with pytest.raises(VerificationError, match="RECEIPT_INVALID"):
            ask_at(other_url, wrong)
        files = []
        for origin, rig in rigs.items():
            value = json.loads(rig.deployment())
            value["origin"] = origin
            files.append(tmp_path / f"{len(files)}.json")
            files[-1].write_bytes(canonical_json(value))
        for address, own, other in ((url, *files), (other_url, *reversed(files))):
            done = run(
                *("receipt", "verify", str(store.directory), "--api", address),
                *("--gateway", address, "--deployment", str(own)),
                *("--further-deployment", str(other), "--json"),
            )
            assert done.exit_code == 0, done.output
            found = [json.loads(line) for line in done.output.splitlines()[:-1]]
            assert sorted(one["verdict"] for one in found) == [
                *("other_log", "unanswered", "unanswered", "valid"),
            ]
        names = sorted(one.name for one in store.directory.glob("checkpoint*"))
        assert names == ["checkpoint-test.example_log-2.txt", "checkpoint.txt"]
        # Both were kept: a log that shrinks is seen at either.
        second.log.records.pop()
        done = run(
            *("receipt", "verify", str(store.directory), "--api", other_url),
            *("--gateway", other_url, "--deployment", str(files[1])),
            *("--further-deployment", str(files[0])),
        )
        assert done.exit_code == 1
        # Who does not say that there are two takes the other's receipt for a bad one.
        done = run(
            *("receipt", "verify", str(store.directory), "--api", url),
            *("--gateway", url, "--deployment", str(files[0])),
        )
        assert done.exit_code == 1


def test_growth_is_followed(rig: SmallGateway, tmp_path: Path) -> None:
    with serve(rig.answer) as url:
        follow = ("log", "follow", str(tmp_path), "--rounds", "1", "--api", url, "--gateway", url)
        assert run(*follow).output.startswith(f"{ORIGIN} 3 ")
        rig.log.fill(4)
        assert run(*follow).output.startswith(f"{ORIGIN} 7 ")
        del rig.log.records[5:]
        assert run(*follow).exit_code == 1


def test_data_get(rig: SmallGateway, tmp_path: Path) -> None:
    key = str(tmp_path / "key.pem")
    secret = ("--passphrase", "correct horse")
    assert run("key", "new", key, *secret).exit_code == 0
    with serve(rig.answer) as url:
        command = ("data", "get", GRANT.hex(), "--parameters", '{"id":"5"}', "--key", key, *secret)
        place = ("--receipts", str(tmp_path / "r"), "--api", url, "--gateway", url)
        found = run(*command, *place)
        assert (found.exit_code, json.loads(found.stdout)) == (0, {"rows": [1, 2]})
        rig.deny = "GRANT_REVOKED"
        found = run(*command, *place)
        assert (found.exit_code, found.stderr) == (1, "GRANT_REVOKED: no\n")
    assert len(list(ReceiptStore(tmp_path / "r"))) == 2


def test_texts_in_headers() -> None:
    assert header_text("") == "-"
    assert header_text("A-1/b") == "A-1/b"
    assert header_text("50% 王") == "50%25%20%E7%8E%8B"


def test_leaves_are_remembered(
    rig: SmallGateway, requester_key: PrivateKey, tmp_path: Path
) -> None:
    store = ReceiptStore(tmp_path)
    with serve(rig.answer) as url:
        released = ask(url, rig, requester_key, store)
    assert ReceiptStore(tmp_path).has_leaf(leaf_hash(released.receipt.record))

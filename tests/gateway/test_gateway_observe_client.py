"""`sanlian-client observe`: a platform's log handed in, broken off, gone on with, and refused."""

import csv
import json
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crypto.errors import LedgerError, OutcomeUnknown, ProtocolError, VerificationError
from crypto.keyfile import dump_private_key
from crypto.sm2 import PrivateKey
from protocol.batch_receipts import Kept, encode_batch_answer
from sanlian_client import observe
from sanlian_client.cli import main
from sanlian_client.data import Gateway
from sanlian_client.observe import Batch, hand_in, read_columns, read_records
from tests.gateway.city import ORIGIN
from tests.gateway.conftest import World
from tests.gateway.test_gateway_observed import members
from tests.protocol.test_batch_receipts import GATEWAY, PLATFORM, hex_of, receipt_of, signed
from tests.protocol.test_batch_receipts import ORIGIN as LOG

PASSPHRASE = "a passphrase of this test"
COLUMNS = {
    "platform": {"value": "exchange-1"},
    "record": "流水号",
    "time_ms": "调用时间",
    "requester": "部门",
    "person": "人员",
    "authorization": "授权",
    "provider": "提供方",
    "resource": "接口",
    "items": "信息项",
    "result": "结果",
    "request_digest": "请求摘要",
    "response_digest": "应答摘要",
}


def write_lines(path: Path, count: int) -> list[dict[str, Any]]:
    values = [members() for _ in range(count)]
    lines = [{name: one for name, one in value.items() if name != "v"} for value in values]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return values


class Bench:
    """A platform's desk."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world, self.log = world, directory / "access.jsonl"
        self.receipts = directory / "receipts"

    def run(self, **options: Any) -> list[Batch]:
        city = self.world.city
        with Gateway(self.world.url, origin=ORIGIN, public_key=city.gateway.public_key) as gateway:
            records = read_records(self.log, None)
            return list(hand_in(gateway, city.provider_key, records, self.receipts, **options))


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Bench:
    return Bench(world, tmp_path)


def test_a_log_is_handed_in_and_gone_on_with(desk: Bench) -> None:
    write_lines(desk.log, 25)
    found = desk.run(batch_size=10)
    assert [(one.first, one.last, one.kept, one.is_new) for one in found] == [
        (1, 10, 10, True),
        (11, 20, 10, True),
        (21, 25, 5, True),
    ]
    size = desk.world.gateway.writer.size  # type: ignore[union-attr]  # it is open
    with desk.log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({k: v for k, v in members().items() if k != "v"}) + "\n")
    again = desk.run(batch_size=10)
    assert [one.is_new for one in again] == [False, False, False, True]
    assert desk.world.gateway.writer.size == size + 1  # type: ignore[union-attr]


def test_a_lost_answer_is_made_good(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(desk.log, 5)

    def lost(*_: object) -> None:
        raise OutcomeUnknown("OUTCOME_UNKNOWN", "the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(observe, "_check", lost)
        with pytest.raises(OutcomeUnknown):
            desk.run()
    size = desk.world.gateway.writer.size  # type: ignore[union-attr]
    (batch,) = desk.run()
    assert (batch.kept, batch.is_new) == (5, True)
    assert desk.world.gateway.writer.size == size  # type: ignore[union-attr]


def test_another_log_is_refused(desk: Bench) -> None:
    write_lines(desk.log, 3)
    desk.run()
    write_lines(desk.log, 3)
    with pytest.raises(LedgerError, match="OBSERVED_DIFFERS"):
        desk.run()
    (desk.receipts / "batch-00000001.json").write_text("{}")
    with pytest.raises(LedgerError, match="KEPT_RECEIPT_DAMAGED"):
        desk.run()


def test_a_receipt_of_something_else_is_not_believed(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(desk.log, 2)
    send = observe._send

    def swapped(*arguments: Any) -> dict[str, Any]:
        answer = send(*arguments)
        return {**answer, "results": answer["results"][::-1]}

    monkeypatch.setattr(observe, "_send", swapped)
    with pytest.raises(VerificationError, match="RECEIPT_INVALID"):
        desk.run()
    assert not desk.receipts.exists()


@pytest.mark.parametrize("name", ["time_ms", "source", "block"])
def test_an_answer_that_lies_is_not_believed(
    desk: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_lines(desk.log, 2)
    send = observe._send
    lies = {"time_ms": 1, "source": "192.0.2.1", "block": {"number": 1, "hash": "00" * 32}}

    def lying(*arguments: Any) -> dict[str, Any]:
        answer = send(*arguments)
        answer["common"][0][name] = lies[name]
        return answer

    monkeypatch.setattr(observe, "_send", lying)
    with pytest.raises(VerificationError, match="RECEIPT_INVALID"):
        desk.run()
    assert not desk.receipts.exists()


@pytest.mark.parametrize("by", [PLATFORM, GATEWAY])
def test_what_was_logged_before_has_the_keys_signature(by: PrivateKey) -> None:
    """A gateway cannot have made the record that it says was handed in before."""
    mine = signed()
    logged = replace(mine, signature=by.sign(mine.text))
    answer = json.loads(encode_batch_answer([Kept.before(receipt_of(logged), hex_of(mine))]))
    gateway = Gateway("http://127.0.0.1:9", origin=LOG, public_key=GATEWAY.public_key)
    with gateway:
        if by is PLATFORM:
            observe._check(gateway, PLATFORM, [mine], answer)
            return
        with pytest.raises(VerificationError, match="RECEIPT_INVALID"):
            observe._check(gateway, PLATFORM, [mine], answer)


def test_a_record_of_another_key_is_not_ones_own() -> None:
    other = PrivateKey.generate()
    answer = json.loads(encode_batch_answer([Kept.before(receipt_of(signed()), "")]))
    gateway = Gateway("http://127.0.0.1:9", origin=LOG, public_key=GATEWAY.public_key)
    with gateway, pytest.raises(VerificationError, match="another key"):
        observe._check(gateway, other, [signed()], answer)


@pytest.mark.parametrize(
    "line", ["[]", "{", '{"record":"r-1"}', '{"a":1,"a":2}', "x" * (64 * 1024 + 1)]
)
def test_a_malformed_line_is_named(desk: Bench, line: str) -> None:
    write_lines(desk.log, 2)
    with desk.log.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(ProtocolError, match="line 4: "):
        list(read_records(desk.log, None))


def write_csv(path: Path, **changes: str) -> None:
    row = {
        "流水号": secrets.token_hex(8),
        "调用时间": "2026-11-27T08:00:00+08:00",
        "部门": "housing",
        "人员": "p-1",
        "授权": "AUTH-7",
        "提供方": "civil",
        "接口": "PERSON-01",
        "信息项": "NAME; ADDRESS",
        "结果": "refused",
        "请求摘要": "ab" * 32,
        "应答摘要": "",
        **changes,
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)


def test_csv_with_columns(tmp_path: Path) -> None:
    columns, log = tmp_path / "columns.json", tmp_path / "access.csv"
    columns.write_text(json.dumps(COLUMNS), encoding="utf-8")
    write_csv(log)
    ((line, value),) = read_records(log, read_columns(columns))
    assert line == 2
    assert (value["items"], value["response_digest"]) == (["ADDRESS", "NAME"], None)
    assert value["time_ms"] == 1_795_737_600_000
    write_csv(log, 调用时间="2026-11-27 08:00:00")
    with pytest.raises(ProtocolError, match="time zone"):
        list(read_records(log, read_columns(columns)))
    write_csv(log, 调用时间="yesterday")
    with pytest.raises(ProtocolError, match="line 2: time_ms"):
        list(read_records(log, read_columns(columns)))
    for bad in ("[]", "{", '{"name":"a"}', '{"record":7}', '{"record":{"value":1}}'):
        columns.write_text(bad)
        with pytest.raises(ProtocolError, match="COLUMNS_MALFORMED"):
            read_columns(columns)
    columns.write_text('{"record":"no such column"}')
    with pytest.raises(ProtocolError, match="COLUMNS_MALFORMED"):
        list(read_records(log, read_columns(columns)))


def test_the_command_names_what_was_refused(desk: Bench, tmp_path: Path) -> None:
    values = write_lines(desk.log, 2)
    later = {**values[0], "record": "later", "time_ms": int(time.time() * 1000) + 10**9}
    with desk.log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({k: v for k, v in later.items() if k != "v"}) + "\n")
    key = tmp_path / "key.pem"
    key.write_bytes(dump_private_key(desk.world.city.provider_key, PASSPHRASE))
    key.chmod(0o600)
    deployment = tmp_path / "deployment.json"
    deployment.write_bytes(desk.world.gateway.deployment.to_bytes())
    arguments = ["observe", str(desk.log), "--receipts", str(desk.receipts), "--key", str(key)]
    arguments += ["--passphrase", PASSPHRASE, "--gateway", desk.world.url]
    arguments += ["--deployment", str(deployment)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1, done.output
    assert "line 3: OBSERVATION_LATER" in done.output
    assert "to line 3: 2 kept, 1 refused" in done.output
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert json.loads(done.stdout)["refused"] == [{"line": 3, "code": "OBSERVATION_LATER"}]

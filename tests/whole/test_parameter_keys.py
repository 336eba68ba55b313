"""Who asked is found by its value; a key is disposed of by command; every proof holds after it."""

import json
import os
import re
import subprocess
import sys
import time
from typing import Any

import pytest

from crypto.keyfile import dump_private_key
from example_city.home import PASSPHRASE
from example_city.units import AUDIT, MEDICAL, unit_key
from ledger.audit.chain import ChainReader
from ledger.chain.rpc import Rpc
from ledger.deployment import load_deployment
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.reader import LogReader
from protocol.acts import Act
from protocol.ethereum import ActEvent
from protocol.parameters import period_at
from protocol.records import parse_record
from tests.whole.instance import ROOT, Instance, sanlian, wait_until

OLD = "2020-01"
SECRET = "the passphrase of an auditor"
DISPOSE = ("dispose-parameter-key", "--period", OLD, "--cause", "retention_over")


def auditor_of(instance: Instance, unit: int = AUDIT, role: str = "auditor") -> tuple[str, ...]:
    """Return the options that name who searches; the key is written to a file."""
    path = instance.home.with_suffix(f".{role}")
    if not path.exists():
        path.write_bytes(dump_private_key(unit_key(unit, role), SECRET))
    port = str(instance.ports.gateway)
    who = ("--key", str(path), "--person", "p-7", "--gateway-port", port)
    return (*who, "--case", "case-2026-11")


def run(instance: Instance, *command: str, value: str = "") -> tuple[int, str]:
    """Run a command of an auditor."""
    done = subprocess.run(
        [sys.executable, "-m", "ledger.cli", *command, "--home", str(instance.home)],
        cwd=ROOT,
        env={
            **os.environ,
            "SANLIAN_KEY_PASSPHRASE": PASSPHRASE,
            "SANLIAN_AUDITOR_PASSPHRASE": SECRET,
        },
        input=value,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def search(instance: Instance, value: str, *options: str) -> tuple[int, str]:
    return run(instance, "search-parameter", *(options or auditor_of(instance)), value=value)


def consulted(instance: Instance) -> list[dict[str, Any]]:
    """Return the records of consultations."""
    return records_of(instance, "consulted")


def records_of(instance: Instance, event: str) -> list[dict[str, Any]]:
    """Return the records of one event."""
    reader = LogReader.open(f"sqlite:///{instance.home / 'logs' / 'gateway.db'}")
    try:
        return [parse_record(data) for _, data in reader.records_of_event(event)]
    finally:
        reader.close()


def disposal_acts(instance: Instance) -> list[Act]:
    """Return the acts ParametersDisposed on the chain."""
    deployment = load_deployment(instance.home / "deployment.json")
    chain = ChainReader(Rpc(instance.node_url), deployment.contracts)
    signed = [one.event.signed for one in chain.scan() if isinstance(one.event, ActEvent)]
    acts = [Act.from_bytes(one.data) for one in signed]
    return [act for act in acts if act.type.name == "ParametersDisposed"]


def test_search_then_disposal(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANLIAN_PARAMETER_DIGESTS", "/parent")
    asked = records_of(instance, "intent")
    monkeypatch.setenv("SANLIAN_KEPT_INTERFACES", asked[0]["interface"])
    home = ("--home", str(instance.home))
    instance.start()
    instance.ask(2)
    keys = ParameterKeys(instance.home / "parameter-keys")
    keys.get_or_make(OLD)
    code, text = sanlian(*DISPOSE, *home)
    assert (code, "LOG_IN_USE" in text) == (1, True), text
    assert keys.find(OLD) is not None, "no record, no disposal"

    before = consulted(instance)
    code, text = search(instance, '"441500"')
    assert code == 0, text
    assert len(re.findall(r"^record \d+$", text, re.MULTILINE)) == 2
    code, text = search(instance, '"441501"', *auditor_of(instance), "--period", OLD)
    assert code == 0, text
    assert not re.findall(r"^record \d+$", text, re.MULTILINE)
    # Each search is a record of its own: who, which months, why; nothing of the value.
    wide, narrow = consulted(instance)[len(before) :]
    assert f"the search is record {narrow['seq']}\n" in text
    now = period_at(time.time_ns() // 1_000_000)
    assert (wide["operation"], wide["periods"][-1], narrow["periods"]) == ("search", now, [OLD])
    assert wide["request"]["person"] == "p-7"
    assert wide["request"]["case"] == "case-2026-11"
    key = unit_key(AUDIT, "auditor").public_key
    assert wide["request"]["public_key"] == key.to_bytes().hex()
    assert "44150" not in json.dumps([wide, narrow])
    # Nobody else searches, nobody without a reason, and nothing that cannot be searched.
    for value, options, expected in (
        ("441500 x", (), "PARAMETER_INVALID"),
        ('"441500"', auditor_of(instance, MEDICAL, "officer"), "CONSULTATION_NOT_ALLOWED"),
        ('"441500"', auditor_of(instance)[:6], "CONSULTATION_REASON_MISSING"),
        ('"441500"', (*auditor_of(instance), "--period", "2026-13"), "PARAMETER_PERIOD_INVALID"),
        ('"441500"', (*auditor_of(instance), "--pointer", "parent"), "PARAMETER_INVALID"),
    ):
        code, text = search(instance, value, *options)
        assert (code, expected in text) == (1, True), text
        assert not re.findall(r"record \d", text), text
    assert len(consulted(instance)) == len(before) + 2

    # What had to be kept is opened for an auditor, and that is a record too.
    kept = [one for one in records_of(instance, "intent") if "kept" in one]
    assert len(kept) == 2
    assert len(kept) < len(records_of(instance, "intent")), "one was asked before the setting"
    first, last = (str(one["seq"]) for one in kept)
    code, text = run(instance, "kept", "show", first, *auditor_of(instance))
    assert code == 0, text
    assert '"parameters":{"parent":"441500"}' in text
    assert (consulted(instance)[-1]["operation"], consulted(instance)[-1]["record"]) == (
        "open",
        int(first),
    )
    officer = auditor_of(instance, MEDICAL, "officer")
    code, text = run(instance, "kept", "show", first, *officer)
    assert (code, "CONSULTATION_NOT_ALLOWED" in text, "441500" in text) == (1, True, False), text
    code, text = run(instance, "kept", "show", "0", *auditor_of(instance))
    assert (code, "KEPT_NONE" in text) == (1, True), text
    erase = ("kept", "dispose", "--record", first, "--cause", "erasure_demanded")
    code, text = run(instance, *erase)
    assert (code, "LOG_IN_USE" in text) == (1, True), text
    assert instance.interrupt() == 0
    code, text = run(instance, *erase)
    assert (code, "recorded and destroyed" in text) == (0, True), text
    code, text = run(instance, "kept", "dispose", "--month", now, "--cause", "retention_over")
    assert (code, "PERIOD_RUNNING" in text) == (1, True), text
    code, text = search(instance, '"441500"')
    assert (code, "SERVER_UNREACHABLE" in text) == (1, True), "no record, no search"

    code, text = sanlian(*DISPOSE, *home)
    assert (code, "recorded and destroyed" in text) == (0, True), text
    assert keys.find(OLD) is None
    assert keys.is_disposed(OLD)
    code, text = sanlian(*DISPOSE, *home)
    assert (code, "recorded before" in text) == (0, True), text
    code, text = sanlian(
        "dispose-parameter-key", *home, "--period", now, "--cause", "purpose_ended"
    )
    assert (code, "PERIOD_RUNNING" in text) == (1, True), text

    # The gateway goes on from the record; all receipts hold, and the audit finds nothing.
    instance.start()
    instance.ask()
    wait_until(lambda: len(disposal_acts(instance)) == 2)
    instance.verify()
    told = [*records_of(instance, "kept_disposed"), *records_of(instance, "disposed")]
    assert [act.number("record") for act in disposal_acts(instance)] == [one["seq"] for one in told]
    assert [act.number("disposed_kind") for act in disposal_acts(instance)] == [3, 1]
    code, text = run(instance, "kept", "show", first, *auditor_of(instance))
    assert (code, "KEPT_KEY_MISSING" in text) == (1, True), text
    code, text = run(instance, "kept", "show", last, *auditor_of(instance))
    assert (code, '"parent":"441500"' in text) == (0, True), text
    # Destroyed by hand, and nothing tells of it: that is found.
    (instance.home / "parameter-keys" / f"{now}.key").unlink()
    code, text = sanlian("audit", *home, "--node", instance.node_url)
    assert (code, "the key is missing" in text) == (1, True), text
    assert instance.interrupt() == 0

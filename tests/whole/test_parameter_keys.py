"""Who asked is found by its value; a key is disposed of by command; every proof holds after it."""

import os
import subprocess
import sys
import time

import pytest

from example_city.home import PASSPHRASE
from ledger.log.parameter_keys import ParameterKeys
from protocol.parameters import period_at
from tests.whole.instance import ROOT, Instance, sanlian

OLD = "2020-01"
DISPOSE = ("dispose-parameter-key", "--period", OLD, "--cause", "retention_over")


def search(instance: Instance, value: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "ledger.cli", "search-parameter", "--home", str(instance.home)],
        cwd=ROOT,
        env={**os.environ, "SANLIAN_KEY_PASSPHRASE": PASSPHRASE},
        input=value,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_search_then_disposal(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANLIAN_PARAMETER_DIGESTS", "/parent")
    home = ("--home", str(instance.home))
    instance.start()
    instance.ask(2)
    keys = ParameterKeys(instance.home / "parameter-keys")
    keys.get_or_make(OLD)
    code, text = sanlian(*DISPOSE, *home)
    assert (code, "LOG_IN_USE" in text) == (1, True), text
    assert keys.find(OLD) is not None, "no record, no disposal"
    assert instance.interrupt() == 0

    code, text = search(instance, '"441500"')
    assert code == 0, text
    assert text.count("record ") == 2
    assert search(instance, '"441501"') == (0, "")
    code, text = search(instance, "441500 x")
    assert (code, "PARAMETER_INVALID" in text) == (1, True), text

    code, text = sanlian(*DISPOSE, *home)
    assert (code, "recorded and destroyed" in text) == (0, True), text
    assert keys.find(OLD) is None
    assert keys.is_disposed(OLD)
    code, text = sanlian(*DISPOSE, *home)
    assert (code, "recorded before" in text) == (0, True), text
    now = period_at(time.time_ns() // 1_000_000)
    code, text = sanlian(
        "dispose-parameter-key", *home, "--period", now, "--cause", "purpose_ended"
    )
    assert (code, "PERIOD_RUNNING" in text) == (1, True), text

    # The gateway goes on from the record; all receipts hold, and the audit finds nothing.
    instance.start()
    instance.ask()
    instance.verify()
    # Destroyed by hand, and nothing tells of it: that is found.
    (instance.home / "parameter-keys" / f"{now}.key").unlink()
    code, text = sanlian("audit", *home, "--node", instance.node_url)
    assert (code, "the key is missing" in text) == (1, True), text
    assert instance.interrupt() == 0

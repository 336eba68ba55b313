"""The example city as its users find it: every state, read through the running api."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from crypto.sm3 import sm3
from example_city.history import EMERGENCY, HEALTH
from example_city.home import PASSPHRASE, free_ports
from example_city.recording import STAGING
from example_city.units import HOUSING, unit_key
from protocol.envelope import encrypt_to
from protocol.model import RequestState
from sanlian_client.sealing import Sealed
from tests.whole.instance import Instance, sanlian


def test_the_city_uses_all_of_it(instance: Instance) -> None:
    instance.start()
    with instance.platform() as platform:
        nouns = ("entries", "interfaces", "requests", "disputes", "corrections", "claims")
        found = {noun: list(platform.read_all(noun)) for noun in nouns}
        reports = list(platform.read_all("oversight-reports"))
        consents = list(platform.read_all("consents"))
    states = {noun: Counter(one["state"] for one in rows) for noun, rows in found.items()}
    assert states["entries"] == {"PUBLISHED": 60}
    assert len({one["department"] for one in found["entries"]}) >= 12
    assert set(states["requests"]) == set(RequestState)
    assert states["interfaces"] == {"ONLINE": 4, "SUSPENDED": 1, "RETIRED": 1}
    assert states["disputes"] == {"DECIDED": 1}
    assert states["corrections"] == {"CORRECTED": 1}
    assert states["claims"] == {"SOURCE": 5, "REJECTED": 1}
    assert len(consents) == 1
    late = [one for one in found["requests"] if one["clock"]["answer_late"]]
    assert [one["clock"]["answered_day"] for one in late[:1]] == ["2026-10-26"]
    assert late[0]["clock"]["answer_due"] == "2026-10-21"
    # What the chief data officer stated of October is what anybody computes from the chain.
    (report,) = reports
    code, text = sanlian(
        *("performance", "--home", str(instance.home), "--node", instance.node_url, "--json"),
        *("--from", "2026-10-01", "--until", "2026-10-31"),
    )
    assert code == 0, text
    assert sm3(text.encode()).hex() == report["report_digest"]
    instance.verify()


def client(instance: Instance, *arguments: str) -> tuple[int, str]:
    """Run sanlian-client against the instance."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sanlian_client", *arguments),
            *("--api", f"http://127.0.0.1:{instance.ports.api}"),
            *("--gateway", instance.gateway_url),
            *("--deployment", str(instance.home / "deployment.json")),
        ],
        env={**os.environ, "SANLIAN_KEY_PASSPHRASE": PASSPHRASE},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_reason_of_a_refusal_reaches_the_requester(instance: Instance, tmp_path: Path) -> None:
    """From the command line, by the parties that the chain names; then it is disposed of."""
    instance.start()
    seed = bytes.fromhex(json.loads((instance.home / "plan.json").read_bytes())["seed"])
    text = b"shelters need no births"
    sealed = Sealed(sm3(seed + text), text)
    with instance.platform() as platform:
        (refused,) = [r for r in platform.read_all("requests") if r["state"] == "REFUSED"]
    answer = httpx.get(
        f"http://127.0.0.1:{instance.ports.api}/v1/acts", params={"target": refused["id"]}
    )
    act = next(one for one in answer.json()["items"] if one["type"] == "RequestRefused")["act_id"]
    keys = instance.home / "example-keys"
    officer = unit_key(EMERGENCY, "officer")
    envelope = encrypt_to([officer.public_key], sealed.commitment, sealed.to_bytes())
    (tmp_path / "reason.envelope").write_bytes(envelope.to_bytes())
    giver = ("--key", str(keys / f"{HEALTH:02d}-officer.pem"))
    taker = ("--key", str(keys / f"{EMERGENCY:02d}-officer.pem"))
    stranger = ("--key", str(keys / f"{HOUSING:02d}-officer.pem"))
    path = str(tmp_path / "reason.sealed")
    code, said = client(instance, "sealed", "fetch", act, path, *taker)
    assert (code, "SEALED_MISSING" in said) == (1, True), said
    shared = client(instance, "sealed", "share", act, str(tmp_path / "reason.envelope"), *giver)
    assert shared[0] == 0, shared
    code, said = client(instance, "sealed", "fetch", act, path, *stranger)
    assert (code, "SEALED_NOT_ALLOWED" in said) == (1, True), said
    code, said = client(instance, "sealed", "fetch", act, path, *taker)
    assert code == 0, said
    assert text.decode() in said
    assert Sealed.from_bytes(Path(path).read_bytes()) == sealed
    assert client(instance, "sealed", "dispose", act, *giver)[0] == 0
    code, said = client(instance, "sealed", "fetch", act, str(tmp_path / "again"), *taker)
    assert (code, "SEALED_DISPOSED" in said) == (1, True), said
    # Every call is in the log, and the audit finds nothing wrong with it.
    instance.verify()


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_first_start_killed_at_any_time_is_made_again(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "city", free_ports())
    try:
        for after_s in (1.0, 3.0, 4.5, 6.0, 9.0):
            instance.spawn()
            time.sleep(after_s)
            instance.kill()
        instance.start()
        instance.ask()
        instance.verify()
        assert not (instance.home / STAGING).exists()
    finally:
        instance.end()

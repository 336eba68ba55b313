"""The example city as its users find it: every state, read through the running api."""

import time
from collections import Counter
from pathlib import Path

import pytest

from crypto.sm3 import sm3
from example_city.home import free_ports
from example_city.recording import STAGING
from protocol.model import RequestState
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
    figures = next(line for line in text.splitlines() if line.startswith("{"))
    assert sm3(figures.encode()).hex() == report["report_digest"]
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

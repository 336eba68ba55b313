"""A monitor beside the whole city, as a department runs it."""

import json
from pathlib import Path

import pytest

from protocol.checkpoint import parse_note
from tests.whole.instance import Instance
from tests.whole.test_city import client


@pytest.mark.parametrize("source", ["node", "api"])
def test_a_monitor_of_the_city_sees_nothing_wrong(
    instance: Instance, tmp_path: Path, source: str
) -> None:
    """All anchors of the city's history are checked, on chain or as the api tells them."""
    instance.start()
    home = tmp_path / "monitor"
    arguments = ["monitor", "--once", "--home", str(home)]
    arguments += ["--trust", str(instance.home / "trust.json")]
    if source == "node":
        arguments += ["--node", instance.node_url]
    sizes = []
    for _ in range(3):
        instance.ask()
        code, text = client(instance, *arguments)
        assert code == 0, text
        state = json.loads((home / "state.json").read_bytes())
        sizes.append(parse_note(state["note"])[0].size)
    assert sizes == sorted(set(sizes))
    assert parse_note(state["anchor"])[0].size > 0
    assert not (home / "alarm.json").exists()

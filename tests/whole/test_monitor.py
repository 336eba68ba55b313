"""A monitor beside the whole city, as a department runs it."""

import json
import time
from pathlib import Path

import pytest

from protocol.checkpoint import parse_note
from tests.whole.instance import Instance, wait_until
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

    def is_cosigned() -> bool:
        assert client(instance, *arguments)[0] == 0
        state = json.loads((home / "state.json").read_bytes())
        return bool(state["cosigned_at"] > started and state["anchor"])

    # The first look sets the time; later ones only where the city's witnesses signed.
    client(instance, *arguments)
    started = int(time.time())
    wait_until(is_cosigned)
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

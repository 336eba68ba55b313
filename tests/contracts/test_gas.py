"""The benchmark of gas measures every act type."""

import pytest

from bench.act_gas import ActsMissing, measure_acts
from protocol.description import ACT_TYPES
from tests.contracts import every_act
from tests.contracts.city import City


def test_every_act_type_is_measured_with_and_without_tables() -> None:
    gas = {result.metric: result.value for result in measure_acts()}
    for act_type in ACT_TYPES:
        cheap = gas[f"gas_act_{act_type.name}"]
        plain = gas[f"gas_act_{act_type.name}_without_tables"]
        # A table spares 150,000 for each signature.
        assert 21_000 < cheap < plain - 140_000 * len(act_type.signers)


def test_a_type_without_a_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(city: City) -> None:
        city.gas.pop("EntryRetired")

    recorded = every_act.record_every_act
    monkeypatch.setattr(
        "bench.act_gas.record_every_act", lambda city: (recorded(city), forget(city))
    )
    with pytest.raises(ActsMissing, match="EntryRetired") as caught:
        measure_acts()
    assert caught.value.names == {"EntryRetired"}

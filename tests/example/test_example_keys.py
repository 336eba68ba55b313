"""Example keys count in an example deployment only; the plan gives the same acts every time."""

from dataclasses import replace
from pathlib import Path

import pytest

from crypto.errors import LedgerError, ProtocolError
from crypto.sm2 import PrivateKey
from example_city.catalogue import DIVISIONS
from example_city.plan import Planner
from example_city.units import MEDICAL, authority_keys, load_units, unit_key
from ledger.db.engine import make_engine
from ledger.db.migrate import upgrade
from ledger.outbox.service import Outbox
from ledger.settings import Settings
from ledger.setup import Founders, initialise
from protocol.deployment import Deployment
from protocol.description import CONTRACTS
from protocol.example_keys import example_key, example_key_ids, example_key_names

ADDRESSES = {name: bytes([number]) * 20 for number, name in enumerate(CONTRACTS, 1)}


def _planner() -> Planner:
    return Planner(chain_id=7, contracts=ADDRESSES, expires_at=2_000_000_000, seed=b"seed")


def _deployment(*, example: bool) -> Deployment:
    key = PrivateKey.generate().public_key
    return Deployment(7, ADDRESSES, 1, example, key, key, "a.example/log")


def test_names_and_keys_are_distinct() -> None:
    assert len(set(example_key_names())) == len(example_key_names())
    assert len(example_key_ids()) == len(example_key_names())


def test_every_key_in_use_is_known_as_an_example() -> None:
    for key in (*authority_keys(), unit_key(0, "head"), unit_key(MEDICAL, "system")):
        assert key.public_key.key_id in example_key_ids()
    assert PrivateKey.generate().public_key.key_id not in example_key_ids()


def test_outbox_refuses_them_outside_the_example(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    upgrade(engine)
    act = _planner().register_unit(load_units()[0]).signed
    outbox = Outbox(engine, _deployment(example=False), PrivateKey.generate())
    with pytest.raises(ProtocolError) as caught:
        outbox.accept(act.data, act.signatures)
    assert caught.value.code == "EXAMPLE_KEY_REFUSED"
    outbox = Outbox(engine, _deployment(example=True), PrivateKey.generate())
    with pytest.raises(LedgerError) as later:  # past the check, at an empty ledger
        outbox.accept(act.data, act.signatures)
    assert later.value.code == "LEDGER_NOT_READY"
    engine.dispose()


def test_a_real_deployment_does_not_begin_with_them(tmp_path: Path) -> None:
    own = [PrivateKey.generate().public_key for _ in range(4)]
    founders = Founders(own[0], tuple(own[1:3]), 1, (own[3],), 1)
    settings = Settings(home=tmp_path, key_passphrase="long enough", node_port=1)
    for fault in (
        replace(founders, head=example_key("00/head").public_key),
        replace(founders, authority=(own[1], example_key("00/authority-1").public_key)),
        replace(founders, witnesses=(example_key("16/witness").public_key,)),
    ):
        with pytest.raises(ProtocolError) as caught:
            initialise(settings, fault, origin="a.example/log", example=False, say=print)
        assert caught.value.code == "EXAMPLE_KEY_REFUSED"
    assert not (tmp_path / "deployment.json").exists()


def test_the_plan_gives_the_same_acts_every_time() -> None:
    ids = []
    for _ in range(2):
        planner = _planner()
        acts = [planner.register_unit(unit) for unit in load_units()[:3]]
        acts += planner.enrol_all(MEDICAL)
        entry = planner.submit_entry(DIVISIONS)
        acts += [entry, planner.publish_entry(DIVISIONS, entry.id)]
        ids.append([act.id for act in acts])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(ids[0])

"""The relay: nothing lost, nothing twice, whatever stops in between."""

import signal
import time

import pytest
from ledger_city import (
    AUTHORITY,
    RELAY_KEY,
    City,
    entry_document,
    entry_values,
    key,
    on_both,
    wait_until,
)
from sqlalchemy import text
from sqlalchemy.orm import Session

from crypto.errors import LedgerError
from crypto.sm3 import sm3
from ledger.chain import sender as sender_module
from ledger.chain.artifacts import encode_call
from ledger.chain.rpc import Rpc
from ledger.db.engine import write_transaction
from ledger.outbox.service import _new_row
from protocol.acts import Act, SignedAct
from protocol.description import Role


def events(city: City) -> int:
    with city.engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM events")) or 0)


def test_a_node_that_is_away_delays_and_loses_nothing(city: City) -> None:
    city.enrol("before", Role.AUDITOR, "authority head")
    city.node.stop(signal.SIGKILL)
    waiting = [city.enrol(f"p{n}", Role.AUDITOR, "authority head") for n in range(3)]
    for _ in range(2):
        with pytest.raises(LedgerError) as away:
            city.relay.step()
        assert away.value.code == "NODE_UNAVAILABLE"
    assert {city.status(one) for one in waiting} <= {"queued", "sent"}
    city.node.start()
    city.run()
    assert [city.status(one) for one in waiting] == ["recorded"] * 3
    assert events(city) == 4


@on_both
def test_killed_between_store_and_send(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = [city.enrol(f"p{n}", Role.AUDITOR, "authority head") for n in range(2)]

    def die(_self: object, _raw: bytes) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(sender_module.Sender, "_deliver", die)
        with pytest.raises(SystemExit):
            city.relay.step()
    assert [city.status(one) for one in accepted] == ["sent", "sent"]
    city.reopen_chain()
    city.run()
    assert [city.status(one) for one in accepted] == ["recorded", "recorded"]
    with city.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM transactions")) == 2


def test_an_answer_that_is_lost_does_not_send_twice(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = city.enrol("p", Role.AUDITOR, "authority head")
    deliver = sender_module.Sender._deliver

    def lose(self: sender_module.Sender, raw: bytes) -> None:
        deliver(self, raw)
        raise sender_module.OutcomeUnknown("NODE_OUTCOME_UNKNOWN", "the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(sender_module.Sender, "_deliver", lose)
        with pytest.raises(LedgerError):
            city.relay.step()
    city.run()
    assert city.status(one) == "recorded"
    assert events(city) == 1


def test_a_refused_act_and_those_behind_it(city: City) -> None:
    city.register("civil")
    city.run()
    document = entry_document()
    head = key("civil head")
    signers = [key("civil operator"), head]
    entry = city.accept(city.sign("EntrySubmitted", signers, entry_values(document)), document)
    city.run()
    # Signed while the entry could be published; on the chain it has been retired meanwhile.
    publish = city.sign(
        "EntryPublished", AUTHORITY[:1], {"document": sm3(document)}, target=entry.act_id
    )
    city.accept(city.sign("EntryRetired", [head], {"reason": sm3(b"r")}, target=entry.act_id))
    city.run()
    _force_into_queue(city, publish)
    behind = city.sign(
        "EntryPublished",
        AUTHORITY[:1],
        {"document": sm3(document)},
        target=entry.act_id,
        revision=2,
        nonce=1,
    )
    _force_into_queue(city, behind)
    city.run()
    refused = city.outbox.get_act(publish.act_id)
    assert (refused.status, refused.error_code) == ("refused", "STALE_REVISION")
    again = city.outbox.get_act(behind.act_id)
    assert (again.status, again.error_code) == ("sign_again", "NONCE_MISMATCH")
    # The nonce stays unused: the next act takes it.
    assert city.outbox.next_nonce("Entries", AUTHORITY[0].public_key.key_id) == 0


def _force_into_queue(city: City, signed: SignedAct) -> None:
    """Put an act into the queue as if the state had allowed it when it came."""
    with write_transaction(city.engine) as connection, Session(connection) as session:
        session.add(_new_row(signed, Act.from_bytes(signed.data), int(time.time())))
        session.flush()


def test_another_user_of_the_account_only_delays(city: City) -> None:
    """Transactions whose numbers were taken are made again."""
    one = city.enrol("p", Role.AUDITOR, "authority head")
    second = sender_module.Sender(
        city.engine,
        city.rpc,
        chain_id=city.deployment.chain_id,
        private_key=RELAY_KEY,
    )
    city.sender.resume()
    to = city.deployment.contracts["Documents"]
    data = encode_call("Documents", "put", sm3(b"x"), 0, 1, b"x")
    second.send([sender_module.Outgoing("piece", to, data, 1_000_000, digest=sm3(b"x"))])
    # The first sender still counts from the number that is taken now.
    with city.engine.begin() as connection:
        connection.execute(text("UPDATE transactions SET status = 'done'"))
    with pytest.raises(LedgerError):
        city.relay.step()
    city.run()
    assert city.status(one) == "recorded"


def test_workers_run_in_threads_and_survive_a_kill_of_the_node(city: City) -> None:

    city.rpc = Rpc(city.node.url, 5.0)
    city.reopen_chain()
    city.indexer.start()
    city.relay.start()
    try:
        first = city.register("civil")
        city.relay.wake()
        wait_until(lambda: city.status(first) == "recorded")
        city.node.stop(signal.SIGKILL)
        second = city.register("tax")
        wait_until(lambda: city.relay.state().failures > 0)
        city.node.start()
        wait_until(lambda: city.status(second) == "recorded")
        wait_until(lambda: city.relay.state().failures == 0)
    finally:
        city.relay.stop()
        city.indexer.stop()
    assert not city.relay.state().running

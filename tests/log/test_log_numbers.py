"""Numbers of streams, whatever shares a flush: as if each record had been written by itself."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto.sm2 import PrivateKey
from ledger.log.core import LogCore
from ledger.log.entries import Entry, Nonce, Written
from protocol.httpsig import sign_request
from protocol.receipt import Receipt
from tests.log.conftest import LOG_ID, ORIGIN, Drafts

KEYS = [PrivateKey.generate() for _ in range(2)]
ZEROS = "0" * 64


def _request(key: PrivateKey, stream: str | None) -> dict[str, Any]:
    request, _ = sign_request(
        key,
        b"{}",
        authority="127.0.0.1:8441",
        path="/v1/data",
        created=1,
        nonce=secrets.token_hex(16),
        grant=bytes(32),
        stream=stream,
    )
    return {
        "request": request.to_record(),
        "department": ZEROS,
        "source": "127.0.0.1",
        "block": {"number": 1, "hash": ZEROS},
    }


def numbered(event: str, key: PrivateKey, stream: str, sequence: int) -> Entry:
    """Return an intent, or a refused request, with a number."""
    draft = _request(key, f"{stream};{sequence}")
    if event == "denied":
        return Entry({"event": "denied", "code": "GRANT_REVOKED", **draft})
    nonce = Nonce(key.public_key.key_id, bytes.fromhex(draft["request"]["nonce"]))
    intent, _ = Drafts().intent()
    return Entry({**intent, **draft}, nonce=nonce)


def stated(key: PrivateKey, stream: str, first: int, last: int) -> Entry:
    """Return a statement about a range."""
    draft = _request(key, None)
    nonce = Nonce(key.public_key.key_id, bytes.fromhex(draft["request"]["nonce"]))
    statement = {
        "reason": "not_sent",
        "salt": "00" * 32,
        "sequences": [[first, last]],
        "stream": stream,
    }
    return Entry({"event": "not_sent", "statement": statement, **draft}, nonce=nonce)


class Model:
    """The rules, one record after another."""

    def __init__(self) -> None:
        self.used: set[tuple[int, str, int]] = set()
        self.stated: set[tuple[int, str, int]] = set()

    def write(self, step: tuple[Any, ...]) -> str:
        """Return the code of a refusal, or nothing."""
        event, key, stream, first, last = step
        if event == "stated":
            numbers = {(key, stream, one) for one in range(first, last + 1)}
            if numbers & self.used:
                return "SEQUENCE_RECORDED"
            self.stated |= numbers
            return ""
        place = (key, stream, first)
        if event == "taken" and place in self.used:
            return "SEQUENCE_REPEATED"
        if event == "taken" and place in self.stated:
            return "SEQUENCE_STATED"
        self.used.add(place)
        return ""


STEP = st.tuples(
    st.sampled_from(["taken", "taken", "denied", "stated"]),
    st.integers(0, 1),
    st.sampled_from(["a", "b"]),
    st.integers(1, 6),
    st.integers(0, 3),
).map(lambda step: (*step[:4], step[3] + step[4]))


def _entry(step: tuple[Any, ...], example: str) -> Entry:
    event, key, stream, first, last = step
    stream = f"{stream}-{example}"
    if event == "stated":
        return stated(KEYS[key], stream, first, last)
    return numbered("denied" if event == "denied" else "taken", KEYS[key], stream, first)


def _code(result: Written) -> str:
    assert not isinstance(result, tuple)
    return "" if isinstance(result, Receipt) else str(getattr(result, "code", result))


@pytest.fixture
def core(url: str) -> Iterator[LogCore]:
    opened = LogCore(url, origin=ORIGIN, log_id=LOG_ID, key=PrivateKey.generate(), anchor=None)
    yield opened
    opened.close()


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(flushes=st.lists(st.lists(STEP, min_size=1, max_size=8), min_size=1, max_size=5))
def test_a_flush_is_as_its_records_one_by_one(
    core: LogCore, flushes: list[list[tuple[Any, ...]]]
) -> None:
    # Streams of their own, so that one log serves all examples.
    example, model = secrets.token_hex(8), Model()
    for steps in flushes:
        results = core.flush([_entry(step, example) for step in steps])
        assert [_code(one) for one in results] == [model.write(step) for step in steps]

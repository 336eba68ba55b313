"""Numbers of callers' streams over all logs: faults are named, a statement explains a gap."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import LedgerError
from crypto.sm2 import PrivateKey
from ledger.audit.offline import OfflineReport, check_logs
from ledger.log.writer import LogWriter
from protocol.httpsig import DATA_PATH, NOT_SENT_PATH, sign_request
from protocol.not_sent import check_statement, encode_statement

DEPARTMENT = "ab" * 32
KEY = PrivateKey.generate()
GATEWAY = PrivateKey.generate()


class Logs:
    """Two gateways' logs, each with its writer."""

    def __init__(self, directory: Path) -> None:
        self.paths = [directory / "a.db", directory / "b.db"]
        self.writers = [
            LogWriter(
                f"sqlite:///{path}",
                origin=f"city.example/{path.stem}",
                log_id=bytes(32),
                key=GATEWAY,
            )
            for path in self.paths
        ]

    def request(self, stream: str | None, body: bytes = b"{}", path: str = DATA_PATH) -> Any:
        signed, _ = sign_request(
            KEY,
            body,
            authority="127.0.0.1:8441",
            path=path,
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=bytes(32),
            stream=stream,
        )
        return signed.to_record()

    def add(self, request: Any, *, log: int = 0, department: str = DEPARTMENT, **more: Any) -> int:
        draft = {
            "event": "denied",
            "request": request,
            "department": department,
            "source": "127.0.0.1",
            "block": {"number": 1, "hash": "00" * 32},
            **({"code": "GRANT_UNKNOWN"} if "event" not in more else {}),
            **more,
        }
        return self.writers[log].append(draft).result(20).index

    def inspected(self, request: Any, *, log: int = 0) -> int:
        """A record of a call that was taken, not refused."""
        origin = self.writers[log].origin
        return self.add(request, log=log, event="inspected", subject_log=origin, subject_seq=0)

    def intent(self, request: Any) -> int:
        zeros = "00" * 32
        names = ("provider", "entry", "interface", "items")
        numbers = ("grant_revision", "entry_version", "interface_version")
        return self.add(
            request, event="intent", **dict.fromkeys(names, zeros), **dict.fromkeys(numbers, 1)
        )

    def state(self, *ranges: tuple[int, int], log: int = 0, **changes: Any) -> int:
        body = encode_statement("not_sent", "s", ranges, "cd" * 32)
        statement = {
            "reason": "not_sent",
            "salt": "cd" * 32,
            "sequences": [list(one) for one in ranges],
            "stream": "s",
        }
        request = self.request(None, body, NOT_SENT_PATH)
        return self.add(request, log=log, event="not_sent", statement={**statement, **changes})

    def check(self) -> OfflineReport:
        for writer in self.writers:
            writer.close()
        return check_logs(self.paths)


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    made = Logs(tmp_path)
    yield made
    for writer in made.writers:
        writer.close()


def place(numbers: str) -> str:
    return f"key {KEY.public_key.key_id.hex()}, stream s, {numbers}"


def test_numbers_that_two_gateways_hold_together_are_whole(logs: Logs) -> None:
    for number in range(1, 21):
        logs.add(logs.request(f"s;{number}"), log=number % 2)
    report = logs.check()
    assert (report.findings, report.explained, report.records) == ((), (), 22)


def _gap(logs: Logs) -> None:
    logs.add(logs.request("s;3"))
    logs.add(logs.request("s;7"), log=1)


def _repeated(logs: Logs) -> None:
    request = logs.request("s;1")
    logs.inspected(request)
    logs.inspected(request, log=1)


def _contradicted(logs: Logs) -> None:
    logs.add(logs.request("s;1"))
    logs.add(logs.request("s;1"), log=1)


def _stated_and_recorded(logs: Logs) -> None:
    logs.state((1, 2))
    logs.add(logs.request("s;1"), log=1)


def _open_intent(logs: Logs) -> None:
    logs.intent(logs.request(None))


def _another_statement(logs: Logs) -> None:
    logs.state((1, 2), sequences=[[1, 9]])


def _half_explained(logs: Logs) -> None:
    logs.add(logs.request("s;6"))
    logs.state((2, 3))


FAULTS: dict[str, tuple[Callable[[Logs], None], list[tuple[str, str]]]] = {
    "gap": (_gap, [
        (place("sequences 1 to 2"), "SEQUENCE_GAP"), (place("sequences 4 to 6"), "SEQUENCE_GAP")]),
    "one request taken by two gateways": (
        _repeated, [(place("sequence 1"), "SEQUENCE_REPEATED")]),
    "two requests with one number": (
        _contradicted, [(place("sequence 1"), "SEQUENCE_CONTRADICTED")]),
    "stated to be unsent, and recorded": (
        _stated_and_recorded, [(place("sequence 1"), "NOT_SENT_CONTRADICTED")]),
    "intent without an end": (
        _open_intent,
        [("city.example/a, record 1", "INTENT_OPEN")]),
    "statement that was not signed so": (
        _another_statement, [("city.example/a, record 1", "REQUEST_INVALID")]),
    "gap explained in part": (_half_explained, [
        (place("sequence 1"), "SEQUENCE_GAP"), (place("sequences 4 to 5"), "SEQUENCE_GAP")]),
}  # fmt: skip  # a table reads better in rows


@pytest.mark.parametrize(("make", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_faults(logs: Logs, make: Callable[[Logs], None], expected: list[tuple[str, str]]) -> None:
    make(logs)
    assert [(one.place, one.code) for one in logs.check().findings] == expected


def test_a_statement_explains_a_gap(logs: Logs) -> None:
    logs.add(logs.request("s;5"))
    logs.state((1, 4), (6, 8), log=1)
    report = logs.check()
    assert report.findings == ()
    assert [one.place for one in report.explained] == [
        place("sequences 1 to 4"),
        place("sequences 6 to 8"),
    ]
    assert report.explained[0].message == "not_sent, says record 1 of city.example/b"


def test_the_same_request_refused_again_is_no_fault(logs: Logs) -> None:
    request = logs.request("s;1")
    logs.inspected(request)
    logs.add(request, code="NONCE_REPLAYED")
    assert logs.check().findings == ()


def test_keys_of_nobody_make_no_findings(logs: Logs) -> None:
    logs.add(logs.request(f"s;{2**53 - 1}"), department="00" * 32)
    assert logs.check().findings == ()


def test_a_log_given_twice(logs: Logs) -> None:
    with pytest.raises(LedgerError) as caught:
        check_logs([logs.paths[0], logs.paths[0]])
    assert caught.value.code == "LOG_GIVEN_TWICE"


STATEMENTS: dict[str, dict[str, Any]] = {
    "reason unknown": {"reason": "lost"},
    "no range": {"sequences": []},
    "range backwards": {"sequences": [[2, 1]]},
    "from zero": {"sequences": [[0, 1]]},
    "beyond 2^53 - 1": {"sequences": [[1, 2**53]]},
    "ranges overlap": {"sequences": [[1, 3], [3, 4]]},
    "ranges touch": {"sequences": [[1, 2], [3, 4]]},
    "ranges fall": {"sequences": [[5, 6], [1, 2]]},
    "too many ranges": {"sequences": [[3 * i + 1, 3 * i + 1] for i in range(129)]},
    "too many numbers": {"sequences": [[1, 100_001]]},
    "boolean": {"sequences": [[True, 2]]},
    "stream with a slash": {"stream": "a/b"},
    "salt short": {"salt": "ab"},
    "other member": {"other": 1},
}


@pytest.mark.parametrize("changes", STATEMENTS.values(), ids=STATEMENTS.keys())
def test_statements_that_are_none(changes: dict[str, Any]) -> None:
    good = {"reason": "refused", "salt": "ab" * 32, "sequences": [[1, 2], [4, 4]], "stream": "s"}
    assert check_statement(good) == good
    with pytest.raises(Exception, match="NOT_SENT_MALFORMED") as caught:
        check_statement({**good, **changes})
    assert getattr(caught.value, "code", "") == "NOT_SENT_MALFORMED"


def test_the_largest_statement_fits_a_record(logs: Logs) -> None:
    top = 2**53 - 1
    index = logs.state(*[(top - 3 * i, top - 3 * i) for i in reversed(range(128))])
    assert index == 1
    report = logs.check()
    assert {one.code for one in report.findings} == {"SEQUENCE_GAP"}

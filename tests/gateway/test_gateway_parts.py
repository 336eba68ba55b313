"""Counters, the providers file, and the table of codes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.gateway.counting import MAX_ROWS, OTHERS, RateLimiter, RejectedCounter
from api.gateway.forward import load_providers
from api.gateway.server import MAX_CONNECTIONS, SPARE_FILES
from api.problems import CODES
from crypto.errors import LedgerError

ROOT = Path(__file__).parents[2]


def test_sources_are_bounded_and_nothing_is_lost() -> None:
    counter = RejectedCounter()
    for number in range(5 * MAX_ROWS):
        counter.add(f"10.0.{number // 256}.{number % 256}", "SIGNATURE_INVALID", 60)
    drafts = list(counter.take())
    assert len(drafts) == MAX_ROWS + 1
    assert sum(d["count"] for d in drafts) == 5 * MAX_ROWS
    assert [d["count"] for d in drafts if d["source"] == OTHERS] == [4 * MAX_ROWS]
    assert list(counter.take()) == []


def test_the_running_minute_waits() -> None:
    counter = RejectedCounter()
    counter.add("10.0.0.1", "SIGNATURE_INVALID", 59)
    counter.add("10.0.0.1", "SIGNATURE_INVALID", 61)
    first = list(counter.take(before_minute=1))
    assert [d["minute"] for d in first] == [0]
    counter.put_back(first[0])
    assert sorted(d["minute"] for d in counter.take()) == [0, 1]


def test_rate_is_per_interface_and_minute() -> None:
    limiter = RateLimiter()
    a, b = b"a" * 32, b"b" * 32
    assert [limiter.is_allowed(a, 2, 60) for _ in range(3)] == [True, True, False]
    assert limiter.is_allowed(b, 2, 119)
    assert limiter.is_allowed(a, 2, 120)
    assert all(limiter.is_allowed(a, 0, 120) for _ in range(100))
    # A clock that goes back opens nothing.
    assert limiter.is_allowed(a, 2, 60)
    assert not limiter.is_allowed(a, 2, 60)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host",
        "http://",
        "http://host/path",
        "http://host?x=1",
        "http://user@host",
        "http://host:99999",
        "file:///etc/passwd",
        7,
    ],
)
def test_bad_provider_urls(tmp_path: Path, url: object) -> None:
    path = tmp_path / "providers.json"
    path.write_text(json.dumps({"node": url}))
    with pytest.raises(LedgerError, match="PROVIDERS_MALFORMED"):
        load_providers(path)


def test_provider_urls_have_one_form(tmp_path: Path) -> None:
    path = tmp_path / "providers.json"
    path.write_text(json.dumps({"a": "http://Host:80/", "b": "https://[::1]:8443"}))
    assert load_providers(path) == {"a": "http://host", "b": "https://[::1]:8443"}
    assert load_providers(None) == {}
    path.write_text("[]")
    with pytest.raises(LedgerError, match="PROVIDERS_MALFORMED"):
        load_providers(path)


@pytest.mark.parametrize(
    ("soft", "hard", "files", "connections"),
    [
        (256, 4096, MAX_CONNECTIONS + SPARE_FILES, MAX_CONNECTIONS),
        (256, 1500, 1500, 1500 - SPARE_FILES),
        (256, 800, 800, 400),
    ],
)
def test_connections_leave_files_for_the_log(
    soft: int, hard: int, files: int, connections: int
) -> None:
    code = (
        "import resource; from api.gateway.server import *; from ledger.settings import Settings;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "held = gateway_config(None, Settings()).http.held;"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], held.most)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(files), str(connections)]


def test_every_code_that_is_raised_has_a_row() -> None:
    raised: set[str] = set()
    for folder in ("api/gateway", "ledger/log"):
        for file in (ROOT / folder).glob("*.py"):
            text = file.read_text()
            raised |= set(re.findall(r'(?:Error|Refused)\(\s*"([A-Z_]+)"', text))
            raised |= set(re.findall(r'return "([A-Z_]{6,})",', text))
    assert len(raised) > 30
    assert raised <= set(CODES)

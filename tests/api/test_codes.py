"""One table of error codes: nothing raised is missing in it, nothing in it stands twice."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import codes
from api.catalogue_codes import CATALOGUE_CODES
from api.gateway.codes import CODES as GATEWAY_CODES
from api.problems import CODES, make_problem
from protocol.deadlines import DEADLINES

ROOT = Path(__file__).parents[2]
SOURCES = ("crypto", "tokens", "protocol", "ledger", "api", "client/sanlian_client")
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
#: Words of this shape that are no error codes.
OTHERS = {
    "ACT_ID",  # a placeholder of a command's help
    "ACT_TOPICS",  # exported names
    "ANCHOR_TOPIC",
    "CONSULTATION_PATH",
    "CONTENT_TYPE",
    "DATA_PATH",
    "DATA_TAG",
    "ENTRY_TERMS",
    "ENTRY_TYPE",
    "EVIDENCE_TAG",
    "GENESIS_TOPIC",
    "GRANT_PROBLEMS",
    "ITEM_TYPES",
    "MAX_DOCUMENT_SIZE",
    "MAX_FILE_SIZE",
    "MAX_PATTERNS",
    "MAX_REPLACEMENT_DELAY_S",
    "MONTHLY_3",  # frequencies and access rights of the EU's Publications Office
    "NON_PUBLIC",
    "CLOSING_PATH",
    "NOT_SENT_PATH",
    "OFFER_PATH",
    "OPEN_OFFERS_PATH",
    "OBSERVATIONS_PATH",
    "PIECE_TOPIC",
    "REPLACEMENT_WINDOW_S",
    "RESTRICTION_PATH",
    "SEALED_PATHS",
    "TEST_PATH",
    "TEST_TAG",
    "UPDATE_CONT",
    "WORD_CHOICES",
    "RUST_BACKTRACE",  # environment
    *(one.name for one in DEADLINES),
}
TABLES = {
    "contracts": codes.CONTRACT_CODES,
    "bytes": codes.BYTES_CODES,
    "evidence": codes.EVIDENCE_CODES,
    "ledger": codes.LEDGER_CODES,
    "client": codes.CLIENT_CODES,
    "api": codes.API_CODES,
    "catalogue": CATALOGUE_CODES,
    "gateway": GATEWAY_CODES,
    "tokens": codes.TOKEN_CODES,
}


def words_in_source() -> Iterator[tuple[str, str]]:
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    word = node.value
                    if CODE.fullmatch(word) and not word.startswith("SANLIAN_"):
                        yield word, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_code_in_the_source_is_in_the_table() -> None:
    found = dict(words_in_source())
    assert len(found) > 100, "the search finds no codes any more"
    missing = {word: at for word, at in found.items() if word not in CODES and word not in OTHERS}
    assert missing == {}


def test_every_custom_error_of_the_contracts_is_in_the_table() -> None:
    found: dict[str, str] = {}
    for path in (ROOT / "contracts").rglob("*.sol"):
        if "test" not in path.parts:
            for name in re.findall(r"^\s*error (\w+)\(", path.read_text(encoding="utf-8"), re.M):
                found[re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()] = path.name
    assert "NONCE_MISMATCH" in found
    assert {code: at for code, at in found.items() if code not in CODES} == {}


def test_every_code_of_the_protocol_text_is_in_the_table() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    section = text[text.index("### 3.3") : text.index("## 5.")]
    prose = re.sub(r"<!-- generated.*?<!-- end generated -->", "", section, flags=re.S)
    names = re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", prose)
    assert "NonceMismatch" in names
    events = {"CheckpointAnchored", "DocumentPiece"}
    found = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() for name in names if name not in events}
    assert found <= set(CODES), found - set(CODES)


def test_no_code_stands_in_two_tables() -> None:
    seen: dict[str, str] = {}
    for table, rows in TABLES.items():
        for code in rows:
            assert code not in seen, f"{code} is in {seen[code]} and {table}"
            seen[code] = table


@pytest.mark.parametrize("code", sorted(CODES))
def test_rows(code: str) -> None:
    status, zh, en = CODES[code]
    assert re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", code)
    assert 400 <= status <= 599
    assert re.search(r"[\u4e00-\u9fff]", zh)
    assert en.isascii()
    assert en == en.strip()
    assert "|" not in zh + en


def test_the_document_is_fresh() -> None:
    script = str(ROOT / "scripts" / "error_codes.py")
    done = subprocess.run([sys.executable, script, "--check"], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_a_code_outside_the_table_says_nothing() -> None:
    problem = make_problem("NOT_IN_THE_TABLE", detail="internals", details={"path": "/secret"})
    assert (problem.code, problem.status) == ("INTERNAL_ERROR", 500)
    assert (problem.detail, problem.details) == ("", {})


def test_details_are_bounded() -> None:
    problem = make_problem(
        "VALUE_INVALID",
        details={"a": "x" * 10_000, "b": list(range(1000)), "c": object(), "d": b"\x01" * 99},
    )
    assert len(str(problem.details)) < 1000
    assert "c" not in problem.details

"""Command `sanlian verify`: evidence verified offline."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from crypto.errors import VerificationError
from ledger.commands.console import (
    CANNOT_DECIDE,
    FILE,
    failure,
    home_option,
    json_option,
    plain_errors,
    read_file,
)
from protocol.evidence import Status, verify_evidence
from protocol.trust import TrustRoot

MAX_EVIDENCE_SIZE = 64 * 1024 * 1024


@click.command()
@click.argument("evidence", type=FILE)
@click.option(
    "--trust", type=FILE, default=None, help="Trust root; default: trust.json of the home. 信任根。"
)
@click.option(
    "--pin",
    multiple=True,
    metavar="NUMBER:HASH",
    help="A block hash known from elsewhere. 已知区块。",
)
@home_option
@json_option
@plain_errors(CANNOT_DECIDE)
def verify(
    evidence: Path, trust: Path | None, pin: tuple[str, ...], home: Path, *, as_json: bool
) -> None:
    """Verify an evidence file, offline. 离线核验证据文件。

    Exit status: 0 valid, 1 invalid, 2 undecided.
    """
    root = TrustRoot.from_bytes(read_file(trust or home / "trust.json", 65536))
    data = read_file(evidence, MAX_EVIDENCE_SIZE)
    try:
        verdict = verify_evidence(data, root, pinned=dict(map(_parse_pin, pin)))
    except VerificationError as error:
        part = str(error.details.get("part", ""))
        cause = str(error.details.get("cause", error.code))
        _print_verdict(
            {"verdict": "invalid", "part": part, "code": cause, "message": error.message},
            f"INVALID 无效: {error.message} ({cause})",
            as_json=as_json,
        )
        sys.exit(1)
    valid = verdict.status is Status.VALID
    word = "VALID 有效" if valid else f"UNDECIDED 无法判定: {verdict.reason}"
    _print_verdict(
        {
            "verdict": "valid" if valid else "undecided",
            "reason": verdict.reason,
            "facts": dict(verdict.facts),
        },
        f"{word}\n{verdict.summary}",
        as_json=as_json,
    )
    sys.exit(int(verdict.status))


def _print_verdict(value: dict[str, Any], text: str, *, as_json: bool) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str) if as_json else text)


def _parse_pin(text: str) -> tuple[int, bytes]:
    number, _, digest = text.partition(":")
    try:
        value = bytes.fromhex(digest.removeprefix("0x"))
        if len(value) != 32:
            raise ValueError(digest)
        return int(number), value
    except ValueError as error:
        raise failure("PIN_MALFORMED: --pin takes NUMBER:HASH", CANNOT_DECIDE) from error

"""Commands `sanlian-client evidence`: evidence fetched and verified."""

from contextlib import nullcontext
from pathlib import Path

import click

from crypto.second_opinion import SecondOpinion, second_opinion
from protocol.evidence import verify_evidence
from protocol.trust import TrustRoot
from sanlian_client.commands.calling import Caller, caller_options
from sanlian_client.commands.certificate import read_certificate
from sanlian_client.commands.console import (
    FILE,
    json_option,
    parse_hex,
    plain_errors,
    show,
    verdict_errors,
)
from sanlian_client.evidence import (
    MAX_EVIDENCE_SIZE,
    fetch_evidence,
    verify_own_request,
    verify_requester_certificate,
)
from sanlian_client.files import read_limited, write_new
from sanlian_client.receipts import KeptReceipt


@click.group("evidence")
def evidence() -> None:
    """Evidence of records. 证据。"""


@evidence.command("get")
@click.argument("seq", type=click.IntRange(min=0))
@click.argument("path", type=FILE)
@caller_options
@plain_errors
def evidence_get(*, seq: int, path: Path, caller: Caller) -> None:
    """Fetch the evidence of record SEQ into a new file. 获取证据文件。"""
    with caller.open_gateway() as service:
        found = fetch_evidence(service, caller.open_key(), seq=seq)
    write_new(path, found)
    click.echo(f"{path}: {len(found)} bytes")


def _pins(texts: tuple[str, ...]) -> dict[int, bytes]:
    pinned = {}
    for text in texts:
        number, _, block_hash = text.partition(":")
        if not number.isdecimal():
            raise click.BadParameter("--block is NUMBER:HASH")
        pinned[int(number)] = parse_hex(block_hash.removeprefix("0x"), 32, "--block")
    return pinned


@evidence.command("verify")
@click.argument("path", type=FILE)
@click.option("--trust", type=FILE, required=True, help="trust.json. 信任根文件。")
@click.option("--block", "blocks", multiple=True, help="NUMBER:HASH known from elsewhere. 区块。")
@click.option("--receipt", "receipt_file", type=FILE, default=None, help="Kept receipt. 回执文件。")
@click.option(
    "--second-opinion",
    "twice",
    is_flag=True,
    help="Check each SM2 signature with gmssl too. 用第二种实现复核。",
)
@click.option(
    "--certificate", type=FILE, default=None, help="Certificate of who asked. 请求方证书。"
)
@json_option
@verdict_errors
def evidence_verify(
    *,
    path: Path,
    trust: Path,
    blocks: tuple[str, ...],
    receipt_file: Path | None,
    twice: bool,
    certificate: Path | None,
    as_json: bool,
) -> None:
    """Verify evidence: 0 valid, 1 invalid, 2 undecided. 核验证据。"""
    data = read_limited(path, max_bytes=MAX_EVIDENCE_SIZE)
    root = TrustRoot.from_bytes(read_limited(trust, max_bytes=65536))
    kept = None
    if receipt_file is not None:
        kept = KeptReceipt.from_bytes(read_limited(receipt_file, max_bytes=256 * 1024))
    with second_opinion() if twice else nullcontext(SecondOpinion()) as opinion:
        verdict = verify_evidence(data, root, pinned=_pins(blocks))
        if kept is not None:
            verify_own_request(data, kept)
    opinion.require_agreement()
    if certificate is not None:
        verify_requester_certificate(verdict.facts, read_certificate(certificate))
    words = {"verdict": verdict.status.name.lower(), "reason": verdict.reason}
    show({**words, **verdict.facts}, as_json=as_json)
    if verdict.status:
        raise click.exceptions.Exit(int(verdict.status))

"""Command `sanlian-client not-sent`."""

import re
from pathlib import Path

import click

from protocol.not_sent import REASONS, Range
from sanlian_client.commands.calling import Caller, caller_options
from sanlian_client.commands.connecting import authority_option
from sanlian_client.commands.console import DIRECTORY, json_option, plain_errors, show
from sanlian_client.commands.requesting import receipts_option
from sanlian_client.files import write_new
from sanlian_client.sequences import Sequences, file_unsettled, state_not_sent


def _range(text: str) -> Range:
    found = re.fullmatch(r"([1-9][0-9]{0,15})(?:-([1-9][0-9]{0,15}))?", text)
    if found is None:
        raise click.BadParameter("--sequence is NUMBER or FIRST-LAST")
    return int(found[1]), int(found[2] or found[1])


@click.command("not-sent")
@click.argument("stream")
@click.option("--sequences", type=DIRECTORY, default=None, help="Files of numbers. 序号文件目录。")
@click.option(
    "--sequence", "named", multiple=True, help="NUMBER or FIRST-LAST; several times. 序号或范围。"
)
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    default="not_sent",
    show_default=True,
    help="Of the named numbers. 原因。",
)
@click.option(
    "--unanswered", is_flag=True, help="Also numbers that nobody answered. 含未获应答的序号。"
)
@receipts_option
@authority_option
@caller_options
@json_option
@plain_errors
def not_sent(
    *,
    stream: str,
    sequences: Path | None,
    named: tuple[str, ...],
    reason: str,
    unanswered: bool,
    receipts: Path,
    caller: Caller,
    as_json: bool,
) -> None:
    """State which numbers of STREAM carry no record. 声明未发送的序号。

    Either all that the files of numbers know of, or those that --sequence names.
    """
    if (sequences is None) == (not named):
        raise click.UsageError("give --sequences, or --sequence once or more")
    key = caller.open_key()
    with caller.open_gateway() as service:
        if sequences is not None:
            book = Sequences(sequences, key.public_key.key_id, stream)
            stated = file_unsettled(book, service, key, unanswered=unanswered)
        else:
            ranges = sorted(map(_range, named))
            receipt = state_not_sent(service, key, stream=stream, ranges=ranges, reason=reason)
            stated = iter([(reason, ranges, receipt)])
        for why, ranges, receipt in stated:
            path = receipts / f"not-sent-{receipt.index}.json"
            if not path.exists():
                write_new(path, receipt.to_bytes())
            text = " ".join(f"{first}-{last}" for first, last in ranges)
            show({"reason": why, "sequences": text, "record": receipt.index}, as_json=as_json)

"""Commands of `sanlian-client sealed`."""

from pathlib import Path

import click

from crypto.errors import ProtocolError
from protocol.model.sealed_texts import sealed_commitments
from sanlian_client.commands.calling import Caller, caller_options
from sanlian_client.commands.connecting import (
    api_option,
    deployment_option,
    gateway_option,
    open_gateway,
    open_platform,
)
from sanlian_client.commands.console import FILE, parse_hex, plain_errors
from sanlian_client.commands.signing import ask_passphrase, passphrase_option
from sanlian_client.files import read_limited, write_new
from sanlian_client.keys import load_key
from sanlian_client.sealed import dispose_sealed, fetch_sealed, share_sealed
from sanlian_client.sealing import MAX_SEALED_FILE_SIZE


@click.group("sealed")
def sealed() -> None:
    """Sealed texts over the gateway: share, fetch, dispose. 密封文本。"""


act_argument = click.argument("act_id")
word_option = click.option(
    "--word", default="reason", show_default=True, help="Word with the commitment. 承诺值所在字段。"
)


@sealed.command("share")
@act_argument
@click.argument("envelope", type=FILE)
@word_option
@caller_options
@plain_errors
def sealed_share(*, act_id: str, envelope: Path, word: str, caller: Caller) -> None:
    """Hand in an ENVELOPE (encrypt-sealed) of a text of the act ACT_ID. 提交密封信封。"""
    with caller.open_gateway() as service:
        share_sealed(
            service,
            caller.open_key(),
            act=parse_hex(act_id, 32, "ACT_ID"),
            word=word,
            envelope=read_limited(envelope, max_bytes=MAX_SEALED_FILE_SIZE),
        )
    click.echo("shared 已提交")


@sealed.command("fetch")
@act_argument
@click.argument("path", type=FILE)
@word_option
@click.option(
    "--key",
    "key_file",
    type=FILE,
    required=True,
    help="Key file of a party; a token's key signs only. 当事方密钥文件。",
)
@passphrase_option
@api_option
@gateway_option
@deployment_option
@plain_errors
def sealed_fetch(
    *,
    act_id: str,
    path: Path,
    word: str,
    key_file: Path,
    passphrase: str | None,
    api: str,
    gateway: str,
    deployment: Path | None,
) -> None:
    """Fetch and open a text of the act ACT_ID; sealed file to PATH. 取得密封文本。"""
    id_ = parse_hex(act_id, 32, "ACT_ID")
    with open_platform(api, deployment) as platform:
        commitment = sealed_commitments(platform.signed_act(id_)).get(word)
    if commitment is None:
        raise ProtocolError("SEALED_UNKNOWN", "the act commits to no sealed text in this word")
    with open_gateway(api, gateway, deployment) as service:
        found = fetch_sealed(
            service,
            load_key(key_file, ask_passphrase(passphrase)),
            act=id_,
            word=word,
            commitment=commitment,
        )
    write_new(path, found.to_bytes())
    click.echo(found.document, nl=False)


@sealed.command("dispose")
@act_argument
@word_option
@caller_options
@plain_errors
def sealed_dispose(*, act_id: str, word: str, caller: Caller) -> None:
    """Have the own department's envelopes of a text of ACT_ID erased. 销毁本部门提交的信封。"""
    with caller.open_gateway() as service:
        key = caller.open_key()
        dispose_sealed(service, key, act=parse_hex(act_id, 32, "ACT_ID"), word=word)
    click.echo("disposed 已销毁")

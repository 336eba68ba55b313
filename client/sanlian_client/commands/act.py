"""Commands `sanlian-client act`: acts drafted, read, signed, sent."""

from pathlib import Path

import click

from crypto.errors import ProtocolError
from protocol.acts import ZERO_ID, Value
from protocol.description import BY_NAME
from sanlian_client.acts import Acts
from sanlian_client.acts.elements import element_code
from sanlian_client.commands.certificate import act_bind
from sanlian_client.commands.connecting import (
    api_option,
    deployment_option,
    open_deployment,
    open_platform,
)
from sanlian_client.commands.console import (
    FILE,
    json_option,
    language_option,
    parse_hex,
    parse_object,
    plain_errors,
    show,
)
from sanlian_client.commands.signing import key_option, open_key, passphrase_option
from sanlian_client.drafts import MAX_DRAFT_SIZE, Draft
from sanlian_client.files import read_limited, replace_file, write_new


@click.group("act")
def act() -> None:
    """Acts: draft, read, sign, send. 签署件。"""


act.add_command(act_bind)


def _values(name: str, text: str) -> dict[str, Value]:
    act_type = BY_NAME.get(name)
    if act_type is None:
        raise ProtocolError("ACT_TYPE_UNKNOWN", "this act type is not known", act_type=name)
    kinds = {field.name: field for word in act_type.words for field in word}
    values: dict[str, Value] = {}
    for member, value in parse_object(text, "--values").items():
        field = kinds.get(member)
        if field is None:
            raise ProtocolError("ACT_MALFORMED", f"{name} has no field {member}", field=member)
        if member == "element":
            values[member] = element_code(str(value))
        elif field.kind == "bytes":
            values[member] = parse_hex(str(value), field.size, member)
        elif field.kind == "uint" and isinstance(value, str):
            # Masks and coordinates exceed what JSON numbers hold.
            values[member] = int.from_bytes(parse_hex(value, field.size, member), "big")
        elif isinstance(value, int | str):
            values[member] = value
        else:
            raise ProtocolError("ACT_MALFORMED", f"{member} is text or a number", field=member)
    return values


@act.command("draft")
@click.argument("name")
@click.argument("path", type=FILE)
@click.option(
    "--signer", "signers", multiple=True, required=True, help="Key id; the actor first. 签署密钥。"
)
@click.option(
    "--values",
    default="{}",
    help="The act's fields as JSON; bytes and masks in hex. 各字段。",
)
@click.option("--target", default=None, help="Id of what it acts on. 对象编号。")
@click.option(
    "--document", "documents", type=FILE, multiple=True, help="Public document. 公开文件。"
)
@click.option(
    "--lifetime-s", default=7 * 24 * 3600, show_default=True, help="Validity in seconds. 有效时长。"
)
@api_option
@deployment_option
@plain_errors
def act_draft(
    *,
    name: str,
    path: Path,
    signers: tuple[str, ...],
    values: str,
    target: str | None,
    documents: tuple[Path, ...],
    lifetime_s: int,
    api: str,
    deployment: Path | None,
) -> None:
    """Draft an act of type NAME into a new file. 起草签署件。"""
    with open_platform(api, deployment) as platform:
        draft = Acts(platform, lifetime_s=lifetime_s).build(
            name,
            [parse_hex(signer, 32, "--signer") for signer in signers],
            _values(name, values),
            target=ZERO_ID if target is None else parse_hex(target, 32, "--target"),
            documents=[read_limited(document, max_bytes=65536) for document in documents],
        )
    write_new(path, draft.to_bytes())
    click.echo(draft.act_id.hex())


def _load_draft(path: Path) -> Draft:
    return Draft.from_bytes(read_limited(path, max_bytes=MAX_DRAFT_SIZE))


def _show_draft(draft: Draft, language: str, deployment: Path | None) -> None:
    info = open_deployment(deployment)
    contracts = None if info is None else info.contracts
    if info is not None and info.chain_id != draft.act.chain_id:
        raise ProtocolError("WRONG_CHAIN", "the act is for another chain")
    for line in draft.words("zh" if language == "zh" else "en", contracts):
        click.echo(line)
    for number, signer in enumerate(draft.signers, 1):
        done = signer in draft.signatures
        word = (
            ("已签" if done else "未签") if language == "zh" else ("signed" if done else "missing")
        )
        click.echo(f"{number}. {signer.hex()} {word}")


@act.command("show")
@click.argument("path", type=FILE)
@language_option
@deployment_option
@plain_errors
def act_show(path: Path, lang: str, deployment: Path | None) -> None:
    """Show a draft's words and signatures. 显示签署件内容。"""
    _show_draft(_load_draft(path), lang, deployment)


@act.command("sign")
@click.argument("path", type=FILE)
@key_option
@passphrase_option
@language_option
@deployment_option
@click.option("--yes", is_flag=True, help="Do not ask. 不再询问。")
@plain_errors
def act_sign(
    path: Path,
    key_file: str,
    passphrase: str | None,
    lang: str,
    deployment: Path | None,
    *,
    yes: bool,
) -> None:
    """Show a draft's words, then add a signature. 阅读并签署。"""
    draft = _load_draft(path)
    _show_draft(draft, lang, deployment)
    if not yes:
        click.confirm("Sign this? 是否签署？", abort=True)
    signed = draft.sign(open_key(key_file, passphrase))
    replace_file(path, signed.to_bytes())
    click.echo(f"missing signatures 尚缺签名: {len(signed.missing)}")


@act.command("send")
@click.argument("path", type=FILE)
@api_option
@deployment_option
@click.option("--wait-s", default=60.0, show_default=True, help="0: do not wait. 等待秒数。")
@json_option
@plain_errors
def act_send(
    path: Path, api: str, deployment: Path | None, wait_s: float, *, as_json: bool
) -> None:
    """Send an act that everybody has signed. 提交签署件。"""
    draft = _load_draft(path)
    with open_platform(api, deployment) as platform:
        received_at = platform.send_act(draft.signed(), draft.documents).received_at
        found = {"act_id": draft.act_id.hex(), "received_at": received_at}
        if wait_s > 0:
            status = platform.wait_for(draft.act_id, wait_s)
            found |= {"status": status.status, "block_number": status.block_number}
    show(found, as_json=as_json)


@act.command("status")
@click.argument("act_id")
@api_option
@json_option
@plain_errors
def act_status(act_id: str, api: str, *, as_json: bool) -> None:
    """Ask what became of an act. 查询签署件状态。"""
    with open_platform(api, None) as platform:
        found = platform.act_status(parse_hex(act_id, 32, "ACT_ID"))
    members = ("status", "transaction_hash", "block_number", "code", "title")
    values = {name: getattr(found, name) for name in members}
    show({"act_id": act_id, **values}, as_json=as_json)

"""Command line `sanlian-client`: keys, acts, calendar, data, receipts, evidence, witness…"""

import json
import signal
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click

from crypto.canonical import canonical_json
from crypto.errors import ProtocolError, VerificationError
from crypto.keyfile import dump_public_key, load_public_key
from crypto.merkle import leaf_hash
from crypto.second_opinion import SecondOpinion, second_opinion
from crypto.sm2 import PublicKey, Signer
from protocol.acts import ZERO_ID, Value
from protocol.description import BY_NAME
from protocol.envelope import MAX_ENVELOPE_SIZE, Envelope, encrypt_to
from protocol.evidence import verify_evidence
from protocol.trust import TrustRoot
from sanlian_client import console
from sanlian_client.acts import Acts
from sanlian_client.acts.elements import element_code
from sanlian_client.batch_commands import batch
from sanlian_client.ca_commands import ca
from sanlian_client.calendar_commands import calendar
from sanlian_client.catalogue_commands import catalogue
from sanlian_client.certificate_commands import act_bind, key_certified, read_certificate
from sanlian_client.console import (
    DIRECTORY,
    FILE,
    api_option,
    authority_option,
    deployment_option,
    further_keys,
    further_option,
    gateway_option,
    json_option,
    key_option,
    language_option,
    open_gateway,
    open_key,
    open_platform,
    parse_hex,
    parse_object,
    passphrase_option,
    pin_option,
    plain_errors,
    purpose_options,
    receipts_option,
    show,
    verdict_errors,
)
from sanlian_client.data import Purpose, request_data
from sanlian_client.download_command import data_download
from sanlian_client.drafts import MAX_DRAFT_SIZE, Draft
from sanlian_client.evidence import (
    MAX_EVIDENCE_SIZE,
    fetch_evidence,
    verify_own_request,
    verify_requester_certificate,
)
from sanlian_client.files import read_limited, replace_file, write_new
from sanlian_client.intents import IntentStore
from sanlian_client.interface_commands import interface
from sanlian_client.interface_test import request_interface_test
from sanlian_client.keys import load_key, make_key
from sanlian_client.log import LogClient
from sanlian_client.monitor_command import monitor
from sanlian_client.not_sent_command import not_sent
from sanlian_client.observe_command import observe
from sanlian_client.pull_command import data_pull
from sanlian_client.receipts import KeptReceipt, ReceiptStore, verify_receipts
from sanlian_client.restriction_commands import restrict
from sanlian_client.sealed_commands import sealed
from sanlian_client.sealing import MAX_SEALED_FILE_SIZE, MAX_SEALED_SIZE, Sealed, seal
from sanlian_client.sequences import Sequences
from sanlian_client.token_commands import key_check, key_list, key_tokens, make_token_key
from sanlian_client.witness import Witness


@click.group()
@click.version_option(package_name="sanlian")
def main() -> None:
    """Work of a department with sanlian. 部门侧客户端。"""


main.add_command(batch)
main.add_command(ca)
main.add_command(calendar)
main.add_command(catalogue)
main.add_command(interface)
main.add_command(observe)
main.add_command(monitor)
main.add_command(not_sent)
main.add_command(restrict)
main.add_command(sealed)


@main.group()
def key() -> None:
    """Keys in files and tokens. 密钥。"""


key.add_command(key_tokens)
key.add_command(key_list)
key.add_command(key_check)


key.add_command(key_certified)


@key.command("new")
@click.argument("path")
@passphrase_option
@pin_option
@json_option
@plain_errors
def key_new(path: str, passphrase: str | None, *, as_json: bool) -> None:
    """Make a key in a new file, or on a token (pkcs11: URI). 生成密钥。"""
    if console.is_token_key(path):
        made = make_token_key(path).public_key
    else:
        made = make_key(Path(path), console.ask_passphrase(passphrase, new=True)).public_key
    show({"key_id": made.key_id.hex(), "public_key": made.to_bytes().hex()}, as_json=as_json)


@key.command("show")
@click.argument("path")
@passphrase_option
@pin_option
@click.option("--pem", is_flag=True, help="Print the public key as PEM. 输出 PEM 公钥。")
@json_option
@plain_errors
def key_show(path: str, passphrase: str | None, *, pem: bool, as_json: bool) -> None:
    """Show the public key of a key file or token key. 显示公钥。"""
    public = open_key(path, passphrase).public_key
    if pem:
        click.echo(dump_public_key(public).decode(), nl=False)
        return
    show({"key_id": public.key_id.hex(), "public_key": public.to_bytes().hex()}, as_json=as_json)


@main.command("seal")
@click.argument("text", type=FILE)
@click.argument("path", type=FILE)
@json_option
@plain_errors
def seal_text(text: Path, path: Path, *, as_json: bool) -> None:
    """Seal a text file: salt and text go to PATH, keep it. 密封文件，输出承诺值。"""
    sealed = seal(read_limited(text, max_bytes=MAX_SEALED_SIZE))
    write_new(path, sealed.to_bytes())
    show({"commitment": sealed.commitment.hex()}, as_json=as_json)


def _read_public_key(path: Path) -> PublicKey:
    return load_public_key(read_limited(path, max_bytes=65536))


@main.command("encrypt-sealed")
@click.argument("sealed", type=FILE)
@click.argument("path", type=FILE)
@click.option(
    "--to",
    "parties",
    type=FILE,
    multiple=True,
    required=True,
    help="Public key (PEM) that may open it; several times, the own one too. 收件方公钥。",
)
@plain_errors
def encrypt_sealed(sealed: Path, path: Path, parties: tuple[Path, ...]) -> None:
    """Encrypt a SEALED file to its parties, for sending. 将密封文件加密给当事方。"""
    data = read_limited(sealed, max_bytes=MAX_SEALED_FILE_SIZE)
    commitment = Sealed.from_bytes(data).commitment
    envelope = encrypt_to([_read_public_key(one) for one in parties], commitment, data)
    write_new(path, envelope.to_bytes())
    click.echo(f"{commitment.hex()}: {len(envelope.parties)}")


@main.command("open-sealed")
@click.argument("envelope", type=FILE)
@click.argument("path", type=FILE)
@click.option(
    "--key",
    "key_file",
    type=FILE,
    required=True,
    help="Key file of a party; a token's key signs only. 当事方密钥文件。",
)
@passphrase_option
@click.option("--commitment", default=None, help="As the chain holds it. 链上承诺值。")
@plain_errors
def open_sealed(
    envelope: Path, path: Path, key_file: Path, passphrase: str | None, commitment: str | None
) -> None:
    """Open an ENVELOPE: the sealed file goes to PATH, its text to output. 解开密封文件。"""
    found = Envelope.from_bytes(read_limited(envelope, max_bytes=MAX_ENVELOPE_SIZE))
    data = found.open(load_key(key_file, console.ask_passphrase(passphrase)))
    sealed = Sealed.from_bytes(data)
    wanted = found.commitment
    if commitment is not None:
        wanted = parse_hex(commitment, 32, "--commitment")
    if sealed.commitment != wanted:
        raise VerificationError("COMMITMENT_MISMATCH", "the envelope holds another document")
    write_new(path, data)
    click.echo(sealed.document, nl=False)


@main.group()
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
    info = console.open_deployment(deployment)
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


@main.group()
def data() -> None:
    """Data requests. 数据请求。"""


def _log(api: str, gateway: str, deployment: Path | None) -> LogClient:
    with open_platform(api, deployment) as platform:
        info = platform.deployment()
    return LogClient(gateway, origin=info.origin, public_key=info.gateway_key)


@data.command("get")
@click.argument("grant")
@click.option("--parameters", default="{}", help="JSON object. 查询参数。")
@purpose_options
@click.option(
    "--stream", default=None, help="STREAM;SEQUENCE, or STREAM with --sequences. 流编号;序号。"
)
@click.option("--sequences", type=DIRECTORY, default=None, help="Files of numbers. 序号文件目录。")
@receipts_option
@authority_option
@key_option
@passphrase_option
@api_option
@gateway_option
@deployment_option
@plain_errors
def data_get(
    *,
    grant: str,
    parameters: str,
    purpose: Purpose,
    stream: str | None,
    sequences: Path | None,
    receipts: Path,
    authority: str | None,
    key_file: str,
    passphrase: str | None,
    api: str,
    gateway: str,
    deployment: Path | None,
) -> None:
    """Ask for data under GRANT and keep the receipt. 请求数据并保存回执。"""
    if sequences is not None and stream is None:
        raise click.UsageError("--sequences needs --stream")
    key = open_key(key_file, passphrase)
    book = None
    if sequences is not None and stream is not None:
        book = Sequences(sequences, key.public_key.key_id, stream)
    with open_gateway(api, gateway, deployment, authority) as service:
        released = request_data(
            service,
            key,
            grant=parse_hex(grant, 32, "GRANT"),
            parameters=parse_object(parameters, "--parameters"),
            purpose=purpose if book else replace(purpose, stream=stream),
            store=ReceiptStore(receipts),
            sequences=book,
        )
    click.echo(json.dumps(released.data, ensure_ascii=False))
    click.echo(f"receipt 回执: {released.receipt.index}", err=True)


data.add_command(data_download)
data.add_command(data_pull)


@interface.command("test")
@click.argument("interface")
@click.option(
    "--parameters",
    default="{}",
    help="JSON object; its answer must hold every item, best of a made-up person. 测试参数。",
)
@click.option("--report", "report_file", type=FILE, default=None, help="Keep the report. 报告。")
@authority_option
@key_option
@passphrase_option
@api_option
@gateway_option
@deployment_option
@json_option
@plain_errors
def interface_test(
    *,
    interface: str,
    parameters: str,
    report_file: Path | None,
    authority: str | None,
    key_file: str,
    passphrase: str | None,
    api: str,
    gateway: str,
    deployment: Path | None,
    as_json: bool,
) -> None:
    """Let the gateway test INTERFACE before it goes online. 接口上线前由网关测试。

    An operator or officer of the providing department asks; exit 1 when the test failed.
    """
    with open_gateway(api, gateway, deployment, authority) as service:
        done = request_interface_test(
            service,
            open_key(key_file, passphrase),
            interface=parse_hex(interface, 32, "INTERFACE"),
            parameters=parse_object(parameters, "--parameters"),
        )
    if report_file is not None:
        write_new(report_file, Sealed(done.salt, canonical_json(dict(done.report))).to_bytes())
    show(
        {
            "act_id": done.act_id.hex(),
            "result": done.report["result"],
            "code": done.report["code"] or "-",
            "problems": json.dumps(done.report["problems"]),
            "missing_items": " ".join(map(str, done.report["missing_items"])) or "-",
        },
        as_json=as_json,
    )
    if not done.passed:
        raise click.exceptions.Exit(1)


@main.group()
def receipt() -> None:
    """Receipts of data requests. 回执。"""


@receipt.command("list")
@click.argument("directory", type=DIRECTORY)
@json_option
@verdict_errors
def receipt_list(directory: Path, *, as_json: bool) -> None:
    """List the kept receipts. 列出回执。"""
    for name, kept in ReceiptStore(directory):
        found = kept.receipt
        index = None if found is None else found.index
        show({"file": name, "grant": kept.request["grant"], "index": index}, as_json=as_json)


@receipt.command("verify")
@click.argument("directory", type=DIRECTORY)
@api_option
@gateway_option
@further_option
@deployment_option
@json_option
@verdict_errors
def receipt_verify(
    directory: Path, api: str, gateway: str, deployment: Path | None, *, as_json: bool
) -> None:
    """Compare the kept receipts with the log: 0 all valid, 1 not, 2 undecided. 核验回执。"""
    with _log(api, gateway, deployment) as log:
        newest, findings = verify_receipts(ReceiptStore(directory, further_keys()), log)
    for finding in findings:
        words = {"file": finding.name, "verdict": finding.verdict, "code": finding.code}
        show(words, as_json=as_json)
    show({"log": newest.origin, "size": newest.size, "root": newest.root.hex()}, as_json=as_json)
    if any(finding.verdict == "invalid" for finding in findings):
        raise click.exceptions.Exit(1)


@receipt.command("export")
@click.argument("intents", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("directory", type=DIRECTORY)
@plain_errors
def receipt_export(intents: Path, directory: Path) -> None:
    """Write a provider's receipts, from its file of intents, for an audit. 导出提供方回执。"""
    store, count = IntentStore(intents), 0
    try:
        for one in store.receipts():
            path = directory / f"intent-{leaf_hash(one.record).hex()}.json"
            if not path.exists():
                write_new(path, one.to_bytes())
            count += 1
    finally:
        store.close()
    click.echo(f"{directory}: {count}")


@main.group()
def evidence() -> None:
    """Evidence of records. 证据。"""


@evidence.command("get")
@click.argument("seq", type=click.IntRange(min=0))
@click.argument("path", type=FILE)
@key_option
@passphrase_option
@api_option
@gateway_option
@deployment_option
@plain_errors
def evidence_get(
    *,
    seq: int,
    path: Path,
    key_file: str,
    passphrase: str | None,
    api: str,
    gateway: str,
    deployment: Path | None,
) -> None:
    """Fetch the evidence of record SEQ into a new file. 获取证据文件。"""
    with open_gateway(api, gateway, deployment) as service:
        found = fetch_evidence(service, open_key(key_file, passphrase), seq=seq)
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


@main.group()
def witness() -> None:
    """Witness. 见证人。"""


def _witness_key(path: Path, key_file: str | None, passphrase: str | None) -> Signer:
    if key_file is not None:
        return open_key(key_file, passphrase)
    secret = console.ask_passphrase(passphrase)
    return load_key(path, secret) if path.exists() else make_key(path, secret)


@witness.command("run")
@click.option("--home", type=DIRECTORY, required=True, help="Key and state. 密钥与状态目录。")
@click.option("--name", required=True, help="Name in cosignatures. 见证人名称。")
@click.option("--node", required=True, help="JSON-RPC URL of a node. 节点地址。")
@click.option("--interval-s", default=1.0, show_default=True, help="Pause in seconds. 轮询间隔。")
@click.option(
    "--key",
    "key_file",
    default=None,
    help="Key, default key.pem of the home; a pkcs11: URI works too. 见证人密钥。",
)
@pin_option
@passphrase_option
@api_option
@gateway_option
@plain_errors
def witness_run(
    *,
    home: Path,
    name: str,
    node: str,
    interval_s: float,
    key_file: str | None,
    passphrase: str | None,
    api: str,
    gateway: str,
) -> None:
    """Sign blocks and checkpoints that continue what was signed before. 运行见证人。"""
    signer = _witness_key(home / "key.pem", key_file, passphrase)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    runner = Witness(
        home, name=name, key=signer, node_url=node, api_url=api, gateway_url=gateway, say=_say
    )
    click.echo(f"witness 见证人 {name}: {signer.public_key.key_id.hex()}")
    try:
        runner.run(stop, interval_s=interval_s)
    finally:
        runner.close()


def _say(news: str) -> None:
    click.echo(news)


@main.group()
def log() -> None:
    """Access log. 访问日志。"""


@log.command("follow")
@click.argument("directory", type=DIRECTORY)
@click.option("--rounds", default=0, show_default=True, help="0: for ever. 轮数。")
@click.option("--interval-s", default=5.0, show_default=True, help="Pause in seconds. 轮询间隔。")
@api_option
@gateway_option
@deployment_option
@verdict_errors
def log_follow(
    *,
    directory: Path,
    rounds: int,
    interval_s: float,
    api: str,
    gateway: str,
    deployment: Path | None,
) -> None:
    """Check that the log only grows, keeping its newest checkpoint. 跟踪日志增长。"""
    store = ReceiptStore(directory)
    done = 0
    with _log(api, gateway, deployment) as client:
        while True:
            note, newest = client.checkpoint()
            last = store.find_checkpoint(client)
            if last is None or newest != last:
                if last is not None:
                    client.verify_growth(last, newest)
                store.keep_checkpoint(note, client)
                click.echo(f"{newest.origin} {newest.size} {newest.root.hex()}")
            done += 1
            if rounds and done >= rounds:
                return
            console.wait_seconds(interval_s)

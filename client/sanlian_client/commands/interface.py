"""Commands `sanlian-client interface`: OpenAPI files imported, tests asked for."""

import json
from pathlib import Path

import click

from crypto.canonical import canonical_json
from crypto.errors import ProtocolError
from protocol.documents import MAX_DOCUMENT_SIZE, document_digest, parse_entry_document
from sanlian_client.commands.calling import Caller, caller_options
from sanlian_client.commands.connecting import authority_option
from sanlian_client.commands.console import (
    FILE,
    json_option,
    parse_hex,
    parse_object,
    plain_errors,
    show,
)
from sanlian_client.files import read_limited, write_new
from sanlian_client.interface_test import request_interface_test
from sanlian_client.openapi_file import MAX_FILE_SIZE
from sanlian_client.openapi_import import ImportedInterface, import_interface
from sanlian_client.sealing import Sealed


@click.group("interface")
def interface() -> None:
    """Interfaces: import of OpenAPI files, tests. 接口。"""


def _given(texts: tuple[str, ...]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for text in texts:
        code, sign, pattern = text.partition("=")
        if not sign or not code:
            raise click.BadParameter("--map is CODE=POINTER, or CODE= to leave an item out")
        patterns = given.setdefault(code, [])
        if pattern:
            patterns.append(pattern)
    return given


def _say(found: ImportedInterface) -> None:
    for one in found.mapped:
        patterns = " ".join(one.patterns) or "-"
        line = f"{one.item.index} {one.item.code} {one.item.name}: {patterns} ({one.how})"
        click.echo("".join(c if c.isprintable() else "�" for c in line))
    for pattern in found.unmapped:
        shown = "".join(c if c.isprintable() else "�" for c in pattern)
        click.echo(f"no item 未对应: {shown}")
    click.echo(f"records 记录列表: {found.records or '(whole answer 整个应答)'}")


@interface.command("import")
@click.argument("path", type=FILE)
@click.option("--operation", required=True, help='operationId, or "GET /path". 操作。')
@click.option(
    "--entry-document", type=FILE, required=True, help="Entry that it serves. 目录条目文件。"
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    help="CODE=POINTER decides an item, CODE= leaves it out. 指定信息项对应字段。",
)
@click.option("--records", default=None, help="Pointer of the list of records. 记录列表位置。")
@click.option("--out", type=FILE, default=None, help="New file; none: only show. 输出文件。")
@json_option
@plain_errors
def interface_import(
    *,
    path: Path,
    operation: str,
    entry_document: Path,
    maps: tuple[str, ...],
    records: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Make an interface document of an operation of an OpenAPI file. 由 OpenAPI 生成接口文件。"""
    entry = parse_entry_document(read_limited(entry_document, max_bytes=MAX_DOCUMENT_SIZE))
    found = import_interface(
        read_limited(path, max_bytes=MAX_FILE_SIZE),
        operation,
        entry,
        given=_given(maps),
        records=records,
    )
    digest = None if found.document is None else document_digest(found.document).hex()
    if as_json:
        value = {
            "items": [
                {
                    "index": one.item.index,
                    "code": one.item.code,
                    "name": one.item.name,
                    "patterns": list(one.patterns),
                    "how": one.how,
                }
                for one in found.mapped
            ],
            "unmapped": list(found.unmapped),
            "records": found.records,
            "document": digest,
        }
        click.echo(json.dumps(value, ensure_ascii=False))
    else:
        _say(found)
    if out is not None:
        if found.document is None:
            raise ProtocolError(
                "ITEMS_NOT_MAPPED", "no item was found in the response: decide with --map"
            )
        write_new(out, found.document)
        click.echo(f"{out}: {digest}", err=as_json)


@interface.command("test")
@click.argument("interface")
@click.option(
    "--parameters",
    default="{}",
    help="JSON object; its answer must hold every item, best of a made-up person. 测试参数。",
)
@click.option("--report", "report_file", type=FILE, default=None, help="Keep the report. 报告。")
@authority_option
@caller_options
@json_option
@plain_errors
def interface_test(
    *,
    interface: str,
    parameters: str,
    report_file: Path | None,
    caller: Caller,
    as_json: bool,
) -> None:
    """Let the gateway test INTERFACE before it goes online. 接口上线前由网关测试。

    An operator or officer of the providing department asks; exit 1 when the test failed.
    """
    with caller.open_gateway() as service:
        done = request_interface_test(
            service,
            caller.open_key(),
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

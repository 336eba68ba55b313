"""Commands of `sanlian-client interface`."""

import json
from pathlib import Path

import click

from crypto.errors import ProtocolError
from protocol.documents import MAX_DOCUMENT_SIZE, document_digest, parse_entry_document
from sanlian_client.console import FILE, json_option, plain_errors
from sanlian_client.files import read_limited, write_new
from sanlian_client.openapi_file import MAX_FILE_SIZE
from sanlian_client.openapi_import import ImportedInterface, import_interface


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

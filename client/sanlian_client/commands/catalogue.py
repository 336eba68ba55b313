"""Commands of `sanlian-client catalogue`: template, check, import, export, search, differences."""

import json
from pathlib import Path

import click

from crypto.canonical import canonical_json
from crypto.errors import ProtocolError
from protocol.dcat import make_catalogue
from sanlian_client.acts import Acts
from sanlian_client.catalogue import (
    MAX_FILE_SIZE,
    CatalogueFile,
    read_catalogue,
    write_csv,
    write_xlsx,
)
from sanlian_client.catalogue.transfer import (
    as_entry,
    draft_entries,
    find_department,
    known_entries,
    published_records,
)
from sanlian_client.commands.connecting import api_option, deployment_option, open_platform
from sanlian_client.commands.console import (
    DIRECTORY,
    FILE,
    json_option,
    language_option,
    parse_hex,
    plain_errors,
)
from sanlian_client.files import read_limited, write_new
from sanlian_client.sealing import MAX_SEALED_SIZE

_default_option = click.option(
    "--default",
    "defaults",
    multiple=True,
    help="COLUMN=TEXT for empty cells, such as 职责依据=《…法》. 空单元格的默认值。",
)


@click.group("catalogue")
def catalogue() -> None:
    """Catalogues as files: template, check, import, export. 目录文件。"""


@catalogue.command("template")
@click.argument("path", type=FILE)
@plain_errors
def template(path: Path) -> None:
    """Write an empty XLSX template to PATH. 生成模板。"""
    write_new(path, write_xlsx())
    click.echo(str(path))


def _read(path: Path, defaults: tuple[str, ...]) -> CatalogueFile:
    given: dict[str, str] = {}
    for text in defaults:
        name, sign, value = text.partition("=")
        if not sign:
            raise click.BadParameter("--default is COLUMN=TEXT")
        given[name] = value
    data = read_limited(path, max_bytes=MAX_FILE_SIZE)
    return read_catalogue(data, path.name, defaults=given)


def _report(found: CatalogueFile, language: str, *, as_json: bool) -> None:
    problems = found.problems
    if as_json:
        value = {
            "entries": found.entry_count,
            "items": found.item_count,
            "good_entries": len(found.entries),
            "problem_count": problems.count,
            "problems": [one.to_json() for one in problems.in_order()],
            "ignored": list(found.ignored),
        }
        click.echo(json.dumps(value, ensure_ascii=False))
        return
    for one in problems.in_order():
        click.echo(one.line(language))
    if language == "zh":
        click.echo(f"条目 {found.entry_count}，信息项 {found.item_count}，问题 {problems.count}")
    else:
        click.echo(
            f"entries {found.entry_count}, items {found.item_count}, problems {problems.count}"
        )
    if found.ignored:
        shown = "; ".join(found.ignored)
        click.echo(("未读取：" if language == "zh" else "not read: ") + shown)


@catalogue.command("check")
@click.argument("path", type=FILE)
@_default_option
@language_option
@json_option
@plain_errors
def check(path: Path, defaults: tuple[str, ...], lang: str, *, as_json: bool) -> None:
    """Check an XLSX or CSV file and say everything that is wrong; 1 if anything. 检查目录文件。"""
    found = _read(path, defaults)
    _report(found, lang, as_json=as_json)
    if found.problems.count:
        raise click.exceptions.Exit(1)


@catalogue.command("import")
@click.argument("path", type=FILE)
@click.option("--out", type=DIRECTORY, required=True, help="New files go here. 输出目录。")
@click.option("--operator", required=True, help="Key id of the operator. 操作员密钥。")
@click.option("--head", required=True, help="Key id of the head. 负责人密钥。")
@click.option("--secrecy-assessment", type=FILE, required=True, help="Text to seal. 保密评估文件。")
@click.option(
    "--privacy-assessment", type=FILE, required=True, help="Text to seal. 个人信息保护评估文件。"
)
@click.option(
    "--lifetime-s", default=7 * 24 * 3600, show_default=True, help="Validity in seconds. 有效时长。"
)
@_default_option
@language_option
@api_option
@deployment_option
@plain_errors
def import_file(
    *,
    path: Path,
    out: Path,
    operator: str,
    head: str,
    secrecy_assessment: Path,
    privacy_assessment: Path,
    lifetime_s: int,
    defaults: tuple[str, ...],
    lang: str,
    api: str,
    deployment: Path | None,
) -> None:
    """Make entry documents and drafts of acts from a file, to be signed and sent. 导入目录文件。"""
    found = _read(path, defaults)
    if found.problems.count:
        _report(found, lang, as_json=False)
        raise ProtocolError(
            "CATALOGUE_REFUSED", "nothing was imported: correct the file first", file=path.name
        )
    key_id = parse_hex(operator, 32, "--operator")
    with open_platform(api, deployment) as platform:
        drafts = list(
            draft_entries(
                Acts(platform, lifetime_s=lifetime_s),
                found.entries,
                known_entries(platform, find_department(platform, key_id)),
                operator=key_id,
                head=parse_hex(head, 32, "--head"),
                first_nonce=platform.next_nonce(key_id, "Entries"),
                secrecy_assessment=read_limited(secrecy_assessment, max_bytes=MAX_SEALED_SIZE),
                privacy_assessment=read_limited(privacy_assessment, max_bytes=MAX_SEALED_SIZE),
            )
        )
    for draft in drafts:
        draft.write(out)
        kind = ("新条目", "new") if draft.is_new else ("新版本", "new version")
        name = "".join(c if c.isprintable() else "�" for c in draft.entry.members["name"])
        click.echo(f"{out / draft.stem}.act  {kind[lang == 'en']}  {name}")
    unchanged = len(found.entries) - len(drafts)
    click.echo(
        f"待签 {len(drafts)}，未变更 {unchanged}"
        if lang == "zh"
        else f"to sign {len(drafts)}, unchanged {unchanged}"
    )


@catalogue.command("export")
@click.argument("path", type=FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(["dcat", "csv", "xlsx"]),
    default="xlsx",
    show_default=True,
    help="Form of the file. 文件格式。",
)
@api_option
@deployment_option
@plain_errors
def export(path: Path, form: str, api: str, deployment: Path | None) -> None:
    """Write the published entries to a new file, documents checked. 导出已发布目录。"""
    with open_platform(api, deployment) as platform:
        records = list(published_records(platform))
        chain_id = platform.deployment().chain_id
    if form == "dcat":
        data = canonical_json(make_catalogue(records, chain_id=chain_id))
    elif form == "csv":
        data = write_csv(as_entry(one) for one in records)
    else:
        data = write_xlsx(as_entry(one) for one in records)
    write_new(path, data)
    click.echo(f"{path}: {len(records)}")


@catalogue.command("search")
@click.argument("text")
@click.option(
    "--most", default=20, show_default=True, type=click.IntRange(1, 1000), help="Most. 最多条数。"
)
@json_option
@api_option
@plain_errors
def search(text: str, most: int, api: str, *, as_json: bool) -> None:
    """Search entries by words in Chinese or English. 检索目录。"""
    with open_platform(api, None) as platform:
        for number, entry in enumerate(platform.read_all("entries", q=text)):
            if number >= most:
                break
            if as_json:
                click.echo(json.dumps(entry, ensure_ascii=False))
                continue
            click.echo(f"{entry['id']} {entry['state']} {entry['title'] or '-'}")


@catalogue.command("differences")
@click.argument("entry")
@click.option("--from", "old", type=click.IntRange(1), required=True, help="Version. 旧版本。")
@click.option("--to", "new", type=click.IntRange(1), required=True, help="Version. 新版本。")
@language_option
@json_option
@api_option
@plain_errors
def differences(entry: str, old: int, new: int, lang: str, api: str, *, as_json: bool) -> None:
    """Say what changed between two versions of ENTRY. 版本差异。"""
    with open_platform(api, None) as platform:
        found = platform.entry_differences(parse_hex(entry, 32, "ENTRY"), old=old, new=new)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for one in found["differences"]:
        line = one["chinese" if lang == "zh" else "english"]
        click.echo("".join(c if c.isprintable() else "�" for c in line))
    if not found["complete"]:
        click.echo(
            "有文件缺失，仅比较了签署字段"
            if lang == "zh"
            else "a document is missing: only the act's words were compared"
        )

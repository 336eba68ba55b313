"""A setting, an option or a link that the documents do not keep up with fails here."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic_core import PydanticUndefined

from ledger.cli import main as sanlian
from ledger.settings import Settings
from sanlian_client.cli import main as sanlian_client

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
NOT_OURS = {".venv", "node_modules", "cache", "build", "dist"}
_ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| .{10,} \|$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def _setting_rows() -> dict[str, str]:
    text = (DOCS / "deployment.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## Settings")
    table = section.partition("\n## ")[0]
    return dict(_ROW.findall(table))


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for child, sub in sorted(command.commands.items()):
            yield from _commands(sub, f"{name} {child}")
    else:
        yield name, command


COMMANDS = dict([*_commands(sanlian, "sanlian"), *_commands(sanlian_client, "sanlian-client")])


def test_every_setting_stands_in_the_table_and_no_other() -> None:
    assert set(_setting_rows()) == set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_default_of_setting(name: str) -> None:
    default = Settings.model_fields[name].default
    assert default is not PydanticUndefined
    shown = "empty" if default in ("", None) else f"`{default}`"
    assert _setting_rows()[name] == shown


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_and_its_options_are_documented(name: str) -> None:
    text = "".join(
        (DOCS / file).read_text(encoding="utf-8")
        for file in ("deployment.md", "operation.md", "client.md", "catalogue.md", "tokens.md")
    )
    assert f"`{name}" in text or f"{name} " in text, f"{name} is not described"
    options = {
        option
        for parameter in COMMANDS[name].params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }
    missing = {option for option in options if not re.search(rf"{option}(?![a-z-])", text)}
    assert not missing, f"options of {name} that no document names: {sorted(missing)}"


def _documents() -> list[Path]:
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(
            part in NOT_OURS or part.startswith(".") for part in path.relative_to(ROOT).parts
        )
    )


@pytest.mark.parametrize("path", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = [
        target
        for target in _LINK.findall(text)
        if "://" not in target
        and not target.startswith(("#", "mailto:"))
        and not (path.parent / target.partition("#")[0]).exists()
    ]
    assert not broken, f"broken links: {broken}"

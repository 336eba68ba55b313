"""Each article of docs/law.md has tests that bear its name, and no test names another one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+)(?: to (\d+))? \|", re.MULTILINE)
NAME = re.compile(r"^test_art((?:_\d+)+)_")


def articles() -> dict[int, str]:
    """Return the row of each article."""
    text = (ROOT / "docs" / "law.md").read_text(encoding="utf-8")
    found = {}
    for match in ROW.finditer(text):
        first, last = int(match[1]), int(match[2] or match[1])
        row = text[match.start() :].split("\n", 1)[0]
        found.update(dict.fromkeys(range(first, last + 1), row))
    return found


def articles_of(name: str) -> set[int]:
    """Return the articles in a test's name; two of them are the ends of a range."""
    match = NAME.match(name)
    if match is None:
        return set()
    numbers = [int(number) for number in match[1].split("_")[1:]]
    return set(range(min(numbers), max(numbers) + 1))


def functions() -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return all test functions by name."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and node.name.startswith("test_"):
                found[node.name] = node
    return found


def is_left_out(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a test is skipped, expected to fail, or checks nothing of its own."""
    marks = " ".join(ast.unparse(one) for one in node.decorator_list)
    body = ast.unparse(node)
    return "skip" in marks or "xfail" in marks or not re.search(r"assert|raises|\.do\(", body)


def test_every_article_has_a_test() -> None:
    named: set[int] = set()
    for name, node in functions().items():
        if not is_left_out(node):
            named |= articles_of(name)
    assert set(articles()) - named == set(), "articles without a test"
    assert named - set(articles()) == set(), "tests of articles that are not in the table"


def test_the_table_is_whole() -> None:
    """The articles of the order that bind a ledger of data sharing."""
    wanted = {*range(13, 18), *range(19, 23), *range(25, 30), 31, 33, *range(38, 42)}
    assert set(articles()) == wanted
    for article, row in articles().items():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 4, article
        assert all(cells[1:3]), article


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_art_13_x", {13}),
        ("test_art_14_15_x", {14, 15}),
        ("test_art_38_41_x", {38, 39, 40, 41}),
        ("test_article_13_x", set()),
        ("test_x_art_13", set()),
    ],
)
def test_names(name: str, expected: set[int]) -> None:
    assert articles_of(name) == expected

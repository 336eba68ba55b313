"""HTML pages without scripts: escaped text, one style sheet of our own, nothing from elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Self


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is finished; every other text is escaped where it enters a page."""

    html: str

    @classmethod
    def of(cls, element: str, text: str, *, css: str = "") -> Self:
        """Wrap escaped text in an element."""
        attribute = f' class="{escape(css)}"' if css else ""
        return cls(f"<{element}{attribute}>{escape(text)}</{element}>")


def join(parts: Iterable[Markup]) -> Markup:
    """Join finished parts."""
    return Markup("".join(part.html for part in parts))


def cell(value: str | int | Markup) -> str:
    """Return a table cell; numbers are aligned."""
    if isinstance(value, Markup):
        return f"<td>{value.html}</td>"
    if isinstance(value, int):
        return f'<td class="number">{value}</td>'
    return f"<td>{escape(value)}</td>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str | int | Markup]], *, caption: str = ""
) -> Markup:
    """Return a table."""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(cell(value) for value in row)}</tr>" for row in rows)
    return Markup(
        f'<div class="scroll"><table>{title}<thead><tr>{columns}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def page(title: str, body: Markup, *, chinese: bool, path: str) -> str:
    """Return a whole page.

    Args:
        title: heading.
        body: what stands below it.
        chinese: language of the page's own words.
        path: path of the page, for the link to the other language.
    """
    links = [
        ("/", "总览" if chinese else "Overview"),
        ("/docs", "接口说明" if chinese else "API"),
        ("/errors", "错误代码" if chinese else "Error codes"),
        ("/health", "运行状态" if chinese else "Health"),
        (f"{path}?lang={'en' if chinese else 'zh'}", "English" if chinese else "中文"),
    ]
    navigation = "".join(f'<a href="{escape(to)}">{escape(text)}</a>' for to, text in links)
    language = "zh-CN" if chinese else "en"
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · 三链 sanlian</title>"
        '<link rel="stylesheet" href="/static/style.css"></head>'
        f"<body><header><nav>{navigation}</nav><h1>{escape(title)}</h1></header>"
        f"<main>{body.html}</main><footer>三链 sanlian</footer></body></html>"
    )

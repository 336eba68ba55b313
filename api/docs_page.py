"""The description of the api as a page: made from its OpenAPI document, without scripts."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from api.page import Markup, join, page, table

_METHODS = ("get", "post", "put", "patch", "delete")


def docs_page(openapi: Mapping[str, Any], *, chinese: bool) -> str:
    """Render an OpenAPI 3.1 document as one HTML page.

    Args:
        openapi: the document.
        chinese: whether the page's own words are Chinese; the document has both languages.
    """
    info = openapi["info"]
    parts = [
        Markup.of("p", info.get("description", "")),
        Markup(
            f"<p>{escape('机器可读的描述' if chinese else 'For machines')}: "
            '<a href="/openapi.json">/openapi.json</a></p>'
        ),
    ]
    for tag in openapi.get("tags", ()):
        parts.append(Markup.of("h2", f"{tag['name']} · {tag.get('description', '')}"))
        for path, method, operation in _operations(openapi):
            if tag["name"] in operation.get("tags", ()):
                parts.append(_operation(path, method, operation, chinese=chinese))
    parts.append(Markup.of("h2", "数据结构" if chinese else "Schemas"))
    for name, schema in sorted(openapi["components"]["schemas"].items()):
        parts.append(_schema(name, schema, chinese=chinese))
    title = "接口说明" if chinese else "API"
    return page(title, join(parts), chinese=chinese, path="/docs")


def _operations(openapi: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    for path, item in openapi["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _operation(path: str, method: str, operation: Mapping[str, Any], *, chinese: bool) -> Markup:
    parts = [
        Markup(
            f'<h3 id="{escape(operation["operationId"])}"><span class="method">{method.upper()}'
            f"</span> <code>{escape(path)}</code></h3>"
        ),
        Markup.of("p", operation.get("summary", "")),
    ]
    if operation.get("description"):
        parts.append(Markup.of("p", operation["description"]))
    if operation.get("parameters"):
        parts.append(
            table(
                ["参数", "位置", "类型", "说明"]
                if chinese
                else ["parameter", "in", "type", "meaning"],
                [
                    (
                        Markup.of("code", p["name"]),
                        p["in"],
                        _type(p["schema"]),
                        p.get("description", ""),
                    )
                    for p in operation["parameters"]
                ],
            )
        )
    rows: list[tuple[str | Markup, ...]] = []
    if "requestBody" in operation:
        rows.append(("请求体" if chinese else "body", _content(operation["requestBody"]), ""))
    rows += [
        (status, _content(answer), answer.get("description", ""))
        for status, answer in operation["responses"].items()
    ]
    parts.append(
        table(["状态", "内容", "说明"] if chinese else ["status", "content", "meaning"], rows)
    )
    return join(parts)


def _content(answer: Mapping[str, Any]) -> Markup:
    return join(
        join([_type(content.get("schema", {})), Markup.of("small", f" {media_type}")])
        for media_type, content in answer.get("content", {}).items()
    )


def _schema(name: str, schema: Mapping[str, Any], *, chinese: bool) -> Markup:
    required = schema.get("required", ())
    heading = Markup(f'<h3 id="schema-{escape(name)}">{escape(name)}</h3>')
    text = Markup.of("p", schema.get("description", ""))
    if "properties" not in schema:
        return join([heading, text, join([Markup("<p>"), _type(schema), Markup("</p>")])])
    return join(
        [
            heading,
            text,
            table(
                ["成员", "类型", "必有", "说明"]
                if chinese
                else ["member", "type", "always", "meaning"],
                [
                    (
                        Markup.of("code", member),
                        _type(value),
                        "✓" if member in required else "",
                        value.get("description", ""),
                    )
                    for member, value in schema["properties"].items()
                ],
            ),
        ]
    )


def _type(schema: Mapping[str, Any]) -> Markup:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return Markup(f'<a href="#schema-{name}">{name}</a>')
    if "anyOf" in schema:
        types = [_type(option) for option in schema["anyOf"]]
        return join(t for i, t in enumerate(types) for t in ([Markup(" | ")] if i else []) + [t])
    if schema.get("type") == "array":
        return join([_type(schema.get("items", {})), Markup("[]")])
    text = str(schema.get("type", "any"))
    limits = []
    for name, sign in (
        ("const", "="), ("pattern", "~"), ("minimum", "≥"), ("maximum", "≤"),
        ("minLength", "≥ len"), ("maxLength", "≤ len"),
    ):  # fmt: skip  # a table reads better in rows
        if name in schema:
            limits.append(f"{sign} {_plain(schema[name])}")
    if "enum" in schema:
        limits.append(" | ".join(str(value) for value in schema["enum"]))
    if not limits:
        return Markup.of("code", text)
    return join([Markup.of("code", text), Markup.of("small", f" {'; '.join(limits)}")])


def _plain(value: object) -> str:
    # Limits of whole numbers come as floats.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

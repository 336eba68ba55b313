"""Pages without scripts and without a single outside address; an OpenAPI document that holds."""

import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from openapi import resolve

PAGES = ("/", "/docs", "/errors")


class Page(HTMLParser):
    """Collects what a browser would load, follow or run, and checks that elements close."""

    VOID = ("meta", "link", "br", "img", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("href", "src", "action"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_pages(http: httpx.Client, path: str, lang: str) -> None:
    response = http.get(path, params={"lang": lang})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(response.text)
    assert page.open == []
    assert "script" not in page.elements
    assert "iframe" not in page.elements
    assert not any(name.startswith("on") or name == "style" for name in page.attributes)
    assert not re.search(r"https?://|//[a-z]", response.text)
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert re.match(r"/(?!/)", link)
            assert http.get(link).status_code in (200, 503)  # /health says how the service is
    assert f'<html lang="{"zh-CN" if lang == "zh" else "en"}">' in response.text


def test_pages_follow_the_browser_language(http: httpx.Client) -> None:
    for language, expected in (("en-US", "en"), ("zh-CN", "zh-CN"), ("fr", "zh-CN"), ("", "zh-CN")):
        text = http.get("/", headers={"accept-language": language}).text
        assert f'<html lang="{expected}">' in text


def test_style_sheet(http: httpx.Client) -> None:
    response = http.get("/static/style.css")
    assert response.headers["content-type"].startswith("text/css")
    assert "url(" not in response.text
    assert "@import" not in response.text


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> dict[str, Any]:
    return dict(http.get("/openapi.json").json())


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for member in value.values() for one in _references(member)]
    if isinstance(value, list):
        return [one for item in value for one in _references(item)]
    return []


def test_openapi_document(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    tags = {tag["name"] for tag in document["tags"]}
    ids: list[str] = []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in ("get", "post")
            ids.append(operation["operationId"])
            assert set(operation["tags"]) <= tags
            assert " / " in operation["summary"], "a summary is in both languages"
            in_path = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
            good = [s for s in operation["responses"] if s.startswith("2")]
            assert len(good) == 1
            assert operation["responses"][good[0]]["content"]
            for status in ("4XX", "5XX"):
                content = operation["responses"][status]["content"]
                assert list(content) == ["application/problem+json"]
            assert "422" not in operation["responses"]
    assert len(set(ids)) == len(ids)
    assert {
        tag for i in document["paths"].values() for o in i.values() for tag in o["tags"]
    } == tags
    for reference in _references(document):
        resolve(document, reference)


def test_every_schema_is_closed(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        if "properties" in schema:
            assert schema["additionalProperties"] is False, name
            assert schema.get("description"), name

"""Interfaces from OpenAPI files: items found by name, references resolved, faults by pointer."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import ProtocolError, SanlianError
from protocol.documents import (
    make_entry_document,
    parse_entry_document,
    parse_interface_document,
)
from sanlian_client import openapi_file
from sanlian_client.cli import main
from sanlian_client.openapi_import import import_interface

ENTRY_BYTES = make_entry_document(
    name="企业登记",
    code="1020010001/1",
    provider="市监局",
    duty="登记",
    items=[
        {"name": "统一社会信用代码", "code": "USCC", "type": "C"},
        {"name": "企业名称", "code": "name", "type": "C"},
        {"name": "注册资本", "name_en": "Registered capital", "code": "ZCZB", "type": "N"},
        {"name": "成立日期", "code": "CLRQ", "type": "D"},
        {"name": "传真", "code": "FAX", "type": "C"},
    ],
)
ENTRY = parse_entry_document(ENTRY_BYTES)
FILE: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "企业", "version": "2.1"},
    "servers": [{"url": "https://internal.example/secret"}],
    "paths": {
        "/companies": {
            "parameters": [{"name": "year", "in": "query", "schema": {"type": "integer"}}],
            "get": {
                "operationId": "listCompanies",
                "summary": "企业查询",
                "security": [{"key": []}],
                "parameters": [
                    {"$ref": "#/components/parameters/Uscc"},
                    {"name": "X-Trace", "in": "header", "schema": {}},
                ],
                "responses": {"200": {"$ref": "#/components/responses/Companies"}},
            },
            "post": {
                "operationId": "findCompanies",
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"properties": {"uscc": {}}, "required": ["uscc"]}
                        }
                    }
                },
                "responses": {"default": {"$ref": "#/components/responses/Companies"}},
            },
        },
        "/companies/{id}": {"get": {"operationId": "one", "responses": {}}},
    },
    "components": {
        "parameters": {"Uscc": {"name": "uscc", "in": "query", "required": True, "schema": {}}},
        "responses": {
            "Companies": {
                "description": "ok",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}},
            }
        },
        "schemas": {
            "Page": {
                "properties": {
                    "total": {"type": "integer", "example": {"$ref": "#/nowhere"}},
                    "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Company"}},
                }
            },
            "Company": {
                "allOf": [
                    {"properties": {"uscc": {"type": "string"}, "NAME": {"type": "string"}}},
                    {
                        "properties": {
                            "registered_capital": {"type": "number"},
                            "founded": {"type": "string", "description": "成立日期"},
                            "properties": {"type": "string", "x-internal": 1},
                        }
                    },
                ]
            },
        },
    },
}


def as_yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode()


@pytest.mark.parametrize("data", [json.dumps(FILE).encode(), as_yaml(FILE)], ids=["json", "yaml"])
@pytest.mark.parametrize("operation", ["listCompanies", "GET /companies"])
def test_items_are_found(data: bytes, operation: str) -> None:
    found = import_interface(data, operation, ENTRY)
    assert [(one.item.code, one.patterns, one.how) for one in found.mapped] == [
        ("USCC", ("/rows/*/uscc",), "code"),
        ("name", ("/rows/*/NAME",), "code"),
        ("ZCZB", ("/rows/*/registered_capital",), "name"),
        ("CLRQ", ("/rows/*/founded",), "description"),
        ("FAX", (), "none"),
    ]
    assert found.records == "/rows"
    assert found.unmapped == ["/total", "/rows/*/properties"]
    assert found.document is not None
    document = parse_interface_document(found.document)
    assert (document.title, document.method, document.path) == ("企业查询", "GET", "/companies")
    assert (document.parameters, document.required) == ({"uscc", "year"}, {"uscc"})
    assert document.mask == 0b1111
    for hidden in (b"$ref", b"internal", b"secret", b"X-Trace", b"security"):
        assert hidden not in found.document


def test_post() -> None:
    found = import_interface(as_yaml(FILE), "findCompanies", ENTRY)
    assert found.document is not None
    document = parse_interface_document(found.document)
    assert (document.method, document.required) == ("POST", {"uscc"})


def test_the_person_decides() -> None:
    given = {"FAX": ["/total"], "name": [], "USCC": ["/rows/*/NAME", "/rows/*/uscc"]}
    found = import_interface(as_yaml(FILE), "listCompanies", ENTRY, given=given, records="")
    assert found.document is not None
    document = parse_interface_document(found.document)
    assert document.items[4] == (("total",),)
    assert 1 not in document.items
    assert len(document.items[0]) == 2
    assert document.records_pointer == ()
    for bad, code in (
        ({"ODD": ["/total"]}, "ITEM_UNKNOWN"),
        ({"FAX": ["/rows/*/fax"]}, "SCHEMA_NOT_COVERING"),
        ({"FAX": ["fax"]}, "DOCUMENT_MALFORMED"),
    ):
        with pytest.raises(ProtocolError) as refused:
            import_interface(as_yaml(FILE), "listCompanies", ENTRY, given=bad)
        assert refused.value.code == code


def test_two_members_that_fit_are_left_to_the_person() -> None:
    schema = {"properties": {"a": {"title": "传真"}, "b": {"title": "传真"}, "name": {}}}
    found = import_interface(answering(schema), "GET /a", ENTRY)
    assert found.mapped[4].how == "none"
    assert found.unmapped == ["/a", "/b"]


def answering(schema: Any, **others: Any) -> bytes:
    operation = {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}
    file = {"openapi": "3.1.0", "info": {}, "paths": {"/a": {"get": operation}}, **others}
    return json.dumps(file).encode()


def yaml_bomb() -> bytes:
    lines = ["openapi: 3.1.0", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines).encode()


NAME = {"properties": {"name": {}}}
WIDE = {"properties": {f"p{n}": {"$ref": "#/components/schemas/B"} for n in range(200)}}
BAD: dict[str, tuple[bytes, str]] = {
    "swagger 2": (b'{"swagger":"2.0"}', "OPENAPI_VERSION"),
    "openapi 4": (b'{"openapi":"4.0.0"}', "OPENAPI_VERSION"),
    "broken json": (b'{"openapi":', "OPENAPI_MALFORMED"),
    "name twice in json": (b'{"openapi":"3.1.0","openapi":"3.1.0"}', "OPENAPI_MALFORMED"),
    "name twice in yaml": (b"openapi: 3.1.0\nopenapi: 3.1.0", "OPENAPI_MALFORMED"),
    "broken yaml": (b"openapi: [", "OPENAPI_MALFORMED"),
    "empty": (b"", "OPENAPI_MALFORMED"),
    "a list": (b"- a", "OPENAPI_MALFORMED"),
    "not utf-8": (b"openapi: \xff\xfe", "OPENAPI_MALFORMED"),
    "a tag that builds objects": (
        b"openapi: !!python/object/apply:os.system ['true']",
        "OPENAPI_MALFORMED",
    ),
    "alias bomb": (yaml_bomb(), "OPENAPI_TOO_LARGE"),
    "alias to itself": (b"openapi: &a [*a]", "OPENAPI_TOO_LARGE"),
    "deep yaml": (b"[" * 3000, "OPENAPI_MALFORMED"),
    "deep json": (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "OPENAPI_MALFORMED"),
    "too large": (b" " * (openapi_file.MAX_FILE_SIZE + 1), "OPENAPI_TOO_LARGE"),
    "no paths": (b'{"openapi":"3.1.0"}', "OPENAPI_MALFORMED"),
    "no such operation": (
        json.dumps({**FILE, "paths": {"/b": {}}}).encode(),
        "OPERATION_UNKNOWN",
    ),
    "external reference": (answering({"$ref": "https://evil.example/a"}), "REFERENCE_EXTERNAL"),
    "file reference": (answering({"$ref": "../../etc/passwd"}), "REFERENCE_EXTERNAL"),
    "reference that is a number": (answering({"$ref": 1}), "REFERENCE_EXTERNAL"),
    "reference to nothing": (answering({"$ref": "#/components/x"}), "REFERENCE_UNKNOWN"),
    "reference to the file": (answering({"$ref": "#"}), "REFERENCE_RECURSIVE"),
    "reference in a circle": (
        answering(
            {"$ref": "#/components/schemas/A"},
            components={
                "schemas": {"A": {"properties": {"a": {"$ref": "#/components/schemas/A"}}}}
            },
        ),
        "REFERENCE_RECURSIVE",
    ),
    "references that multiply": (
        answering(WIDE, components={"schemas": {"B": {"properties": {
            f"q{n}": {"type": "string"} for n in range(200)}}}}),
        "OPENAPI_TOO_LARGE",
    ),
    "no schema": (answering(None), "OPERATION_UNFIT"),
    "no responses": (
        json.dumps({"openapi": "3.1.0", "paths": {"/a": {"get": {}}}}).encode(),
        "OPERATION_UNFIT",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_file_that_is_none(name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(ProtocolError) as refused:
        import_interface(data, "GET /a", ENTRY)
    assert refused.value.code == code


def test_path_with_parameters_and_needed_headers() -> None:
    with pytest.raises(ProtocolError) as refused:
        import_interface(as_yaml(FILE), "one", ENTRY)
    assert refused.value.code == "OPERATION_UNFIT"
    assert refused.value.details["pointer"] == "/paths/~1companies~1{id}"
    file = json.loads(json.dumps(FILE))
    file["paths"]["/companies"]["get"]["parameters"][1]["required"] = True
    with pytest.raises(ProtocolError) as refused:
        import_interface(as_yaml(file), "listCompanies", ENTRY)
    assert refused.value.details["pointer"] == "/paths/~1companies/get/parameters/2"


def test_yaml_is_read_as_json_would_be() -> None:
    data = b"""
openapi: 3.0.3
info: {title: 2024-01-01, version: 1.0}
paths: {/a: {get: {summary: no, responses: {200: {content: {application/json:
  {schema: {properties: {name: {type: string}}}}}}}}}}
"""
    found = import_interface(data, "GET /a", ENTRY)
    assert found.document is not None
    assert parse_interface_document(found.document).title == "no"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.just("#/paths"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["properties", "items", "allOf", "$ref", "name", "200", "content",
                             "application/json", "schema", "in", "required"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(values, st.sampled_from(["responses", "parameters", "schema", "item", "paths"]))
def test_no_file_breaks_the_reader(value: Any, where: str) -> None:
    file = json.loads(answering(NAME))
    operation = file["paths"]["/a"]["get"]
    if where == "schema":
        operation["responses"]["200"]["content"]["application/json"]["schema"] = value
    elif where == "item":
        file["paths"]["/a"] = value
    elif where == "paths":
        file["paths"] = value
    else:
        operation[where] = value
    outcome = "read"
    try:
        import_interface(json.dumps(file).encode(), "GET /a", ENTRY)
    except SanlianError as error:
        outcome = error.code
    assert outcome


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for prefix in (b"", b"{", b"openapi: 3.1.0\n"):
        with pytest.raises(ProtocolError):
            import_interface(prefix + data, "GET /a", ENTRY)


def test_command(tmp_path: Path) -> None:
    file, entry, out = tmp_path / "o.yaml", tmp_path / "e.json", tmp_path / "i.json"
    file.write_bytes(as_yaml(FILE))
    entry.write_bytes(ENTRY_BYTES)
    run = CliRunner()
    words = ["interface", "import", str(file), "--entry-document", str(entry)]
    words += ["--operation", "GET /companies", "--map", "FAX=/total", "--map", "CLRQ="]
    result = run.invoke(main, [*words, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "4 FAX 传真: /total (given)" in result.output
    assert parse_interface_document(out.read_bytes()).mask == 0b10111
    shown = json.loads(run.invoke(main, [*words, "--json"]).output)
    assert shown["items"][3] == {
        "index": 3, "code": "CLRQ", "name": "成立日期", "patterns": [], "how": "none",
    }  # fmt: skip
    again = run.invoke(main, [*words, "--out", str(out)])
    assert (again.exit_code, "FILE_EXISTS" in again.output) == (1, True)

"""Checks a provider's answer against its interface document: a process of its own, with limits.

    python -m api.gateway.answer_check < {"document": …, "data": …}

A schema comes from whoever registered the interface: its patterns and references may be made to
take for ever, or all memory. So it is applied in a process that the system ends, which never
looks anything up: a reference may only point within the document. It prints the rules that the
answer breaks by their place in the schema, never a value of the answer.
"""

import json
import resource
import sys
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft4Validator, Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4, DRAFT202012

from crypto.canonical import canonical_json
from protocol.documents import InterfaceDocument, filter_items, parse_interface_document

MAX_PROBLEMS = 20
CPU_S = 5
MEMORY = 1024 * 1024 * 1024
_DOCUMENT = "urn:sanlian:interface-document"
_MAX_PLACE = 200


def find_schema(document: Mapping[str, Any]) -> str | None:
    """Return the JSON Pointer of the schema of the operation's successful answer, if it has one."""
    ((path, item),) = document["paths"].items()
    ((method, operation),) = ((n, o) for n, o in item.items() if n in ("get", "post"))
    responses = operation.get("responses")
    if not isinstance(responses, dict):
        return None
    for status in ("200", "2XX", "default"):
        if status not in responses:
            continue
        at: Any = responses[status]
        steps = ("content", "application/json", "schema")
        for step in steps:
            at = at.get(step) if isinstance(at, dict) else None
        if at is None:
            return None
        parts = ("paths", path, method, "responses", status, *steps)
        return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
    return None


def with_null(schema: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema: `nullable` allows null."""
    if isinstance(schema, list):
        return [with_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: with_null(value) for name, value in schema.items()}
    if found.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
        if isinstance(found.get("enum"), list):
            found["enum"] = [*found["enum"], None]
    return found


def broken_rules(document: Mapping[str, Any], data: object) -> list[dict[str, str]]:
    """Return the rules of the response schema that the data breaks, at most MAX_PROBLEMS."""
    pointer = find_schema(document)
    if pointer is None:
        return [{"at": "", "rule": "schema missing"}]
    old = document["openapi"].startswith("3.0.")
    contents, kind = (with_null(document), DRAFT4) if old else (document, DRAFT202012)
    # An empty registry: what is not in the document is not found, and never fetched.
    registry: Registry[Any] = Registry().with_resource(_DOCUMENT, kind.create_resource(contents))
    schema = {"$ref": f"{_DOCUMENT}#{pointer}"}
    validator = (Draft4Validator if old else Draft202012Validator)(schema, registry=registry)
    problems: list[dict[str, str]] = []
    try:
        for error in validator.iter_errors(data):
            # Its path in the schema; the path in the data could hold a value, such as a number
            # under which a person is filed.
            place = "/".join(str(part) for part in error.schema_path)[:_MAX_PLACE]
            problems.append({"at": place, "rule": str(error.validator)})
            if len(problems) == MAX_PROBLEMS:
                break
    except Exception as error:  # noqa: BLE001 - a schema may break the validator in any way
        problems.append({"at": "", "rule": f"schema unusable: {type(error).__name__}"})
    return problems


def missing_items(document: InterfaceDocument, data: object) -> list[int]:
    """Return the items of which no value is in the data."""
    return [
        index
        for index, patterns in document.items.items()
        if not any(is_found(data, parts) for parts in patterns)
    ]


def is_found(data: object, parts: tuple[str, ...]) -> bool:
    """Return whether a pattern leads to a value."""
    if not parts:
        return True
    part, rest = parts[0], parts[1:]
    if isinstance(data, dict):
        below = list(data.values()) if part == "*" else [data[part]] if part in data else []
    elif isinstance(data, list):
        if part == "*":
            below = data
        else:
            at = int(part) if part.isascii() and part.isdigit() and len(part) < 10 else len(data)
            below = data[at : at + 1]
    else:
        return False
    return any(is_found(one, rest) for one in below)


def main() -> None:
    """Read, check, print."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    value = json.loads(sys.stdin.buffer.read())
    document, data = value["document"], value["data"]
    parsed = parse_interface_document(canonical_json(document))
    _, rows = filter_items(parsed, data, 0)
    result = {
        "problems": broken_rules(document, data),
        "missing_items": missing_items(parsed, data),
        "rows": rows,
    }
    sys.stdout.buffer.write(canonical_json(result))


if __name__ == "__main__":
    main()

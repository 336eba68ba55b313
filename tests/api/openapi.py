"""A checker of JSON values against the schemas of an OpenAPI 3.1 document, as the api uses them."""

import re
from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = {
    "$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "items",
    "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "pattern",
    "properties", "required", "title", "type",
}  # fmt: skip  # a list reads better in rows


def require_valid(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> None:
    """Fail when a value does not follow a schema; fail on a keyword that is not checked here."""
    problem = find_problem(document, schema, value, "$")
    assert problem is None, problem


def find_problem(
    document: Mapping[str, Any], schema: Mapping[str, Any], value: Any, at: str
) -> str | None:
    """Return where and how a value breaks a schema."""
    assert set(schema) <= _KNOWN, f"{at}: keywords {set(schema) - _KNOWN} are not checked"
    if "$ref" in schema:
        return find_problem(document, resolve(document, schema["$ref"]), value, at)
    if "anyOf" in schema:
        found = [find_problem(document, option, value, at) for option in schema["anyOf"]]
        return None if None in found else f"{at}: none of {found}"
    if "const" in schema and value != schema["const"]:
        return f"{at}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{at}: {value!r} is not one of {schema['enum']}"
    kind = schema.get("type")
    if kind is not None:
        is_bool_as_number = isinstance(value, bool) and kind in ("integer", "number")
        if not isinstance(value, _TYPES[kind]) or is_bool_as_number:
            return f"{at}: {value!r} is not of type {kind}"
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return f"{at}: {value!r} does not match {schema['pattern']}"
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return f"{at}: {value!r} has another length"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{at}: {value} is out of range"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return f"{at}: another number of items"
        for index, item in enumerate(value):
            problem = find_problem(document, schema.get("items", {}), item, f"{at}[{index}]")
            if problem is not None:
                return problem
    if isinstance(value, dict):
        missing = set(schema.get("required", ())) - set(value)
        if missing:
            return f"{at}: {missing} are missing"
        properties = schema.get("properties", {})
        more = schema.get("additionalProperties", True)
        for name, member in value.items():
            if name in properties:
                problem = find_problem(document, properties[name], member, f"{at}.{name}")
            elif more is False:
                return f"{at}: {name} is not described"
            elif more is True:
                problem = None
            else:
                problem = find_problem(document, more, member, f"{at}.{name}")
            if problem is not None:
                return problem
    return None


def resolve(document: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    """Return what a local reference names."""
    assert reference.startswith("#/"), reference
    found: Any = document
    for part in reference[2:].split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    assert isinstance(found, Mapping)
    return found

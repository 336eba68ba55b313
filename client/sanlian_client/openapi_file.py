"""Reads an OpenAPI file, in JSON or YAML, of foreign origin: within limits, references resolved.

References within the file are put in their places; one that leads elsewhere is refused, and so is
one that leads back to itself. YAML is read as data alone: no tags, no repeated names, and aliases
count as often as they are used.
"""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import yaml

from crypto.canonical import parse_json
from crypto.errors import CryptoError, ProtocolError
from protocol.documents.pointer import join_pointer, split_pointer

MAX_FILE_SIZE = 2 * 1024 * 1024
#: Values in the file, aliases and references counted as often as they are used.
MAX_NODES = 200_000
MAX_RESOLVED = 20_000
_MAX_DEPTH = 100
_MAX_RESOLVED_DEPTH = 28

_METHODS = ("get", "post")
#: Members of a schema that hold free values, in which `$ref` is no reference.
_FREE = frozenset({"example", "examples", "default", "enum", "const"})
#: Members that are kept of a schema: what describes the data.
_DROPPED = frozenset({"example", "examples", "externalDocs", "xml", "discriminator", "deprecated"})


def fault(code: str, message: str, *path: str) -> ProtocolError:
    """Return an error that names a place in the file by its JSON Pointer."""
    pointer = join_pointer(path)
    return ProtocolError(code, f"{pointer or '/'}: {message}", pointer=pointer)


# --- bytes to values -----------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML as JSON would have it: no dates, no yes and no, no repeated names, no tags."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the base class's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError("a name is not text")
            if key.value in seen:
                raise yaml.YAMLError("a name stands twice")
            seen.add(key.value)
        value = super().construct_mapping(node, deep=deep)
        # OpenAPI files write statuses as numbers.
        return {str(name): member for name, member in value.items()}


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"-?(?:0|[1-9][0-9]{0,15})", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,16})?(?:[eE][-+]?[0-9]{1,3})?", "-0123456789"),
    ("null", r"null|~|", "n~\0"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), [*_first, ""]
    )


def read_openapi(data: bytes) -> dict[str, Any]:
    """Return an OpenAPI file's object.

    Args:
        data: the file, JSON or YAML, at most 2 MiB.

    Raises:
        ProtocolError: OPENAPI_MALFORMED, OPENAPI_TOO_LARGE, OPENAPI_VERSION.
    """
    if len(data) > MAX_FILE_SIZE:
        raise ProtocolError("OPENAPI_TOO_LARGE", f"the file is larger than {MAX_FILE_SIZE} bytes")
    value = _parse(data)
    _count(value)
    if not isinstance(value, dict):
        raise ProtocolError("OPENAPI_MALFORMED", "the file is not an object")
    version = value.get("openapi")
    if not isinstance(version, str) or not re.fullmatch(r"3\.[01]\.\d{1,3}", version):
        raise fault("OPENAPI_VERSION", "only OpenAPI 3.0 and 3.1 are read", "openapi")
    return value


def _parse(data: bytes) -> Any:
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.lstrip()[:1] == b"{":
        try:
            return parse_json(data, max_bytes=MAX_FILE_SIZE)
        except CryptoError as json_error:
            reason = json_error
        raise ProtocolError("OPENAPI_MALFORMED", f"the file is not JSON: {reason.message}")
    loader: _Loader | None = None
    try:
        loader = _Loader(data.decode())
        node = loader.get_single_node()
        if node is None:
            raise ProtocolError("OPENAPI_MALFORMED", "the file is empty")
        _count_nodes(node, {}, ())
        return loader.construct_document(node)
    except ProtocolError:
        raise
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise ProtocolError("OPENAPI_MALFORMED", f"the file is not readable YAML{where}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _count_nodes(node: yaml.Node, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """Return the number of values below a node, an alias counting as often as it stands."""
    if id(node) in above or len(above) > _MAX_DEPTH:
        raise ProtocolError("OPENAPI_TOO_LARGE", "the file is nested too deeply, or in itself")
    if id(node) not in sizes:
        below: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            below = node.value
        elif isinstance(node, yaml.MappingNode):
            below = [one for pair in node.value for one in pair]
        sizes[id(node)] = 1 + sum(_count_nodes(one, sizes, (*above, id(node))) for one in below)
        if sizes[id(node)] > MAX_NODES:
            raise ProtocolError("OPENAPI_TOO_LARGE", f"the file has more than {MAX_NODES} values")
    return sizes[id(node)]


def _count(value: Any) -> None:
    todo, count = [(value, 0)], 0
    while todo:
        one, depth = todo.pop()
        count += 1
        if count > MAX_NODES or depth > _MAX_DEPTH:
            raise ProtocolError("OPENAPI_TOO_LARGE", f"the file has more than {MAX_NODES} values")
        if isinstance(one, dict):
            todo += [(member, depth + 1) for member in one.values()]
        elif isinstance(one, list):
            todo += [(member, depth + 1) for member in one]


# --- operation and references --------------------------------------------------------------------


def find_operation(document: Mapping[str, Any], wanted: str) -> tuple[str, str, dict[str, Any]]:
    """Return path, method and object of an operation.

    Args:
        document: the file's object.
        wanted: its operationId, or method and path such as "GET /persons".

    Raises:
        ProtocolError: OPERATION_UNKNOWN, OPERATION_UNFIT, OPENAPI_MALFORMED.
    """
    paths = document.get("paths")
    if not isinstance(paths, dict):
        raise fault("OPENAPI_MALFORMED", "paths is missing", "paths")
    for path, item in paths.items():
        if not isinstance(item, dict):
            continue
        for method, operation in item.items():
            if not isinstance(operation, dict):
                continue
            if wanted in (operation.get("operationId"), f"{method.upper()} {path}"):
                if method not in _METHODS:
                    raise fault("OPERATION_UNFIT", "only GET and POST are served", "paths", path)
                if not re.fullmatch(r"/[A-Za-z0-9/._-]{0,255}", path):
                    raise fault(
                        "OPERATION_UNFIT", "an interface's path has no parameters", "paths", path
                    )
                merged = _with_common_parameters(item, operation)
                return path, method, merged
    raise ProtocolError("OPERATION_UNKNOWN", "the file has no such operation", operation=wanted)


def _with_common_parameters(item: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    common = item.get("parameters")
    own = operation.get("parameters", [])
    if not isinstance(common, list) or not isinstance(own, list):
        return operation
    return {**operation, "parameters": [*common, *own]}


class Resolver:
    """Puts what references lead to in their places, a bounded number of values in all."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Create a resolver.

        Args:
            document: the file's object.
        """
        self._document = document
        self._count = 0

    def resolve(self, value: Any, *path: str) -> Any:
        """Return a value without references and without what only explains.

        Args:
            value: part of the file.
            path: where it stands, for messages.

        Raises:
            ProtocolError: REFERENCE_EXTERNAL, REFERENCE_UNKNOWN, REFERENCE_RECURSIVE,
                OPENAPI_TOO_LARGE.
        """
        return self._resolve(value, path, ())

    def _resolve(self, value: Any, path: tuple[str, ...], above: tuple[str, ...]) -> Any:
        self._count += 1
        if self._count > MAX_RESOLVED or len(path) > _MAX_DEPTH:
            raise fault("OPENAPI_TOO_LARGE", "the operation is too large", *path[:_MAX_DEPTH])
        if isinstance(value, list):
            return [
                self._resolve(one, (*path, str(place)), above) for place, one in enumerate(value)
            ]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if reference is None:
            return {
                name: member
                if name in _FREE and not self._is_member_name(path)
                else self._resolve(member, (*path, name), above)
                for name, member in value.items()
                if self._is_member_name(path) or (name not in _DROPPED and name[:2] != "x-")
            }
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise fault("REFERENCE_EXTERNAL", "a reference leads out of the file", *path, "$ref")
        if reference in above or len(above) > _MAX_RESOLVED_DEPTH:
            raise fault("REFERENCE_RECURSIVE", "a reference leads back to itself", *path, "$ref")
        found = self._resolve(self._find(reference, path), path, (*above, reference))
        others = {name: member for name, member in value.items() if name != "$ref"}
        if others and isinstance(found, dict):
            found = {**found, **self._resolve(others, path, above)}
        return found

    @staticmethod
    def _is_member_name(path: tuple[str, ...]) -> bool:
        """Return whether the names of the object at this path are the data's own."""
        return path[-1:] == ("properties",) and path[-2:-1] != ("properties",)

    def _find(self, reference: str, path: tuple[str, ...]) -> Any:
        at: Any = self._document
        try:
            parts = split_pointer(reference[1:])
        except ProtocolError:
            parts = ("",)
        for part in parts:
            at = at.get(part) if isinstance(at, dict) else None
        if at is None:
            raise fault("REFERENCE_UNKNOWN", f"{reference[:100]} leads to nothing", *path, "$ref")
        return at

"""JSON Pointers (RFC 6901) and the patterns of docs/protocol.md 5.1."""

import re

from protocol.documents.common import malformed

_MAX_DEPTH = 32
_MAX_LENGTH = 512


def split_pointer(text: object) -> tuple[str, ...]:
    """Split a JSON Pointer or pattern into its unescaped parts.

    Raises:
        ProtocolError: DOCUMENT_MALFORMED.
    """
    if not isinstance(text, str) or (text and not text.startswith("/")) or len(text) > _MAX_LENGTH:
        raise malformed("a JSON Pointer is empty or starts with a slash")
    parts = text.split("/")[1:] if text else []
    if len(parts) > _MAX_DEPTH or any(re.search(r"~(?![01])", part) for part in parts):
        raise malformed("a JSON Pointer is not valid")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def join_pointer(parts: tuple[str, ...]) -> str:
    """Return the JSON Pointer of these parts."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)

"""What entry and interface documents share: canonical JSON of at most 64 KiB, named by its SM3."""

from typing import Any

from crypto.canonical import parse_canonical
from crypto.errors import CryptoError, ProtocolError
from crypto.sm3 import sm3

MAX_DOCUMENT_SIZE = 65536


def document_digest(data: bytes) -> bytes:
    """Return the 32-byte SM3 that names a document."""
    return sm3(data)


def malformed(message: str, **details: object) -> ProtocolError:
    """Return the error for a document that does not follow its form."""
    return ProtocolError("DOCUMENT_MALFORMED", message, **details)


def load_object(data: bytes, what: str) -> dict[str, Any]:
    """Return a document's JSON object.

    Args:
        data: the document's bytes.
        what: "an entry document" or the like, for the message.

    Raises:
        ProtocolError: DOCUMENT_MALFORMED.
    """
    try:
        value = parse_canonical(data, max_bytes=MAX_DOCUMENT_SIZE)
    except CryptoError as error:
        raise malformed(f"{what} must be canonical JSON of at most 64 KiB") from error
    if not isinstance(value, dict):
        raise malformed(f"{what} must be an object")
    return value

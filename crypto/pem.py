"""PEM blocks, strictly: a label, base64 in its one form, and nothing around the blocks.

Standard: RFC 7468 clause 3, the strict form.
"""

import base64
import binascii
import re

from crypto.errors import CryptoError

_BLOCK = re.compile(
    rb"\s*-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END \1-----\s*", re.ASCII
)


class PemError(CryptoError):
    """Bytes are not the PEM blocks that were expected; the caller says what they should be."""

    def __init__(self, reason: str) -> None:
        super().__init__("PEM_MALFORMED", f"The PEM cannot be read: {reason}.")
        self.reason = reason


def encode_pem(label: str, data: bytes) -> bytes:
    """Return one block with lines of 64 characters."""
    text = base64.b64encode(data)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join(
        (f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----\n".encode())
    )


def decode_pem(pem: bytes, label: str) -> tuple[bytes, ...]:
    """Return the contents of the blocks, at least one, which must all have this label.

    Args:
        pem: the blocks; the caller has limited its length.
        label: such as CERTIFICATE.

    Raises:
        PemError: anything else than such blocks and white space.
    """
    blocks: list[bytes] = []
    at = 0
    while at < len(pem) or not blocks:
        match = _BLOCK.match(pem, at)
        if match is None or match[1] != label.encode():
            raise PemError(f"it is not one PEM block named {label}, or several")
        text = re.sub(rb"[\r\n]", b"", match[2])
        try:
            data = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise PemError("its base64 is broken") from None
        if base64.b64encode(data) != text:
            raise PemError("its base64 is broken")
        blocks.append(data)
        at = match.end()
    return tuple(blocks)

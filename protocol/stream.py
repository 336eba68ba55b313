"""Numbers of a caller's requests: `<stream id>;<sequence>` (docs/protocol.md, 7.1)."""

import re
from dataclasses import dataclass
from typing import Self

from crypto.errors import ProtocolError

MAX_SEQUENCE = 2**53 - 1
STREAM_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: The form alone; that the sequence is not above MAX_SEQUENCE is checked beside it.
_STREAM = re.compile(r"([A-Za-z0-9._-]{1,64});([1-9][0-9]{0,15})")


@dataclass(frozen=True, slots=True)
class Stream:
    """One number of one stream; with the signing key it is used once.

    Attributes:
        id: 1 to 64 of letters, digits, ``.``, ``_``, ``-``.
        sequence: 1 to 2^53 - 1; the first of a stream is 1.
    """

    id: str
    sequence: int

    def __str__(self) -> str:
        """Return the text that is signed."""
        return f"{self.id};{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text that is signed; each number has one spelling.

        Raises:
            ProtocolError: STREAM_MALFORMED.
        """
        found = _STREAM.fullmatch(text)
        if found is None or int(found.group(2)) > MAX_SEQUENCE:
            raise ProtocolError(
                "STREAM_MALFORMED",
                "a stream is <id>;<sequence>: 1 to 64 of A-Z a-z 0-9 . _ - and a number from 1",
                field="stream",
            )
        return cls(found.group(1), int(found.group(2)))


def is_stream(value: object) -> bool:
    """Return whether a value is a stream's number in its one spelling."""
    try:
        return isinstance(value, str) and bool(Stream.parse(value))
    except ProtocolError:
        return False

"""Strict reading and writing of the little DER that keys need.

Standard: ITU-T X.690 clauses 8 and 10.
"""

from crypto.errors import CryptoError

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, SEQUENCE = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30


class DerError(CryptoError):
    """Bytes are not the DER that was expected; the caller says what they should have been."""

    def __init__(self) -> None:
        super().__init__("DER_MALFORMED", "The bytes are not the DER that was expected.")


class DerReader:
    """Reads the elements of one DER value in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def has_more(self) -> bool:
        """Return whether an element is left."""
        return self._at < len(self._data)

    def peek_tag(self) -> int:
        """Return the next element's tag, or -1 at the end."""
        return self._data[self._at] if self.has_more() else -1

    def read(self, tag: int) -> bytes:
        """Return the content of the next element, which must have this tag.

        Raises:
            DerError: another tag, a length that is not minimal, or truncated content.
        """
        head = self._data[self._at : self._at + 2]
        if len(head) < 2 or head[0] != tag:
            raise DerError
        start, length = self._at + 2, head[1]
        if length >= 0x80:
            octets = self._data[start : start + length - 0x80]
            start += length - 0x80
            length = int.from_bytes(octets, "big")
            # 0x80 alone is the indefinite form; a length has its fewest octets.
            if not 1 <= len(octets) <= 3 or octets[0] == 0 or length < 0x80:
                raise DerError
        end = start + length
        if end > len(self._data):
            raise DerError
        self._at = end
        return self._data[start:end]

    def read_sequence(self) -> "DerReader":
        """Return a reader of the next element, a SEQUENCE."""
        return DerReader(self.read(SEQUENCE))

    def read_unsigned(self) -> int:
        """Return the next element, an INTEGER that is not negative."""
        content = self.read(INTEGER)
        if not content or content[0] >= 0x80:
            raise DerError
        if len(content) > 1 and content[0] == 0 and content[1] < 0x80:
            raise DerError
        return int.from_bytes(content, "big")

    def read_bit_string(self) -> bytes:
        """Return the octets of the next element, a BIT STRING of whole octets."""
        content = self.read(BIT_STRING)
        if not content or content[0] != 0:
            raise DerError
        return content[1:]

    def skip_null(self) -> None:
        """Pass over a NULL, where one may stand."""
        if self.peek_tag() == NULL and self.read(NULL):
            raise DerError

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            DerError: something is.
        """
        if self.has_more():
            raise DerError


def encode(tag: int, *contents: bytes) -> bytes:
    """Return the DER element with this tag and the contents one after another."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 + len(octets))) + octets + content


def encode_oid(dotted: str) -> bytes:
    """Return the whole OBJECT IDENTIFIER element of a dotted name such as 1.2.156."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = bytearray()
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(0x80 | arc & 0x7F)
        content += bytes(reversed(septets))
    return encode(OID, bytes(content))

"""One signature for several messages at a time (docs/protocol.md, 7.3).

Calls and answers that are ready at the same time make a group: the tree of RFC 6962 with SM3 over
their signature bases, in any order, whose size and root are signed. Each message carries its own
path to the root, so that it stands alone. A message that is alone is signed itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from crypto.errors import VerificationError
from crypto.merkle import Frontier, InclusionPaths, leaf_hash, root_from_path
from crypto.sm2 import PublicKey, Signature, Signer
from protocol.httpsig.common import refuse, signature_headers, verify_base

GROUP_HEADER = "sanlian-group"
MAX_GROUP = 1024
_MAX_PATH = 10
_HEADER = re.compile(
    r"(?P<index>0|[1-9][0-9]{0,3});(?P<size>[1-9][0-9]{0,3});"
    rf"(?P<path>[0-9a-f]{{64}}(?:,[0-9a-f]{{64}}){{0,{_MAX_PATH - 1}}})"
)
_VERIFIED_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Group:
    """Where a message stands in the group that one signature covers.

    Attributes:
        index: its number from 0.
        size: number of messages, 2 to 1,024.
        path: inclusion path, 32-byte hashes from the leaf upwards.
    """

    index: int
    size: int
    path: tuple[bytes, ...]

    def to_header(self) -> str:
        """Return the header ``sanlian-group``."""
        return f"{self.index};{self.size};{','.join(node.hex() for node in self.path)}"

    @classmethod
    def from_header(cls, text: str) -> Self:
        """Decode the header ``sanlian-group``.

        Raises:
            ProtocolError: SIGNATURE_MALFORMED.
        """
        found = _HEADER.fullmatch(text)
        if found is None or not 2 <= int(found["size"]) <= MAX_GROUP:
            raise refuse("SIGNATURE_MALFORMED", "sanlian-group is not index;size;path")
        path = tuple(bytes.fromhex(node) for node in found["path"].split(","))
        return cls(int(found["index"]), int(found["size"]), path)

    def to_record(self) -> dict[str, Any]:
        """Return the member ``group`` of a record."""
        return {
            "index": self.index,
            "size": self.size,
            "path": [node.hex() for node in self.path],
        }

    @classmethod
    def from_record(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild from the member ``group`` of a record that parse_record accepted."""
        path = tuple(bytes.fromhex(node) for node in value["path"])
        return cls(value["index"], value["size"], path)

    def text(self, base: bytes) -> bytes:
        """Return what was signed if this base is in the group.

        Raises:
            VerificationError: SIGNATURE_INVALID when there is no such place in the group.
        """
        try:
            root = root_from_path(leaf_hash(base), self.index, self.size, self.path)
        except VerificationError as error:
            raise VerificationError(
                "SIGNATURE_INVALID", "the path does not fit the place in the group"
            ) from error
        return _text(self.size, root)


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A message that is to be signed.

    Attributes:
        base: its signature base (RFC 9421 section 2.5).
        parameters: its signature parameters.
        headers: its other headers.
    """

    base: bytes
    parameters: str
    headers: Mapping[str, str]


def sign_all(key: Signer, messages: Sequence[Unsigned]) -> list[dict[str, str]]:
    """Sign messages with one signature and return all headers of each, in their order.

    Args:
        key: the signer's key.
        messages: 1 to 1,024 messages.

    Raises:
        SanlianError: the key cannot sign.
    """
    if len(messages) == 1:
        (message,) = messages
        signature = key.sign(message.base)
        return [
            {**message.headers, **signature_headers(message.parameters, signature, key.public_key)}
        ]
    nodes: dict[tuple[int, int], bytes] = {}
    tree = Frontier()
    for message in messages:
        for level, index, digest in tree.append(leaf_hash(message.base)):
            nodes[level, index] = digest
    size = len(messages)
    paths = InclusionPaths(lambda *place: nodes[place], size)
    signature = key.sign(_text(size, tree.root()))
    return [
        {
            **message.headers,
            **signature_headers(message.parameters, signature, key.public_key),
            GROUP_HEADER: Group(index, size, paths.of(index)).to_header(),
        }
        for index, message in enumerate(messages)
    ]


def verify_message(
    public_key: PublicKey, base: bytes, signature: Signature, group: Group | None
) -> None:
    """Check the signature of a message that came alone or in a group.

    Raises:
        VerificationError: SIGNATURE_INVALID.
    """
    verify_base(public_key, base if group is None else group.text(base), signature)


def verify_arrived(
    public_key: PublicKey, base: bytes, signature: Signature, group: Group | None
) -> None:
    """The same for messages as they arrive: the signature of a group is checked once.

    Raises:
        VerificationError: SIGNATURE_INVALID.
    """
    if group is None:
        verify_base(public_key, base, signature)
    else:
        _verify_text(public_key, group.text(base), signature)


@lru_cache(maxsize=_VERIFIED_KEPT)
def _verify_text(public_key: PublicKey, text: bytes, signature: Signature) -> None:
    """What does not hold raises, and so is not remembered."""
    verify_base(public_key, text, signature)


def _text(size: int, root: bytes) -> bytes:
    return f"sanlian/group/v1\n{size}\n{root.hex()}\n".encode()

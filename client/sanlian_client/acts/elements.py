"""Drafts about who is the source of a data element of the city."""

import re

from crypto.errors import ProtocolError
from protocol.acts import Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed, seal


def element_code(text: str) -> bytes:
    """Return the 32 bytes of a data element's city-wide code.

    Args:
        text: the code, 1 to 32 printable ASCII characters; or 64 hex digits of a digest.

    Raises:
        ProtocolError: ACT_MALFORMED.
    """
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return bytes.fromhex(text)
    if not re.fullmatch(r"[!-~]{1,32}", text):
        raise ProtocolError(
            "ACT_MALFORMED", "a data element's code is 1 to 32 ASCII characters", field="element"
        )
    return text.encode().ljust(32, b"\0")


class ElementActs(ActBuilder):
    """Claims to be a data element's source, and decisions between two of them."""

    def claim_element(
        self, operator: bytes, head: bytes, *, entry: bytes, item: int, element: bytes
    ) -> Draft:
        """Draft the claim to be the source of a data element of the city.

        Args:
            operator: key id of the operator.
            head: key id of the head of the same department.
            entry: its published entry that holds the element.
            item: index of the item that is the element.
            element: 32-byte city-wide code of the element, see element_code.
        """
        values: dict[str, Value] = {"entry": entry, "element": element, "item": item}
        return self.build("ElementClaimed", [operator, head], values)

    def release_element(self, head: bytes, claim: bytes, reason: bytes) -> tuple[Draft, Sealed]:
        """Draft the end of a claim by the claiming department's head, for a sealed reason."""
        return self._reasoned("ElementReleased", head, claim, reason)

    def decide_conflict(
        self, authority: bytes, claim: bytes, *, source: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft the authority's decision on a claim in CONFLICT.

        Args:
            authority: key id of an authority person.
            claim: the claim in CONFLICT.
            source: id of the department that shall be the source: the claiming one or the source
                so far.
            reason: text of the reason, which gets sealed.
        """
        sealed = seal(reason)
        values: dict[str, Value] = {"source_department": source, "reason": sealed.commitment}
        return self.build("ConflictDecided", [authority], values, target=claim), sealed

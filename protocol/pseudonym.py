"""What stands for a person in what is signed and logged: a pseudonym, never the person's number."""

import re
from typing import Final

#: Numbers of resident identity cards (GB 11643) and of mobile telephones.
_PERSONAL: Final = re.compile(r"[1-9][0-9]{16}[0-9Xx]|1[3-9][0-9]{9}")


def is_pseudonym(text: str) -> bool:
    """Return whether a text may stand for a person; names cannot be told from pseudonyms."""
    return _PERSONAL.fullmatch(text) is None

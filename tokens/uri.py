"""`pkcs11:` URIs: which key on which token through which module, and how it signs with SM2.

    pkcs11:token=ministry;object=operator?module-path=/usr/lib/vendor.so&sm2=8104

Path attributes select token and key: token, manufacturer, model, serial, slot-id, object, id, type.
Query attributes: module-path, and this project's own sm2, sm2-mechanism, sm2-input, sm2-output,
sm2-key-type and sm2-generate (tokens/profile.py). Everything else is refused: an attribute that is
not understood could have excluded what it now selects. A PIN never stands in a URI, because command
lines and logs are read by others.

Standard: RFC 7512.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from crypto.errors import TokenError
from tokens.cryptoki import TokenInfo
from tokens.profile import Profile, make_profile

SCHEME: Final = "pkcs11:"
MAX_LENGTH: Final = 2048

_TEXTS = ("token", "manufacturer", "model", "serial", "object")
_PATH = frozenset({*_TEXTS, "slot-id", "id", "type"})
_PROFILE = ("sm2", "sm2-mechanism", "sm2-input", "sm2-output", "sm2-key-type", "sm2-generate")
_QUERY = frozenset({"module-path", *_PROFILE})
_PART = re.compile(r"([a-z0-9_-]+)=((?:[A-Za-z0-9._~:\[\]@!$'()*+,=/?&|-]|%[0-9A-Fa-f]{2})*)")


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A parsed URI.

    Attributes:
        text: the URI as it was given.
        module_path: absolute path of the module.
        token: texts that the token's information must equal, by name.
        slot_id: number of the slot, or None.
        label: the key's label, or None.
        key_id: the key's CKA_ID, or None.
        profile: how the token signs, or None where the URI does not say.
    """

    text: str
    module_path: Path
    token: Mapping[str, str]
    slot_id: int | None
    label: str | None
    key_id: bytes | None
    profile: Profile | None

    def __str__(self) -> str:
        return self.text

    def is_of(self, info: TokenInfo) -> bool:
        """Return whether the URI selects this token."""
        return (self.slot_id is None or self.slot_id == info.slot_id) and all(
            {
                "token": info.label,
                "manufacturer": info.manufacturer,
                "model": info.model,
                "serial": info.serial,
            }[name]
            == text
            for name, text in self.token.items()
        )


def parse_uri(text: str) -> TokenUri:
    """Return what a URI says.

    Raises:
        TokenError: PKCS11_URI_INVALID.
    """
    if not text.startswith(SCHEME) or len(text) > MAX_LENGTH:
        raise _invalid(f"it begins with {SCHEME} and has at most {MAX_LENGTH} characters")
    path, _, query = text[len(SCHEME) :].partition("?")
    selected = _parse(path, ";", _PATH)
    settings = _parse(query, "&", _QUERY)
    module = settings.pop("module-path", b"").decode("utf-8", "replace")
    if not module.startswith("/"):
        raise _invalid("module-path names the PKCS#11 module by its absolute path")
    if selected.pop("type", b"private") not in {b"private", b"public"}:
        raise _invalid("type is private")
    slot = selected.pop("slot-id", None)
    if slot is not None and not (slot.isdigit() and len(slot) < 20):
        raise _invalid("slot-id is a number")
    key_id = selected.pop("id", None)
    texts: dict[str, str] = {}
    for name, value in selected.items():
        try:
            texts[name] = value.decode("utf-8")
        except UnicodeDecodeError:
            raise _invalid(f"{name} is not UTF-8") from None
    label = texts.pop("object", None)
    profile = None
    if settings:
        try:
            profile = make_profile({name: value.decode() for name, value in settings.items()})
        except ValueError as error:
            raise _invalid(str(error)) from None
    return TokenUri(
        text,
        Path(module),
        texts,
        None if slot is None else int(slot),
        label,
        key_id,
        profile,
    )


def _parse(text: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        match = _PART.fullmatch(part)
        if match is None:
            raise _invalid("its parts are name=value, other characters percent-encoded")
        name = match[1]
        if name in {"pin-value", "pin-source"}:
            raise _invalid("a PIN is typed, or given by descriptor or environment, not in a URI")
        if name not in known:
            raise _invalid(f"{name} is not an attribute that is understood here")
        if name in found:
            raise _invalid(f"{name} stands twice")
        found[name] = unquote_to_bytes(match[2])
    return found


def _invalid(reason: str) -> TokenError:
    return TokenError("PKCS11_URI_INVALID", f"the pkcs11 URI cannot be used: {reason}")

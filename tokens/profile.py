"""How a token signs with SM2: numbers and habits that PKCS#11 leaves to vendors.

No version of PKCS#11 up to 3.2 has SM2, so every vendor has numbers and habits of its own. A
profile says them; the presets are those that vendors' published headers name. None is guessed: the
wrong mechanism on a private key could do anything, so a URI names its profile.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

CKK_EC: Final = 0x03
CKM_EC_KEY_PAIR_GEN: Final = 0x1040


class Input(Enum):
    """What the sign mechanism takes."""

    DIGEST = "digest"  #: e = SM3(Z_A || M), 32 bytes
    PREFIXED = "prefixed"  #: Z_A || M: the token computes SM3 of it
    MESSAGE = "message"  #: M: the token computes Z_A with the default user id, and e


class Output(Enum):
    """What the sign mechanism gives."""

    RAW = "raw"  #: r || s, 64 bytes
    DER = "der"  #: DER of SEQUENCE { r, s }


@dataclass(frozen=True, slots=True)
class Profile:
    """How a token signs.

    Attributes:
        mechanism: number of the sign mechanism.
        input: what it takes.
        output: what it gives.
        key_type: CKA_KEY_TYPE of SM2 keys, to make one and to list them.
        generate: number of the mechanism that makes a key pair.
    """

    mechanism: int
    input: Input
    output: Output
    key_type: int = CKK_EC
    generate: int = CKM_EC_KEY_PAIR_GEN


def _gm(mechanism: int, takes: Input, gives: Output) -> Profile:
    return Profile(0x80008000 + mechanism, takes, gives, 0x80000004, 0x80008001)


#: Names are the last four digits of the mechanism, then of IBM's the vendor's own word.
PRESETS: Final[Mapping[str, Profile]] = {
    # CKM_SM2 = 0x80008000, CKK_SM2 = 0x80000004: the numbers that several vendors of tokens share.
    "8100": _gm(0x100, Input.PREFIXED, Output.RAW),  # CKM_SM3_SM2
    "8101": _gm(0x101, Input.PREFIXED, Output.DER),  # CKM_SM3_SM2_DER
    "8102": _gm(0x102, Input.MESSAGE, Output.RAW),  # CKM_SM3_SM2_APPID1
    "8103": _gm(0x103, Input.MESSAGE, Output.DER),  # CKM_SM3_SM2_APPID1_DER
    "8104": _gm(0x104, Input.DIGEST, Output.DER),  # CKM_SM2_SIGN
    "8105": _gm(0x105, Input.DIGEST, Output.RAW),  # CKM_SM2_SIGN_NO_DER
    # IBM's enterprise PKCS #11.
    "ibm": Profile(0x8005000B, Input.DIGEST, Output.RAW, 0x80050002, 0x8005000A),  # CKM_IBM_SM2
}

_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,16}")


def make_profile(settings: Mapping[str, str]) -> Profile:
    """Return the profile that a URI's attributes name.

    Args:
        settings: sm2 (a preset) and what differs from it, or sm2-mechanism, sm2-input and
            sm2-output; names and values as in the URI.

    Raises:
        ValueError: they name none; the text says why.
    """
    rest = dict(settings)
    name = rest.pop("sm2", None)
    if name is not None and name not in PRESETS:
        raise ValueError(f"sm2 is one of {', '.join(PRESETS)}")
    given: dict[str, object] = {}
    try:
        for attribute, field in (
            ("sm2-mechanism", "mechanism"),
            ("sm2-key-type", "key_type"),
            ("sm2-generate", "generate"),
        ):
            if attribute in rest:
                given[field] = _number(attribute, rest[attribute])
        if "sm2-input" in rest:
            given["input"] = Input(rest["sm2-input"])
        if "sm2-output" in rest:
            given["output"] = Output(rest["sm2-output"])
    except ValueError as error:
        raise ValueError(f"sm2 settings: {error}") from None
    if name is not None:
        return replace(PRESETS[name], **given)  # type: ignore[arg-type]  # each of its field's type
    missing = {"mechanism", "input", "output"} - set(given)
    if missing:
        raise ValueError("without a preset, sm2-mechanism, sm2-input and sm2-output are given")
    return Profile(**given)  # type: ignore[arg-type]  # the same


def find_presets(mechanisms: frozenset[int]) -> list[str]:
    """Return the presets whose sign mechanism a token has."""
    return [name for name, profile in PRESETS.items() if profile.mechanism in mechanisms]


def _number(attribute: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{attribute} is a number in hex, 0x…")
    return int(text, 16)

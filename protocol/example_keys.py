"""Keys of the example city: anyone can compute them, so they count in an example deployment only.

A name is `<unit>/<role>`: the unit's number in the example's list (00 is the authority) and a role.
"""

from functools import cache

from crypto.errors import ProtocolError
from crypto.sm2 import N, PrivateKey
from crypto.sm3 import sm3

#: Roles for which the example has keys; every unit has a head.
UNIT_ROLES = ("head", "operator", "officer", "system", "provider", "auditor", "witness")
AUTHORITY_ROLES = (
    "head",
    "authority-1",
    "authority-2",
    "authority-3",
    "gateway",
    "platform",
    "cdo",
)
UNITS = 40


def example_key(name: str) -> PrivateKey:
    """Return the example's key of this name: SM3 of a fixed text, made a number in [1, n - 2]."""
    seed = int.from_bytes(sm3(b"sanlian example key\n" + name.encode()), "big")
    return PrivateKey.from_int(seed % (N - 2) + 1)


def example_key_names() -> tuple[str, ...]:
    """Return the names of all example keys."""
    return (
        *(f"00/{role}" for role in AUTHORITY_ROLES),
        *(f"{unit:02d}/{role}" for unit in range(1, UNITS + 1) for role in UNIT_ROLES),
    )


@cache
def example_key_ids() -> frozenset[bytes]:
    """Return the key ids of all example keys."""
    return frozenset(example_key(name).public_key.key_id for name in example_key_names())


def refuse_example_key(key_id: bytes, *, is_example: bool) -> None:
    """Refuse a key that everyone knows, unless the deployment is the example.

    Raises:
        ProtocolError: EXAMPLE_KEY_REFUSED.
    """
    if not is_example and key_id in example_key_ids():
        raise ProtocolError(
            "EXAMPLE_KEY_REFUSED", "this key is an example: everyone knows it", key_id=key_id.hex()
        )

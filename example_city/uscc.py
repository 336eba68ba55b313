"""Unified social credit codes (GB 32100-2015) for made-up companies."""

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def check_character(first17: str) -> str:
    """Return the check character of the first 17 characters (GB 32100-2015 clause 5).

    Raises:
        ValueError: not 17 characters of the alphabet.
    """
    if len(first17) != 17:
        raise ValueError(first17)
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(first17))
    return ALPHABET[(31 - total % 31) % 31]

"""Unified social credit codes (GB 32100-2015) for made-up companies."""

from protocol.credit_code import ALPHABET, is_credit_code

__all__ = ["ALPHABET", "check_character"]


def check_character(first17: str) -> str:
    """Return the check character of the first 17 characters (GB 32100-2015 clause 5).

    Raises:
        ValueError: not 17 characters of the alphabet.
    """
    for last in ALPHABET:
        if is_credit_code(first17 + last, overridden=False):
            return last
    raise ValueError(first17)

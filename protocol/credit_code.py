"""Unified social credit codes (统一社会信用代码)."""

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def is_credit_code(code: str, *, overridden: bool) -> bool:
    """Return whether code is a unified social credit code.

    Args:
        code: 18 characters.
        overridden: True accepts any last character of the alphabet.

    Standard: GB 32100-2015 clause 5.
    """
    values = [ALPHABET.find(character) for character in code]
    if len(values) != 18 or min(values) < 0:
        return False
    total = sum(value * pow(3, place, 31) for place, value in enumerate(values[:17]))
    return overridden or values[17] == -total % 31

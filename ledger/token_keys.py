"""The platform's and the gateway's keys where they stay in a token; both processes use this."""

from crypto.errors import TokenError
from ledger.settings import Settings
from tokens.cryptoki import TokenInfo
from tokens.key import Pin, TokenKey
from tokens.uri import parse_uri


def token_uri(settings: Settings, name: str) -> str:
    """Return the pkcs11: URI of the key "platform" or "gateway"; empty: it is a file."""
    return {"platform": settings.platform_key, "gateway": settings.gateway_key}[name]


def open_token_key(settings: Settings, name: str) -> TokenKey:
    """Open the key "platform" or "gateway" in its token.

    Raises:
        TokenError: PKCS11_PIN_MISSING without a PIN in the settings; see tokens.key.TokenKey.
    """

    def get_pin(_: TokenInfo) -> Pin:
        if not settings.token_pin:
            raise TokenError("PKCS11_PIN_MISSING", "set SANLIAN_TOKEN_PIN")
        return Pin(settings.token_pin.encode(), typed=False)

    return TokenKey(parse_uri(token_uri(settings, name)), get_pin)

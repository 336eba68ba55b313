"""The platform's and the gateway's keys where they stay in a token; both processes use this."""

from crypto.errors import LedgerError, TokenError
from crypto.keyfile import load_private_key
from crypto.sm2 import Signer
from ledger.settings import Settings
from protocol.deployment import Deployment
from protocol.example_keys import refuse_example_key
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


def open_gateway_key(settings: Settings, deployment: Deployment) -> Signer:
    """Return the gateway's key, from its token or from keys/gateway.pem.

    Raises:
        LedgerError: KEYFILE_INVALID, LOG_OTHER_IDENTITY; those of a token.
        ProtocolError: EXAMPLE_KEY_REFUSED.
        CryptoError: the key file does not open.
    """
    key = _read_gateway_key(settings)
    if key.public_key != deployment.gateway_key:
        raise LedgerError("LOG_OTHER_IDENTITY", "the gateway's key is not the deployment's")
    refuse_example_key(key.public_key.key_id, is_example=deployment.example)
    return key


def _read_gateway_key(settings: Settings) -> Signer:
    if settings.gateway_key:
        return open_token_key(settings, "gateway")
    try:
        pem = (settings.home / "keys" / "gateway.pem").read_bytes()
    except OSError as error:
        raise LedgerError("KEYFILE_INVALID", "keys/gateway.pem cannot be read") from error
    return load_private_key(pem, settings.key_passphrase)

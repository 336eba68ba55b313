"""Commands for keys in tokens: which tokens and keys there are, and whether one signs."""

import secrets
from pathlib import Path

import click

from sanlian_client.commands.console import FILE, json_option, plain_errors, show
from sanlian_client.commands.signing import ask_pin, open_token_key, pin_option
from tokens.cryptoki import TokenFlag
from tokens.key import TokenKey, generate_key, list_keys, list_tokens
from tokens.profile import find_presets
from tokens.uri import parse_uri

_CKA_ID_LENGTH = 16
_PIN_STATES = {
    TokenFlag.USER_PIN_LOCKED: "locked",
    TokenFlag.USER_PIN_FINAL_TRY: "one try left",
    TokenFlag.USER_PIN_COUNT_LOW: "a wrong one was given",
}


def make_token_key(text: str) -> TokenKey:
    """Make a key on the token that a URI selects.

    Raises:
        TokenError: see tokens.key.generate_key.
    """
    return generate_key(parse_uri(text), ask_pin, cka_id=secrets.token_bytes(_CKA_ID_LENGTH))


@click.command("tokens")
@click.argument("module", type=FILE)
@json_option
@plain_errors
def key_tokens(module: Path, *, as_json: bool) -> None:
    """List the tokens of a PKCS#11 module and the presets that fit. 列出令牌。"""
    for info, mechanisms in list_tokens(module.absolute()):
        pin = next((word for flag, word in _PIN_STATES.items() if info.flags & flag), "well")
        show(
            {
                "token": info.label,
                "serial": info.serial,
                "model": info.model,
                "manufacturer": info.manufacturer,
                "slot_id": info.slot_id,
                "pin": pin,
                "presets": find_presets(mechanisms),
                "mechanisms": [f"0x{one:08x}" for one in sorted(mechanisms)],
            },
            as_json=as_json,
        )


@click.command("list")
@click.argument("uri")
@json_option
@plain_errors
def key_list(uri: str, *, as_json: bool) -> None:
    """List the SM2 keys that a token shows without a PIN. 列出令牌中的公钥。"""
    for found in list_keys(parse_uri(uri)):
        show(
            {
                "object": found.label,
                "id": found.cka_id.hex(),
                "key_id": found.public_key.key_id.hex(),
                "public_key": found.public_key.to_bytes().hex(),
            },
            as_json=as_json,
        )


@click.command("check")
@click.argument("uri")
@pin_option
@json_option
@plain_errors
def key_check(uri: str, *, as_json: bool) -> None:
    """Let a token sign a text that is no act, and verify it. 检验令牌能否签名。"""
    with open_token_key(parse_uri(uri)) as key:
        key.check()
        show({"key_id": key.public_key.key_id.hex(), "signs": True}, as_json=as_json)

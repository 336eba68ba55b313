"""Commands `sanlian-client key`: keys made and shown."""

from pathlib import Path

import click

from crypto.keyfile import dump_public_key
from sanlian_client.commands.certificate import key_certified
from sanlian_client.commands.console import json_option, plain_errors, show
from sanlian_client.commands.signing import (
    ask_passphrase,
    is_token_key,
    open_key,
    passphrase_option,
    pin_option,
)
from sanlian_client.commands.token import key_check, key_list, key_tokens, make_token_key
from sanlian_client.keys import make_key


@click.group("key")
def key() -> None:
    """Keys in files and tokens. 密钥。"""


key.add_command(key_tokens)
key.add_command(key_list)
key.add_command(key_check)
key.add_command(key_certified)


@key.command("new")
@click.argument("path")
@passphrase_option
@pin_option
@json_option
@plain_errors
def key_new(path: str, passphrase: str | None, *, as_json: bool) -> None:
    """Make a key in a new file, or on a token (pkcs11: URI). 生成密钥。"""
    if is_token_key(path):
        made = make_token_key(path).public_key
    else:
        made = make_key(Path(path), ask_passphrase(passphrase, new=True)).public_key
    show({"key_id": made.key_id.hex(), "public_key": made.to_bytes().hex()}, as_json=as_json)


@key.command("show")
@click.argument("path")
@passphrase_option
@pin_option
@click.option("--pem", is_flag=True, help="Print the public key as PEM. 输出 PEM 公钥。")
@json_option
@plain_errors
def key_show(path: str, passphrase: str | None, *, pem: bool, as_json: bool) -> None:
    """Show the public key of a key file or token key. 显示公钥。"""
    public = open_key(path, passphrase).public_key
    if pem:
        click.echo(dump_public_key(public).decode(), nl=False)
        return
    show({"key_id": public.key_id.hex(), "public_key": public.to_bytes().hex()}, as_json=as_json)

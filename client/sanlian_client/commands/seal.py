"""Commands for sealed texts in files: `seal`, `encrypt-sealed`, `open-sealed`."""

from pathlib import Path

import click

from crypto.errors import VerificationError
from crypto.keyfile import load_public_key
from crypto.sm2 import PublicKey
from protocol.envelope import MAX_ENVELOPE_SIZE, Envelope, encrypt_to
from sanlian_client.commands.console import FILE, json_option, parse_hex, plain_errors, show
from sanlian_client.commands.signing import ask_passphrase, passphrase_option
from sanlian_client.files import read_limited, write_new
from sanlian_client.keys import load_key
from sanlian_client.sealing import MAX_SEALED_FILE_SIZE, MAX_SEALED_SIZE, Sealed, seal


@click.command("seal")
@click.argument("text", type=FILE)
@click.argument("path", type=FILE)
@json_option
@plain_errors
def seal_text(text: Path, path: Path, *, as_json: bool) -> None:
    """Seal a text file: salt and text go to PATH, keep it. 密封文件，输出承诺值。"""
    sealed = seal(read_limited(text, max_bytes=MAX_SEALED_SIZE))
    write_new(path, sealed.to_bytes())
    show({"commitment": sealed.commitment.hex()}, as_json=as_json)


def _read_public_key(path: Path) -> PublicKey:
    return load_public_key(read_limited(path, max_bytes=65536))


@click.command("encrypt-sealed")
@click.argument("sealed", type=FILE)
@click.argument("path", type=FILE)
@click.option(
    "--to",
    "parties",
    type=FILE,
    multiple=True,
    required=True,
    help="Public key (PEM) that may open it; several times, the own one too. 收件方公钥。",
)
@plain_errors
def encrypt_sealed(sealed: Path, path: Path, parties: tuple[Path, ...]) -> None:
    """Encrypt a SEALED file to its parties, for sending. 将密封文件加密给当事方。"""
    data = read_limited(sealed, max_bytes=MAX_SEALED_FILE_SIZE)
    commitment = Sealed.from_bytes(data).commitment
    envelope = encrypt_to([_read_public_key(one) for one in parties], commitment, data)
    write_new(path, envelope.to_bytes())
    click.echo(f"{commitment.hex()}: {len(envelope.parties)}")


@click.command("open-sealed")
@click.argument("envelope", type=FILE)
@click.argument("path", type=FILE)
@click.option(
    "--key",
    "key_file",
    type=FILE,
    required=True,
    help="Key file of a party; a token's key signs only. 当事方密钥文件。",
)
@passphrase_option
@click.option("--commitment", default=None, help="As the chain holds it. 链上承诺值。")
@plain_errors
def open_sealed(
    envelope: Path, path: Path, key_file: Path, passphrase: str | None, commitment: str | None
) -> None:
    """Open an ENVELOPE: the sealed file goes to PATH, its text to output. 解开密封文件。"""
    found = Envelope.from_bytes(read_limited(envelope, max_bytes=MAX_ENVELOPE_SIZE))
    data = found.open(load_key(key_file, ask_passphrase(passphrase)))
    sealed = Sealed.from_bytes(data)
    wanted = found.commitment
    if commitment is not None:
        wanted = parse_hex(commitment, 32, "--commitment")
    if sealed.commitment != wanted:
        raise VerificationError("COMMITMENT_MISMATCH", "the envelope holds another document")
    write_new(path, data)
    click.echo(sealed.document, nl=False)

"""Key files: an SM2 key as encrypted PKCS #8, made here and never leaving this machine."""

from pathlib import Path

from crypto.errors import LedgerError
from crypto.keyfile import MAX_KEYFILE_LENGTH, dump_private_key, load_private_key
from crypto.sm2 import PrivateKey
from sanlian_client.files import read_limited, write_new

MIN_PASSPHRASE_LENGTH = 8


def make_key(path: Path, passphrase: str) -> PrivateKey:
    """Make a new key and keep it in a new file, readable by its owner only (mode 0600).

    Args:
        path: the file; it must not exist.
        passphrase: at least 8 characters.

    Raises:
        LedgerError: FILE_EXISTS, FILE_NOT_WRITTEN, PASSPHRASE_TOO_SHORT.
        CryptoError: KEYFILE_PARAMETERS.
    """
    key = PrivateKey.generate()
    store_key(path, key, passphrase)
    return key


def store_key(path: Path, key: PrivateKey, passphrase: str) -> None:
    """Keep an existing key in a new file.

    Raises:
        LedgerError: FILE_EXISTS, FILE_NOT_WRITTEN, PASSPHRASE_TOO_SHORT.
        CryptoError: KEYFILE_PARAMETERS.
    """
    if len(passphrase) < MIN_PASSPHRASE_LENGTH:
        raise LedgerError(
            "PASSPHRASE_TOO_SHORT", f"a passphrase has at least {MIN_PASSPHRASE_LENGTH} characters"
        )
    write_new(path, dump_private_key(key, passphrase))


def load_key(path: Path, passphrase: str) -> PrivateKey:
    """Open a key file.

    Raises:
        LedgerError: FILE_MISSING, FILE_NOT_READ, FILE_TOO_LARGE; KEYFILE_EXPOSED when other users
            may read or write the file.
        CryptoError: KEYFILE_INVALID, KEYFILE_PASSPHRASE_WRONG.
    """
    pem = read_limited(path, max_bytes=MAX_KEYFILE_LENGTH)
    if path.stat().st_mode & 0o077:
        raise LedgerError(
            "KEYFILE_EXPOSED", f"other users may open {path.name}: chmod 600", file=path.name
        )
    return load_private_key(pem, passphrase)

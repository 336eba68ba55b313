"""Files that must be whole after a crash and closed to other users."""

import os
import secrets
from pathlib import Path

from crypto.errors import LedgerError

PRIVATE_MODE = 0o600


def write_new(path: Path, data: bytes) -> None:
    """Write a private file that does not exist yet, durably; an existing one is never touched.

    Args:
        path: where it goes; missing directories are made, closed to others.
        data: its content.

    Raises:
        LedgerError: FILE_EXISTS, FILE_NOT_WRITTEN.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = _write_temporary(path, data)
        try:
            # A hard link, unlike a rename, fails when the name is taken: no race, no overwriting.
            os.link(temporary, path)
        finally:
            temporary.unlink()
        _sync_directory(path.parent)
    except FileExistsError as error:
        raise LedgerError(
            "FILE_EXISTS", "the file exists and is not overwritten", file=path.name
        ) from error
    except OSError as error:
        raise _not_written(path) from error


def replace_file(path: Path, data: bytes) -> None:
    """Write a private file as a whole: a crash leaves the old content or the new, never a part.

    Raises:
        LedgerError: FILE_NOT_WRITTEN.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = _write_temporary(path, data)
        try:
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise _not_written(path) from error


def read_limited(path: Path, *, max_bytes: int) -> bytes:
    """Read a file of at most so many bytes.

    Raises:
        LedgerError: FILE_MISSING, FILE_NOT_READ, FILE_TOO_LARGE.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise LedgerError("FILE_MISSING", f"{path.name} does not exist", file=path.name) from error
    except OSError as error:
        raise LedgerError("FILE_NOT_READ", f"{path.name} cannot be read", file=path.name) from error
    if len(data) > max_bytes:
        raise LedgerError("FILE_TOO_LARGE", f"{path.name} is larger than {max_bytes} bytes")
    return data


def _not_written(path: Path) -> LedgerError:
    return LedgerError("FILE_NOT_WRITTEN", f"{path.name} could not be written", file=path.name)


def _write_temporary(path: Path, data: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

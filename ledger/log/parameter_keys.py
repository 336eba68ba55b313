"""The keys of the parameters' digests: one file per period, outside every database.

A key is on disk, with its directory entry, before a digest under it stands in a record. Disposal
overwrites and removes it and leaves a mark, so that no second key is ever made for the period. The
`disposed` record comes first (ledger/log/disposal.py): no key is gone that no record tells of.
"""

import os
import secrets
import threading
from pathlib import Path

from crypto.errors import LedgerError
from protocol.parameters import KEY_LENGTH, PERIOD_PATTERN


class ParameterKeys:
    """Keeps the keys of one gateway; safe to call from any thread.

    Args:
        directory: where they are; made, readable by its owner alone, with the first key.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._kept: tuple[str, bytes] | None = None

    def get_or_make(self, period: str) -> bytes:
        """Return the key of a running period, made when there is none yet.

        Raises:
            LedgerError: PARAMETER_KEY_DISPOSED, PARAMETER_KEY_UNREADABLE.
        """
        kept = self._kept
        if kept is not None and kept[0] == period:
            return kept[1]
        with self._lock:
            try:
                key = self.find(period) or self._make(period)
            except OSError as error:
                raise _unreadable() from error
            self._kept = period, key
            return key

    def find(self, period: str) -> bytes | None:
        """Return the key of a period, None when there is none.

        Raises:
            LedgerError: PARAMETER_KEY_UNREADABLE when the file cannot be read or is no key.
        """
        try:
            key = self._path(period).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable() from error
        if len(key) != KEY_LENGTH or not any(key):
            # A disposal that was cut off between overwriting and removing.
            if self.is_disposed(period):
                return None
            raise _unreadable()
        return key

    def is_disposed(self, period: str) -> bool:
        """Return whether the period's key was disposed of here."""
        return self._mark(period).exists()

    def dispose(self, period: str) -> None:
        """Destroy a period's key; where that was done before, finish what was cut off.

        The mark comes first, so that the period never gets another key; then the file is
        overwritten in place and removed, each step synced.

        Raises:
            LedgerError: PARAMETER_KEY_UNREADABLE when the file cannot be written.
        """
        try:
            self._open_directory()
            os.close(os.open(self._mark(period), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            self._sync_directory()
            path = self._path(period)
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return
            try:
                os.pwrite(descriptor, bytes(max(KEY_LENGTH, os.fstat(descriptor).st_size)), 0)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            path.unlink()
            self._sync_directory()
        except OSError as error:
            raise _unreadable() from error

    def _make(self, period: str) -> bytes:
        if self.is_disposed(period):
            raise LedgerError(
                "PARAMETER_KEY_DISPOSED", "the period's key was disposed of", period=period
            )
        self._open_directory()
        draft = self._directory / f".{period}.{secrets.token_hex(8)}"
        try:
            write_whole(draft, secrets.token_bytes(KEY_LENGTH))
            # A link, not a rename: it never replaces the key that another process has made.
            os.link(draft, self._path(period))
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
        self._sync_directory()
        return self._path(period).read_bytes()

    def _open_directory(self) -> None:
        if not self._directory.exists():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(self._directory.parent)

    def _sync_directory(self) -> None:
        sync_directory(self._directory)

    def _path(self, period: str) -> Path:
        return self._directory / f"{require_period(period)}.key"

    def _mark(self, period: str) -> Path:
        return self._directory / f"{require_period(period)}.disposed"


def require_period(period: str) -> str:
    """Return a period that can stand in a file's name.

    Raises:
        LedgerError: PARAMETER_PERIOD_INVALID.
    """
    if PERIOD_PATTERN.fullmatch(period) is None:
        raise LedgerError("PARAMETER_PERIOD_INVALID", "a period is a month, such as 2026-11")
    return period


def write_whole(path: Path, data: bytes) -> None:
    """Write a new file, readable by its owner alone, durably.

    Raises:
        OSError: nothing of it is left; a full disk stays no fuller for having been tried.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError("the file was cut off")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def sync_directory(directory: Path) -> None:
    """Make a directory's entries durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable() -> LedgerError:
    return LedgerError("PARAMETER_KEY_UNREADABLE", "a period's key cannot be read or written")

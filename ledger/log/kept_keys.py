"""Keys of kept envelopes: files of random keys, made ahead, outside every database.

A file is on disk, with its directory entry, before the first of its keys is given out; giving one
out touches no disk. A process takes keys only from files that it made itself, each once, so that no
key is given twice, also after it was killed. What it did not use is destroyed with the month.

Disposal overwrites in place and syncs; the `kept_disposed` record comes first (disposal.py).
"""

import logging
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

from crypto.errors import LedgerError
from crypto.sm4 import KEY_LENGTH
from ledger.log.parameter_keys import require_period, sync_directory, write_whole
from protocol.kept import FILE_PATTERN, SLOTS, Slot

#: The next file is made when so few keys are left.
LOW = 1024

_LOGGER = logging.getLogger(__name__)


class _File:
    """A file of keys that this process made."""

    def __init__(self, period: str, name: str, keys: bytes) -> None:
        self.period = period
        self._name = name
        self._keys = keys
        self._next = 0

    @property
    def left(self) -> int:
        """How many keys were not given out."""
        return SLOTS - self._next

    def take(self) -> tuple[Slot, bytes]:
        """Give out the next key."""
        slot = Slot(self.period, self._name, self._next)
        self._next += 1
        start = slot.number * KEY_LENGTH
        return slot, self._keys[start : start + KEY_LENGTH]


class KeptKeys:
    """Gives out and destroys the keys of one gateway; safe to call from any thread.

    Args:
        directory: where the files are; made, readable by its owner alone, with the first file.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._file: _File | None = None
        self._following: _File | None = None
        self._is_making = False

    def prepare(self, period: str) -> None:
        """Make a file of a month's keys now, so that the first request does not wait for it.

        Raises:
            LedgerError: KEPT_KEY_DISPOSED, KEPT_KEYS_UNREADABLE.
        """
        with self._lock:
            if self._file is None or self._file.period != period:
                self._file = self._make(period)

    def take(self, period: str) -> tuple[Slot, bytes]:
        """Return a key of a running month that was never given out, and where it is.

        Raises:
            LedgerError: KEPT_KEY_DISPOSED, KEPT_KEYS_UNREADABLE.
        """
        with self._lock:
            file, following = self._file, self._following
            if file is None or file.period != period or not file.left:
                is_ready = following is not None and following.period == period
                file = following if following is not None and is_ready else self._make(period)
                self._file, self._following = file, None
            taken = file.take()
            if file.left == LOW and self._following is None and not self._is_making:
                self._is_making = True
                threading.Thread(target=self._follow, args=(period,), daemon=True).start()
            return taken

    def find(self, slot: Slot) -> bytes | None:
        """Return the key of a slot, None when it is not there or was destroyed.

        Raises:
            LedgerError: KEPT_KEYS_UNREADABLE when the file cannot be read or is cut off.
        """
        try:
            with self._path(slot.period, slot.file).open("rb") as file:
                file.seek(slot.number * KEY_LENGTH)
                key = file.read(KEY_LENGTH)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable() from error
        if len(key) != KEY_LENGTH:
            raise _unreadable()
        return key if any(key) else None

    def is_disposed(self, period: str) -> bool:
        """Return whether all keys of a month were disposed of here."""
        return self._mark(period).exists()

    def dispose_period(self, period: str) -> None:
        """Destroy all keys of a month; where that was done before, finish what was cut off.

        The mark comes first, so that the month never gets keys again.

        Raises:
            LedgerError: KEPT_KEYS_UNREADABLE when a file cannot be written.
        """
        try:
            self._open_directory()
            os.close(os.open(self._mark(period), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            sync_directory(self._directory)
            for path in list(self._files(period)):
                size = max(SLOTS * KEY_LENGTH, path.lstat().st_size)
                _overwrite(path, 0, size)
                path.unlink()
            sync_directory(self._directory)
        except OSError as error:
            raise _unreadable() from error

    def dispose(self, slot: Slot) -> None:
        """Destroy one key; nothing happens where it is not there.

        Raises:
            LedgerError: KEPT_KEYS_UNREADABLE when the file cannot be written.
        """
        try:
            path = self._path(slot.period, slot.file)
            if path.lstat().st_size < (slot.number + 1) * KEY_LENGTH:
                raise _unreadable()
            _overwrite(path, slot.number * KEY_LENGTH, KEY_LENGTH)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unreadable() from error

    def _follow(self, period: str) -> None:
        """Make the next file beside the requests; what fails is tried again when it is needed."""
        made = None
        try:
            made = self._make(period)
        except LedgerError as error:
            _LOGGER.warning("keys of envelopes cannot be made ahead: %s", error.code)
        finally:
            with self._lock:
                self._following, self._is_making = made, False

    def _make(self, period: str) -> _File:
        name, keys = secrets.token_hex(16), secrets.token_bytes(SLOTS * KEY_LENGTH)
        try:
            if self.is_disposed(period):
                raise LedgerError(
                    "KEPT_KEY_DISPOSED", "the month's keys were disposed of", period=period
                )
            self._open_directory()
            write_whole(self._path(period, name), keys)
            sync_directory(self._directory)
        except OSError as error:
            raise _unreadable() from error
        return _File(period, name, keys)

    def _open_directory(self) -> None:
        if not self._directory.exists():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(self._directory.parent)

    def _files(self, period: str) -> Iterator[Path]:
        return self._directory.glob(f"{require_period(period)}.*.keys")

    def _path(self, period: str, name: str) -> Path:
        if FILE_PATTERN.fullmatch(name) is None:
            raise _unreadable()
        return self._directory / f"{require_period(period)}.{name}.keys"

    def _mark(self, period: str) -> Path:
        return self._directory / f"{require_period(period)}.disposed"


def _overwrite(path: Path, start: int, size: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.pwrite(descriptor, bytes(size), start)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable() -> LedgerError:
    return LedgerError("KEPT_KEYS_UNREADABLE", "keys of envelopes cannot be read or written")

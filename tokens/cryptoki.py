"""PKCS#11 through ctypes: the few functions that signing needs, of any module.

Why not a package: python-pkcs11 takes only mechanisms and key types of its own list, and SM2 has
vendors' numbers only; PyKCS11 is under the GPL. docs/tokens.md has the whole comparison.

All calls into a module are made by one thread of its own. So a module that is not thread-safe is
used safely, and a caller stops waiting when a driver hangs: the thread stays behind, not the
caller.

Standard: OASIS PKCS#11 v2.40 (3.x modules export the same functions).
"""

import atexit
import contextlib
import ctypes
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from ctypes import POINTER, byref, c_ubyte, c_ulong, c_void_p
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Final

from crypto.errors import TokenError

CALL_TIMEOUT_S: Final = 60.0

_MAX_SLOTS = 1024
_MAX_MECHANISMS = 4096
_MAX_OBJECTS = 1024
_MAX_ATTRIBUTE_SIZE = 4096
_MAX_SIGNATURE_SIZE = 512
_UNAVAILABLE_INFORMATION = c_ulong(-1).value


class Rv(IntEnum):
    """Return values that are told apart here; others are shown as numbers."""

    OK = 0x00
    HOST_MEMORY = 0x02
    SLOT_ID_INVALID = 0x03
    GENERAL_ERROR = 0x05
    FUNCTION_FAILED = 0x06
    CANT_LOCK = 0x0A
    ATTRIBUTE_SENSITIVE = 0x11
    ATTRIBUTE_TYPE_INVALID = 0x12
    ATTRIBUTE_VALUE_INVALID = 0x13
    DATA_LEN_RANGE = 0x21
    DEVICE_ERROR = 0x30
    DEVICE_MEMORY = 0x31
    DEVICE_REMOVED = 0x32
    FUNCTION_CANCELED = 0x50
    FUNCTION_NOT_SUPPORTED = 0x54
    KEY_HANDLE_INVALID = 0x60
    KEY_TYPE_INCONSISTENT = 0x63
    KEY_FUNCTION_NOT_PERMITTED = 0x68
    MECHANISM_INVALID = 0x70
    MECHANISM_PARAM_INVALID = 0x71
    OBJECT_HANDLE_INVALID = 0x82
    OPERATION_ACTIVE = 0x90
    OPERATION_NOT_INITIALIZED = 0x91
    PIN_INCORRECT = 0xA0
    PIN_INVALID = 0xA1
    PIN_LEN_RANGE = 0xA2
    PIN_EXPIRED = 0xA3
    PIN_LOCKED = 0xA4
    SESSION_CLOSED = 0xB0
    SESSION_HANDLE_INVALID = 0xB3
    TOKEN_NOT_PRESENT = 0xE0
    TOKEN_NOT_RECOGNIZED = 0xE1
    USER_ALREADY_LOGGED_IN = 0x100
    USER_NOT_LOGGED_IN = 0x101
    USER_PIN_NOT_INITIALIZED = 0x102
    BUFFER_TOO_SMALL = 0x150
    CRYPTOKI_NOT_INITIALIZED = 0x190
    CRYPTOKI_ALREADY_INITIALIZED = 0x191


class TokenFlag(IntFlag):
    """Flags of a token's information."""

    LOGIN_REQUIRED = 0x04
    PROTECTED_AUTHENTICATION_PATH = 0x100
    USER_PIN_COUNT_LOW = 0x10000
    USER_PIN_FINAL_TRY = 0x20000
    USER_PIN_LOCKED = 0x40000


class Attribute(IntEnum):
    """Attributes of objects."""

    CLASS = 0x000
    TOKEN = 0x001
    PRIVATE = 0x002
    LABEL = 0x003
    KEY_TYPE = 0x100
    ID = 0x102
    SENSITIVE = 0x103
    SIGN = 0x108
    VERIFY = 0x10A
    EXTRACTABLE = 0x162
    EC_PARAMS = 0x180
    EC_POINT = 0x181
    ALWAYS_AUTHENTICATE = 0x202


class ObjectClass(IntEnum):
    """Classes of objects."""

    PUBLIC_KEY = 2
    PRIVATE_KEY = 3


class User(IntEnum):
    """Who logs in."""

    USER = 1
    CONTEXT_SPECIFIC = 2


_SERIAL_SESSION = 4
_RW_SESSION = 2
_OS_LOCKING_OK = 2


class _Version(ctypes.Structure):
    _fields_ = (("major", c_ubyte), ("minor", c_ubyte))


class _TokenInfo(ctypes.Structure):
    _fields_ = (
        ("label", c_ubyte * 32),
        ("manufacturer", c_ubyte * 32),
        ("model", c_ubyte * 16),
        ("serial", c_ubyte * 16),
        ("flags", c_ulong),
        # sessions, PIN lengths and memory: ten numbers, then versions and time
        ("numbers", c_ulong * 10),
        ("hardware", _Version),
        ("firmware", _Version),
        ("utc_time", c_ubyte * 16),
    )


class _InitializeArgs(ctypes.Structure):
    _fields_ = (
        ("create_mutex", c_void_p),
        ("destroy_mutex", c_void_p),
        ("lock_mutex", c_void_p),
        ("unlock_mutex", c_void_p),
        ("flags", c_ulong),
        ("reserved", c_void_p),
    )


class _Mechanism(ctypes.Structure):
    _fields_ = (("mechanism", c_ulong), ("parameter", c_void_p), ("parameter_size", c_ulong))


class _Attribute(ctypes.Structure):
    _fields_ = (("type", c_ulong), ("value", c_void_p), ("size", c_ulong))


_ULONGS = POINTER(c_ulong)
# Place in CK_FUNCTION_LIST and arguments of each function that is used.
_FUNCTIONS: Final[dict[str, tuple[int, tuple[object, ...]]]] = {
    "C_Initialize": (0, (c_void_p,)),
    "C_Finalize": (1, (c_void_p,)),
    "C_GetSlotList": (4, (c_ubyte, _ULONGS, _ULONGS)),
    "C_GetTokenInfo": (6, (c_ulong, POINTER(_TokenInfo))),
    "C_GetMechanismList": (7, (c_ulong, _ULONGS, _ULONGS)),
    "C_OpenSession": (12, (c_ulong, c_ulong, c_void_p, c_void_p, _ULONGS)),
    "C_CloseSession": (13, (c_ulong,)),
    "C_Login": (18, (c_ulong, c_ulong, c_void_p, c_ulong)),
    "C_GetAttributeValue": (24, (c_ulong, c_ulong, POINTER(_Attribute), c_ulong)),
    "C_FindObjectsInit": (26, (c_ulong, POINTER(_Attribute), c_ulong)),
    "C_FindObjects": (27, (c_ulong, _ULONGS, c_ulong, _ULONGS)),
    "C_FindObjectsFinal": (28, (c_ulong,)),
    "C_SignInit": (42, (c_ulong, POINTER(_Mechanism), c_ulong)),
    "C_Sign": (43, (c_ulong, c_void_p, c_ulong, c_void_p, _ULONGS)),
    "C_GenerateKeyPair": (
        59,
        (
            c_ulong,
            POINTER(_Mechanism),
            POINTER(_Attribute),
            c_ulong,
            POINTER(_Attribute),
            c_ulong,
            _ULONGS,
            _ULONGS,
        ),
    ),
}
_FUNCTION_COUNT = 68


class _FunctionList(ctypes.Structure):
    _fields_ = (("version", _Version), ("functions", c_void_p * _FUNCTION_COUNT))


class CallFailed(Exception):
    """A function of the module returned something other than OK."""

    def __init__(self, function: str, rv: int) -> None:
        self.function = function
        self.rv = rv
        super().__init__(f"{function} returned {describe_rv(rv)}")


def describe_rv(rv: int) -> str:
    """Return a return value as people look it up."""
    try:
        return f"CKR_{Rv(rv).name}"
    except ValueError:
        return f"0x{rv:08x}"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What a token says of itself."""

    slot_id: int
    label: str
    manufacturer: str
    model: str
    serial: str
    flags: TokenFlag


class _Caller:
    """One thread that makes all calls, so that whoever asks may stop waiting."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], int], Future[int]]] = queue.SimpleQueue()
        self._hanging: Future[int] | None = None
        threading.Thread(target=self._work, name="pkcs11", daemon=True).start()

    def run(self, job: Callable[[], int], timeout_s: float) -> int:
        """Return the job's result.

        Raises:
            TimeoutError: it took longer, or an earlier one still hangs.
        """
        if self._hanging is not None and not self._hanging.done():
            raise TimeoutError
        future: Future[int] = Future()
        self._jobs.put((job, future))
        try:
            return future.result(timeout_s)
        except TimeoutError:
            if not future.cancel():
                self._hanging = future
            raise

    def _work(self) -> None:
        while True:
            job, future = self._jobs.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job())
                except Exception as error:  # noqa: BLE001 - handed to whoever waits
                    future.set_exception(error)


class Module:
    """A loaded and initialised PKCS#11 module; see open_module.

    Raises:
        TokenError: PKCS11_UNAVAILABLE, PKCS11_TIMEOUT.
    """

    def __init__(self, path: Path, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self._pid = os.getpid()
        self._finalize = False
        self._caller = _Caller()
        try:
            library = ctypes.CDLL(str(path))
            get_list = library.C_GetFunctionList
        except OSError as error:
            raise _unavailable(f"the module {path} cannot be loaded: {error}") from error
        except AttributeError as error:
            raise _unavailable(f"{path} is not a PKCS#11 module") from error
        get_list.argtypes = (POINTER(POINTER(_FunctionList)),)
        get_list.restype = c_ulong
        table = POINTER(_FunctionList)()
        if self._run("C_GetFunctionList", lambda: int(get_list(byref(table)))) or not table:
            raise _unavailable(f"{path} has no list of functions")
        self._functions: dict[str, Callable[..., int]] = {}
        for name, (place, arguments) in _FUNCTIONS.items():
            address = table.contents.functions[place]
            if not address:
                raise _unavailable(f"the module {path.name} lacks {name}")
            self._functions[name] = ctypes.CFUNCTYPE(c_ulong, *arguments)(address)  # type: ignore[arg-type]  # ctypes types
        try:
            self._initialise()
        except CallFailed as error:
            raise _unavailable(f"the module {path.name} does not start: {error}") from error

    def _initialise(self) -> None:
        try:
            self.call("C_Initialize", byref(_InitializeArgs(flags=_OS_LOCKING_OK)))
        except CallFailed as error:
            if error.rv == Rv.CRYPTOKI_ALREADY_INITIALIZED:
                return  # another part of this process uses it, and ends it
            if error.rv != Rv.CANT_LOCK:
                raise
            self.call("C_Initialize", None)  # our one thread needs no locks of the module
        self._finalize = True

    def _run(self, function: str, job: Callable[[], int], timeout_s: float | None = None) -> int:
        if os.getpid() != self._pid:
            raise _unavailable("a module is not used across a fork: open the key in the child")
        try:
            return self._caller.run(job, timeout_s or self.timeout_s)
        except TimeoutError:
            raise TokenError(
                "PKCS11_TIMEOUT",
                f"the module {self.path.name} does not answer",
                function=function,
            ) from None

    def call(self, function: str, *arguments: object) -> None:
        """Call a function of the module.

        Raises:
            CallFailed: it returned something other than OK.
            TokenError: PKCS11_TIMEOUT; PKCS11_UNAVAILABLE in a forked process.
        """
        # The job holds the arguments: a call that hangs may still write to them.
        rv = self._run(function, lambda: self._functions[function](*arguments))
        if rv:
            raise CallFailed(function, rv)

    def find_tokens(self) -> list[TokenInfo]:
        """Return the tokens that are present now."""
        infos = []
        for slot_id in self._numbers("C_GetSlotList", 1, limit=_MAX_SLOTS):
            raw = _TokenInfo()
            try:
                self.call("C_GetTokenInfo", slot_id, byref(raw))
            except CallFailed as error:
                if error.rv in _TOKEN_GONE:
                    continue
                raise
            infos.append(
                TokenInfo(
                    slot_id,
                    _text(raw.label),
                    _text(raw.manufacturer),
                    _text(raw.model),
                    _text(raw.serial),
                    TokenFlag(raw.flags),
                )
            )
        return infos

    def get_mechanisms(self, slot_id: int) -> frozenset[int]:
        """Return the numbers of the mechanisms of the token in a slot."""
        return frozenset(self._numbers("C_GetMechanismList", slot_id, limit=_MAX_MECHANISMS))

    def _numbers(self, function: str, argument: int, *, limit: int) -> list[int]:
        count = c_ulong(0)
        self.call(function, argument, None, byref(count))
        if count.value > limit:
            raise CallFailed(function, Rv.GENERAL_ERROR)
        # One may have been added meanwhile.
        room = count.value + 16
        numbers, count = (c_ulong * room)(), c_ulong(room)
        self.call(function, argument, numbers, byref(count))
        return list(numbers[: min(count.value, room)])

    def open_session(self, slot_id: int, *, writable: bool = False) -> "Session":
        """Open a session with the token in a slot."""
        handle = c_ulong()
        flags = _SERIAL_SESSION | (_RW_SESSION if writable else 0)
        self.call("C_OpenSession", slot_id, flags, None, None, byref(handle))
        return Session(self, handle.value)

    def finalize(self) -> None:
        """End the module's work at the end of the process, unless it hangs or others use it."""
        if self._finalize and os.getpid() == self._pid:
            self._finalize = False
            with contextlib.suppress(TokenError):
                self._run("C_Finalize", lambda: self._functions["C_Finalize"](None), 2.0)


class Session:
    """A session with one token. Callers take turns."""

    def __init__(self, module: Module, handle: int) -> None:
        self._module = module
        self._handle = handle

    def close(self) -> None:
        """Close it; a session that is gone already is closed."""
        with contextlib.suppress(CallFailed, TokenError):
            self._module.call("C_CloseSession", self._handle)

    def login(self, pin: bytes | None, user: User = User.USER) -> None:
        """Log in, once. None lets the token ask on its own keypad.

        Raises:
            CallFailed: the token refused.
        """
        if pin is None:
            self._module.call("C_Login", self._handle, user, None, 0)
            return
        buffer = ctypes.create_string_buffer(pin, len(pin))
        try:
            self._module.call("C_Login", self._handle, user, buffer, len(pin))
        finally:
            ctypes.memset(buffer, 0, len(pin))

    def find_objects(self, template: Mapping[Attribute, bytes]) -> list[int]:
        """Return the handles of the objects that have these attributes."""
        attributes, count = _template(template)
        self._module.call("C_FindObjectsInit", self._handle, attributes, count)
        handles: list[int] = []
        try:
            while len(handles) < _MAX_OBJECTS:
                batch, found = (c_ulong * 64)(), c_ulong(0)
                self._module.call("C_FindObjects", self._handle, batch, 64, byref(found))
                if not found.value:
                    break
                handles += batch[: min(found.value, 64)]
        finally:
            with contextlib.suppress(CallFailed):
                self._module.call("C_FindObjectsFinal", self._handle)
        return handles

    def find_attribute(self, handle: int, attribute: Attribute) -> bytes | None:
        """Return an object's attribute, or None where it has none that may be read."""
        one = _Attribute(attribute, None, 0)
        try:
            self._module.call("C_GetAttributeValue", self._handle, handle, byref(one), 1)
            if one.size == _UNAVAILABLE_INFORMATION or one.size > _MAX_ATTRIBUTE_SIZE:
                return None
            buffer = ctypes.create_string_buffer(max(one.size, 1))
            one = _Attribute(attribute, ctypes.cast(buffer, c_void_p), one.size)
            self._module.call("C_GetAttributeValue", self._handle, handle, byref(one), 1)
        except CallFailed as error:
            if error.rv in {
                Rv.ATTRIBUTE_SENSITIVE,
                Rv.ATTRIBUTE_TYPE_INVALID,
                Rv.ATTRIBUTE_VALUE_INVALID,
            }:
                return None
            raise
        return buffer.raw[: one.size] if one.size <= len(buffer.raw) else None

    def sign(
        self, key: int, mechanism: int, data: bytes, *, login: Callable[[], None] | None = None
    ) -> bytes:
        """Return what the token signs.

        Args:
            key: handle of the private key.
            mechanism: number of the mechanism; it takes no parameter.
            data: what the mechanism takes.
            login: called between start and signature, for keys that want it each time.

        Raises:
            CallFailed: the token refused.
        """
        self._module.call("C_SignInit", self._handle, byref(_Mechanism(mechanism, None, 0)), key)
        if login is not None:
            login()
        given = ctypes.create_string_buffer(data, len(data))
        signature = ctypes.create_string_buffer(_MAX_SIGNATURE_SIZE)
        size = c_ulong(_MAX_SIGNATURE_SIZE)
        self._module.call("C_Sign", self._handle, given, len(data), signature, byref(size))
        return signature.raw[: size.value] if size.value <= _MAX_SIGNATURE_SIZE else b""

    def generate_pair(
        self,
        mechanism: int,
        public: Mapping[Attribute, bytes],
        private: Mapping[Attribute, bytes],
    ) -> tuple[int, int]:
        """Return the handles of a new public and private key.

        Raises:
            CallFailed: the token refused.
        """
        public_attributes, public_count = _template(public)
        private_attributes, private_count = _template(private)
        public_handle, private_handle = c_ulong(), c_ulong()
        self._module.call(
            "C_GenerateKeyPair",
            self._handle,
            byref(_Mechanism(mechanism, None, 0)),
            public_attributes,
            public_count,
            private_attributes,
            private_count,
            byref(public_handle),
            byref(private_handle),
        )
        return public_handle.value, private_handle.value


_TOKEN_GONE: Final = frozenset(
    {Rv.TOKEN_NOT_PRESENT, Rv.TOKEN_NOT_RECOGNIZED, Rv.DEVICE_REMOVED, Rv.SLOT_ID_INVALID}
)


def ulong(number: int) -> bytes:
    """Return a number as attributes hold it: a C unsigned long."""
    return bytes(c_ulong(number))


def _template(values: Mapping[Attribute, bytes]) -> tuple[object, int]:
    attributes = (_Attribute * max(len(values), 1))()
    for place, (attribute, value) in enumerate(values.items()):
        pointer = c_void_p()
        if value:
            # The pointer keeps its buffer alive, and the array its pointers.
            pointer = ctypes.cast(ctypes.create_string_buffer(value, len(value)), c_void_p)
        attributes[place] = _Attribute(attribute, pointer, len(value))
    return attributes, len(values)


def _text(padded: Sequence[int]) -> str:
    # Some modules end with zero bytes where the standard says blanks.
    text = bytes(padded).decode("utf-8", "replace").rstrip(" \0")
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _unavailable(message: str) -> TokenError:
    return TokenError("PKCS11_UNAVAILABLE", message)


_modules: dict[tuple[int, Path], Module] = {}
_opening = threading.Lock()


def open_module(path: Path) -> Module:
    """Return the one instance of a module in this process, loading it at first use.

    Args:
        path: absolute path of the shared library. Loading it runs its code.

    Raises:
        TokenError: PKCS11_UNAVAILABLE, PKCS11_TIMEOUT.
    """
    if not path.is_absolute():
        raise _unavailable("a module is named by its absolute path")
    resolved = path.resolve()
    with _opening:
        module = _modules.get((os.getpid(), resolved))
        if module is None:
            module = _modules[os.getpid(), resolved] = Module(resolved)
        return module


def _loaded() -> Iterator[Module]:
    yield from list(_modules.values())


@atexit.register
def _finalize_all() -> None:
    for module in _loaded():
        module.finalize()

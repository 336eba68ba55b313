"""The system's libcrypto through ctypes: loading, fitness, and the few functions that are used.

Only sm2.py and keyfile.py use this module.
"""

import ctypes
import ctypes.util
import threading
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_int, c_long, c_size_t, c_uint, c_ulong, c_void_p
from typing import Any

from crypto.errors import CryptoError

REMEDY = (
    "install OpenSSL 3.0 or newer with SM2 and SM3 enabled "
    "(Debian, Ubuntu, openEuler: package libssl3 or openssl-libs; "
    "some distributions build without SM2: use a build configured without no-sm2)"
)
LIBRARY_NAMES = ("libcrypto.so.3", "libcrypto.so.4")
SM2_CURVE_OID = b"1.2.156.10197.1.301"


class OsslParam(ctypes.Structure):
    """One OSSL_PARAM: a named value handed to a provider."""

    _fields_ = (
        ("key", c_char_p),
        ("data_type", c_uint),
        ("data", c_void_p),
        ("data_size", c_size_t),
        ("return_size", c_size_t),
    )


_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "OpenSSL_version_num": (c_ulong, ()),
    "ERR_clear_error": (None, ()),
    "OBJ_txt2nid": (c_int, (c_char_p,)),
    "EVP_MD_fetch": (c_void_p, (c_void_p, c_char_p, c_char_p)),
    "EVP_MD_free": (None, (c_void_p,)),
    "EVP_CIPHER_fetch": (c_void_p, (c_void_p, c_char_p, c_char_p)),
    "EVP_CIPHER_free": (None, (c_void_p,)),
    # keys
    "EVP_PKEY_free": (None, (c_void_p,)),
    "EVP_PKEY_CTX_new_from_name": (c_void_p, (c_void_p, c_char_p, c_char_p)),
    "EVP_PKEY_CTX_new_from_pkey": (c_void_p, (c_void_p, c_void_p, c_char_p)),
    "EVP_PKEY_CTX_free": (None, (c_void_p,)),
    "EVP_PKEY_fromdata_init": (c_int, (c_void_p,)),
    "EVP_PKEY_fromdata": (c_int, (c_void_p, POINTER(c_void_p), c_int, POINTER(OsslParam))),
    # signatures
    "EVP_PKEY_sign_init": (c_int, (c_void_p,)),
    "EVP_PKEY_sign": (c_int, (c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t)),
    "EVP_PKEY_encrypt_init": (c_int, (c_void_p,)),
    "EVP_PKEY_encrypt": (c_int, (c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t)),
    "EVP_PKEY_decrypt_init": (c_int, (c_void_p,)),
    "EVP_PKEY_decrypt": (c_int, (c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t)),
    "EVP_PKEY_verify_init": (c_int, (c_void_p,)),
    "EVP_PKEY_verify": (c_int, (c_void_p, c_char_p, c_size_t, c_char_p, c_size_t)),
    # points
    "EC_GROUP_new_by_curve_name": (c_void_p, (c_int,)),
    "EC_GROUP_free": (None, (c_void_p,)),
    "EC_POINT_new": (c_void_p, (c_void_p,)),
    "EC_POINT_free": (None, (c_void_p,)),
    "EC_POINT_mul": (c_int, (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)),
    "EC_POINT_point2oct": (
        c_size_t,
        (c_void_p, c_void_p, c_int, c_char_p, c_size_t, c_void_p),
    ),
    "BN_bin2bn": (c_void_p, (c_char_p, c_int, c_void_p)),
    "BN_clear_free": (None, (c_void_p,)),
    # encrypted PKCS #8
    "d2i_PKCS8_PRIV_KEY_INFO": (c_void_p, (c_void_p, POINTER(c_void_p), c_long)),
    "i2d_PKCS8_PRIV_KEY_INFO": (c_int, (c_void_p, POINTER(c_void_p))),
    "PKCS8_PRIV_KEY_INFO_free": (None, (c_void_p,)),
    "PKCS8_encrypt": (
        c_void_p,
        (c_int, c_void_p, c_char_p, c_int, c_char_p, c_int, c_int, c_void_p),
    ),
    "PKCS8_decrypt": (c_void_p, (c_void_p, c_char_p, c_int)),
    "d2i_X509_SIG": (c_void_p, (c_void_p, POINTER(c_void_p), c_long)),
    "i2d_X509_SIG": (c_int, (c_void_p, POINTER(c_void_p))),
    "X509_SIG_free": (None, (c_void_p,)),
}


class Handle:
    """Owns one libcrypto object and frees it exactly once."""

    __slots__ = ("_free", "pointer")

    def __init__(self, pointer: int | None, free: Callable[[int], object], what: str) -> None:
        if not pointer:
            raise failed(what)
        self.pointer = pointer
        self._free = free

    def __del__(self) -> None:
        # __init__ may have raised before there was anything to free.
        pointer = getattr(self, "pointer", None)
        if pointer:
            self._free(pointer)


def failed(what: str) -> CryptoError:
    """Return the error for a libcrypto call that failed without the caller's fault."""
    if _loaded is not None:
        _loaded.ERR_clear_error()
    return CryptoError("LIBCRYPTO_FAILED", f"The cryptographic library could not {what}.")


def _unsuitable(reason: str) -> CryptoError:
    return CryptoError("LIBCRYPTO_UNSUITABLE", f"{reason}; {REMEDY}.", reason=reason)


def open_library(names: tuple[str, ...] = LIBRARY_NAMES) -> ctypes.CDLL:
    """Open libcrypto and check that it is new enough and has SM2 and SM3.

    Args:
        names: library file names, tried in order; then the linker's own choice if these are
            the default names.

    Raises:
        CryptoError: LIBCRYPTO_UNSUITABLE, naming the remedy.
    """
    library = _open_first(names)
    try:
        version_num = library.OpenSSL_version_num
        version_num.restype = c_ulong
        version = version_num() >> 28
    except AttributeError:
        raise _unsuitable("The libcrypto found is not OpenSSL 1.1 or newer") from None
    if version < 3:
        raise _unsuitable(f"The libcrypto found is OpenSSL {version}.x, older than 3.0")
    for name, (restype, argtypes) in _PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise _unsuitable(f"The libcrypto found lacks the function {name}") from None
        function.restype = restype
        function.argtypes = argtypes
    digest = library.EVP_MD_fetch(None, b"SM3", None)
    if not digest:
        raise _unsuitable("The libcrypto found has no SM3")
    library.EVP_MD_free(digest)
    context = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
    if not context or not library.OBJ_txt2nid(SM2_CURVE_OID):
        raise _unsuitable("The libcrypto found has no SM2")
    library.EVP_PKEY_CTX_free(context)
    return library


def _open_first(names: tuple[str, ...]) -> ctypes.CDLL:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    found = ctypes.util.find_library("crypto") if names == LIBRARY_NAMES else None
    try:
        if found is not None:
            return ctypes.CDLL(found)
    except OSError:
        pass
    raise _unsuitable("No libcrypto was found")


_loaded: ctypes.CDLL | None = None
_loading = threading.Lock()


def get_library() -> ctypes.CDLL:
    """Return the one loaded libcrypto.

    Raises:
        CryptoError: LIBCRYPTO_UNSUITABLE.
    """
    global _loaded  # noqa: PLW0603 - one library per process, opened at first use
    if _loaded is None:
        with _loading:
            if _loaded is None:
                _loaded = open_library()
    return _loaded

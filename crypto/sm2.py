"""SM2 signatures with SM3 on the recommended curve, through libcrypto.

Z_A is computed here and libcrypto gets e = SM3(Z_A || M). So the user id is always explicit (an
OpenSSL 3 that is told nothing uses an empty one), and Z_A is computed once per key.

ctypes releases the GIL during each libcrypto call. An EVP_PKEY is shared by all threads; each
thread has its own context per key, because contexts are not thread-safe. What Python adds to a
verification is about 6 us of 240: one call for many signatures pays by its threads.
"""

import ctypes
import os
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn, Protocol

from crypto.errors import CryptoError
from crypto.libcrypto import SM2_CURVE_OID, Handle, OsslParam, failed, get_library
from crypto.sm3 import sm3

# GB/T 32918.5-2017 clause 2: the recommended curve y^2 = x^3 + A x + B over GF(P), order N.
P = 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_00000000_FFFFFFFF_FFFFFFFF
A = 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_00000000_FFFFFFFF_FFFFFFFC
B = 0x28E9FA9E_9D9F5E34_4D5A9E4B_CF6509A7_F39789F5_15AB8F92_DDBCBD41_4D940E93
N = 0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF_7203DF6B_21C6052B_53BBF409_39D54123
GX = 0x32C4AE2C_1F198119_5F990446_6A39C994_8FE30BBF_F2660BE1_715A4589_334C74C7
GY = 0xBC3736A2_F4F6779C_59BDCEE3_6B692153_D0A9877C_C62A4740_02DF32E5_2139F0A0

DEFAULT_USER_ID = b"1234567812345678"  # GM/T 0009-2012 clause 10
PUBLIC_KEY_LENGTH = 64
SIGNATURE_LENGTH = 64

_MAX_USER_ID_LENGTH = 8191  # ENTL holds the length in bits in two bytes
_MAX_DER_LENGTH = 72
_CURVE_BYTES = b"".join(v.to_bytes(32, "big") for v in (A, B, GX, GY))

# Values of OpenSSL 3's public headers (core.h, core_dispatch.h, ec.h).
_UNSIGNED_INTEGER, _UTF8_STRING, _OCTET_STRING = 2, 4, 5
_SELECT_PUBLIC_KEY, _SELECT_KEYPAIR = 0x86, 0x87
_POINT_UNCOMPRESSED = 4

_KEYS_KEPT = 4096
_CONTEXTS_KEPT_PER_THREAD = 1024
# Enough that handing a piece to a thread costs nothing beside it, few enough that threads end
# together.
_MAX_PIECE = 16
_MIN_PIECE = 8


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A point on the SM2 curve; one that is not on the curve cannot be made."""

    x: int
    y: int

    def __post_init__(self) -> None:
        x, y = self.x, self.y
        # The cofactor is 1, so a point on the curve is in the right group (clause 6.2 of part 1).
        if not (0 <= x < P and 0 <= y < P and (y * y - (x * x + A) * x - B) % P == 0):
            raise CryptoError("KEY_INVALID", "The public key is not a point on the SM2 curve.")

    def to_bytes(self) -> bytes:
        """Return x || y, 64 bytes big-endian."""
        return self.x.to_bytes(32, "big") + self.y.to_bytes(32, "big")

    @classmethod
    def from_bytes(cls, data: bytes) -> "PublicKey":
        """Return the key whose x || y is data.

        Raises:
            CryptoError: KEY_INVALID when data is not 64 bytes or not a point on the curve.
        """
        if len(data) != PUBLIC_KEY_LENGTH:
            raise CryptoError("KEY_INVALID", "An SM2 public key is 64 bytes, x followed by y.")
        return cls(int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big"))

    @property
    def key_id(self) -> bytes:
        """The key's id in sanlian: Z_A with the default user id, 32 bytes."""
        return z_a(self)


@dataclass(frozen=True, slots=True)
class Signature:
    """r and s of an SM2 signature; values out of range cannot be made."""

    r: int
    s: int

    def __post_init__(self) -> None:
        # GB/T 32918.2-2016 clause 7.1, steps B1, B2 and B5.
        if not (0 < self.r < N and 0 < self.s < N) or self.r + self.s == N:
            _malformed("r or s is out of range")

    def to_bytes(self) -> bytes:
        """Return r || s, 64 bytes big-endian."""
        return self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Signature":
        """Return the signature whose r || s is data.

        Raises:
            CryptoError: SIGNATURE_MALFORMED when data is not 64 bytes or a value is out of range.
        """
        if len(data) != SIGNATURE_LENGTH:
            _malformed("it is not 64 bytes")
        return cls(int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big"))

    def to_der(self) -> bytes:
        """Return DER of SEQUENCE { r INTEGER, s INTEGER }, at most 72 bytes.

        Standard: GM/T 0009-2012 clause 7.3.
        """
        body = _der_integer(self.r) + _der_integer(self.s)
        return bytes((0x30, len(body))) + body

    @classmethod
    def from_der(cls, data: bytes) -> "Signature":
        """Return the signature that data encodes, in the one valid way to encode it.

        Raises:
            CryptoError: SIGNATURE_MALFORMED for anything but minimal DER with values in range.
        """
        if len(data) > _MAX_DER_LENGTH:
            _malformed("its DER is too long")
        try:
            r_end = 4 + data[3]
            s_end = r_end + 2 + data[r_end + 1]
        except IndexError:
            _malformed("its DER is truncated")
        signature = cls(
            int.from_bytes(data[4:r_end], "big"), int.from_bytes(data[r_end + 2 : s_end], "big")
        )
        # DER has one encoding per value: encoding again refuses every other form, and any
        # byte too many.
        if signature.to_der() != data:
            _malformed("its encoding is not DER")
        return signature


def _malformed(reason: str) -> NoReturn:
    raise CryptoError("SIGNATURE_MALFORMED", f"The signature is malformed: {reason}.")


def _der_integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes((2, len(content))) + content


@lru_cache(maxsize=_KEYS_KEPT)
def z_a(public_key: PublicKey, user_id: bytes = DEFAULT_USER_ID) -> bytes:
    """Return Z_A (32 bytes), the digest of user id, curve and public key.

    Args:
        public_key: the signer's key.
        user_id: at most 8191 bytes.

    Raises:
        CryptoError: USER_ID_INVALID when the user id is too long.

    Standard: GB/T 32918.2-2016 clause 5.5.
    """
    if len(user_id) > _MAX_USER_ID_LENGTH:
        raise CryptoError("USER_ID_INVALID", "An SM2 user id has at most 8191 bytes.")
    bit_length = (len(user_id) * 8).to_bytes(2, "big")
    return sm3(bit_length + user_id + _CURVE_BYTES + public_key.to_bytes())


def digest_e(public_key: PublicKey, message: bytes, *, user_id: bytes = DEFAULT_USER_ID) -> bytes:
    """Return e = SM3(Z_A || M), 32 bytes, the value that is signed.

    Standard: GB/T 32918.2-2016 clause 6.1, steps A1 and A2.
    """
    return sm3(z_a(public_key, user_id) + message)


class Signer(Protocol):
    """Whatever signs with one SM2 key: a key in memory, or one that never leaves its token."""

    @property
    def public_key(self) -> PublicKey:
        """The public key that checks the signatures."""

    def sign(self, message: bytes, *, user_id: bytes = DEFAULT_USER_ID) -> Signature:
        """Return the signature of message; a signature that does not hold is never returned.

        Raises:
            SanlianError: it cannot sign, with the code that says why.

        Standard: GB/T 32918.2-2016 clause 6.1.
        """


class PrivateKey:
    """An SM2 private key; it signs, and neither prints, pickles nor copies itself."""

    __slots__ = ("_d", "_local", "_pkey", "public_key")

    def __init__(self, d: int) -> None:
        # GB/T 32918.1-2016 clause 6.1: d in [1, n-2], because signing divides by 1 + d.
        if not 0 < d < N - 1:
            raise CryptoError("KEY_INVALID", "The SM2 private key is out of range.")
        _require_tested()
        self._d = d
        self.public_key = _multiply_generator(d)
        self._pkey = _make_pkey(self.public_key, d)
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"<PrivateKey key_id={self.public_key.key_id.hex()}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled or copied; see crypto.keyfile")

    @classmethod
    def generate(cls) -> "PrivateKey":
        """Return a new key from the operating system's randomness."""
        return cls(secrets.randbelow(N - 2) + 1)

    @classmethod
    def from_int(cls, d: int) -> "PrivateKey":
        """Return the key with the private value d.

        Raises:
            CryptoError: KEY_INVALID unless 1 <= d <= n-2.
        """
        return cls(d)

    def to_int(self) -> int:
        """Return the private value d: the secret itself."""
        return self._d

    def sign(self, message: bytes, *, user_id: bytes = DEFAULT_USER_ID) -> Signature:
        """Return the signature of message.

        Raises:
            CryptoError: USER_ID_INVALID; LIBCRYPTO_FAILED when the library fails.

        Standard: GB/T 32918.2-2016 clause 6.1.
        """
        library = get_library()
        context: Handle | None = getattr(self._local, "context", None)
        if context is None:
            context = self._local.context = _make_context(self._pkey, "EVP_PKEY_sign_init")
        e = digest_e(self.public_key, message, user_id=user_id)
        der = ctypes.create_string_buffer(_MAX_DER_LENGTH)
        length = ctypes.c_size_t(_MAX_DER_LENGTH)
        if library.EVP_PKEY_sign(context.pointer, der, ctypes.byref(length), e, len(e)) != 1:
            raise failed("sign")
        return Signature.from_der(der.raw[: length.value])


def verify(
    public_key: PublicKey,
    message: bytes,
    signature: Signature,
    *,
    user_id: bytes = DEFAULT_USER_ID,
) -> None:
    """Check that signature is public_key's signature of message under user_id.

    Raises:
        CryptoError: SIGNATURE_INVALID; USER_ID_INVALID; LIBCRYPTO_FAILED when the library fails.

    Standard: GB/T 32918.2-2016 clause 7.1.
    """
    if not is_valid(public_key, message, signature, user_id=user_id):
        raise CryptoError("SIGNATURE_INVALID", "The signature does not fit the key and message.")


def is_valid(
    public_key: PublicKey,
    message: bytes,
    signature: Signature,
    *,
    user_id: bytes = DEFAULT_USER_ID,
) -> bool:
    """Return whether signature is public_key's signature of message under user_id.

    Raises:
        CryptoError: USER_ID_INVALID; LIBCRYPTO_FAILED when the library fails.
    """
    return verified_digest(public_key, message, signature, user_id=user_id) is not None


def verified_digest(
    public_key: PublicKey,
    message: bytes,
    signature: Signature,
    *,
    user_id: bytes = DEFAULT_USER_ID,
) -> bytes | None:
    """Return e (see digest_e) when signature is public_key's signature of message, else None.

    Raises:
        CryptoError: as is_valid.
    """
    _require_tested()
    e = digest_e(public_key, message, user_id=user_id)
    result = _is_valid_digest(public_key, e, signature)
    observe = observer.get()
    if observe is not None:
        observe(public_key, message, signature, user_id, result)
    return e if result else None


#: Told of each signature that is checked, and of the answer; see crypto.second_opinion.
observer: ContextVar[Callable[[PublicKey, bytes, Signature, bytes, bool], None] | None] = (
    ContextVar("observer", default=None)
)


def verify_many(
    items: Sequence[tuple[PublicKey, bytes, Signature]],
    *,
    threads: int | None = None,
    user_id: bytes = DEFAULT_USER_ID,
) -> list[bool]:
    """Return for each (key, message, signature), in order, whether the signature holds.

    Threads live no longer than the call, so a process may fork between calls.

    Args:
        items: what is checked; read once, before anything is verified.
        threads: at most this many; None takes one per processor that this process may use.
        user_id: of all signers.

    Raises:
        TypeError: an item is not (PublicKey, bytes, Signature); nothing was verified. Keys off the
            curve and values out of range have no such objects.
        ValueError: threads is below 1.
        CryptoError: USER_ID_INVALID; LIBCRYPTO_FAILED when the library fails, and then no result
            is given for any item.

    Standard: GB/T 32918.2-2016 clause 7.1.
    """
    held = list(items)
    for item in held:
        _require_item(item)
    if threads is not None and threads < 1:
        raise ValueError("threads must be at least 1")
    _require_tested()

    def check(piece: list[tuple[PublicKey, bytes, Signature]]) -> list[bool]:
        return [is_valid(key, message, one, user_id=user_id) for key, message, one in piece]

    workers = min(threads or _count_processors(), len(held) // _MIN_PIECE)
    if workers <= 1:
        return check(held)
    size = min(_MAX_PIECE, -(-len(held) // workers))
    pieces = [held[start : start + size] for start in range(0, len(held), size)]
    with ThreadPoolExecutor(workers, thread_name_prefix="sm2") as pool:
        # Each piece with the caller's context, which tells of an observer.
        contexts = [copy_context() for _ in pieces]
        found = pool.map(lambda context, piece: context.run(check, piece), contexts, pieces)
        return [result for results in found for result in results]


def _require_item(item: object) -> None:
    match item:
        case (PublicKey(), bytes(), Signature()) if isinstance(item, tuple):
            return
    raise TypeError("an item is a tuple of PublicKey, bytes and Signature")


def _count_processors() -> int:
    return len(os.sched_getaffinity(0))


def _is_valid_digest(public_key: PublicKey, e: bytes, signature: Signature) -> bool:
    library = get_library()
    der = signature.to_der()
    context = _contexts.of_key(public_key)
    result = library.EVP_PKEY_verify(context.pointer, der, len(der), e, len(e))
    if result == 1:
        return True
    if result != 0:
        raise failed("verify a signature")
    # A refusal leaves its reason in this thread's error queue.
    library.ERR_clear_error()
    return False


def _multiply_generator(d: int) -> PublicKey:
    library = get_library()
    group = Handle(
        library.EC_GROUP_new_by_curve_name(library.OBJ_txt2nid(SM2_CURVE_OID)),
        library.EC_GROUP_free,
        "make the SM2 curve",
    )
    point = Handle(library.EC_POINT_new(group.pointer), library.EC_POINT_free, "make a point")
    scalar = Handle(
        library.BN_bin2bn(d.to_bytes(32, "big"), 32, None), library.BN_clear_free, "make a number"
    )
    encoded = ctypes.create_string_buffer(65)
    if (
        library.EC_POINT_mul(group.pointer, point.pointer, scalar.pointer, None, None, None) != 1
        or library.EC_POINT_point2oct(
            group.pointer, point.pointer, _POINT_UNCOMPRESSED, encoded, 65, None
        )
        != 65
    ):
        raise failed("compute a public key")
    return PublicKey.from_bytes(encoded.raw[1:])


def _make_pkey(public_key: PublicKey, d: int | None = None) -> Handle:
    library = get_library()
    values = [
        (b"group", _UTF8_STRING, b"SM2"),
        (b"pub", _OCTET_STRING, b"\x04" + public_key.to_bytes()),
    ]
    if d is not None:
        values.append((b"priv", _UNSIGNED_INTEGER, d.to_bytes(32, sys.byteorder)))
    buffers = [ctypes.create_string_buffer(value, len(value)) for _, _, value in values]
    # The array ends with an entry of zeros.
    params = (OsslParam * (len(values) + 1))()
    for param, (name, kind, value), buffer in zip(params, values, buffers, strict=False):
        param.key, param.data_type, param.data_size = name, kind, len(value)
        param.data = ctypes.cast(buffer, ctypes.c_void_p)
    context = Handle(
        library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None),
        library.EVP_PKEY_CTX_free,
        "make a key context",
    )
    pointer = ctypes.c_void_p()
    selection = _SELECT_PUBLIC_KEY if d is None else _SELECT_KEYPAIR
    if (
        library.EVP_PKEY_fromdata_init(context.pointer) != 1
        or library.EVP_PKEY_fromdata(context.pointer, ctypes.byref(pointer), selection, params) != 1
    ):
        raise failed("take an SM2 key")
    return Handle(pointer.value, library.EVP_PKEY_free, "take an SM2 key")


def make_context(key: PublicKey | PrivateKey, init: str) -> Handle:
    """Return a libcrypto context of a key, for crypto.sm2_encryption.

    Args:
        key: the key.
        init: name of the libcrypto function that sets it up.

    Raises:
        CryptoError: LIBCRYPTO_FAILED when the library fails; LIBCRYPTO_UNSUITABLE.
    """
    _require_tested()
    pkey = key._pkey if isinstance(key, PrivateKey) else _get_public_pkey(key)
    return _make_context(pkey, init)


def _make_context(pkey: Handle, init: str) -> Handle:
    library = get_library()
    # The context holds its own reference to the EVP_PKEY.
    context = Handle(
        library.EVP_PKEY_CTX_new_from_pkey(None, pkey.pointer, None),
        library.EVP_PKEY_CTX_free,
        "make a signature context",
    )
    if getattr(library, init)(context.pointer) != 1:
        raise failed("set up a signature context")
    return context


@lru_cache(maxsize=_KEYS_KEPT)
def _get_public_pkey(public_key: PublicKey) -> Handle:
    return _make_pkey(public_key)


class _ThreadContexts(threading.local):
    """The calling thread's verifying contexts, the most recently used ones."""

    def __init__(self) -> None:
        self.of_key = lru_cache(maxsize=_CONTEXTS_KEPT_PER_THREAD)(
            lambda key: _make_context(_get_public_pkey(key), "EVP_PKEY_verify_init")
        )


_contexts = _ThreadContexts()


_tested = False


def _require_tested() -> None:
    if not _tested:
        run_self_test()


def run_self_test() -> None:
    """Check libcrypto with the standard's own example; the first use of a key does so by itself.

    Raises:
        CryptoError: LIBCRYPTO_UNSUITABLE when the library is missing, too old or wrong.

    Standard: GB/T 32918.5-2017 annex A.2.
    """
    global _tested  # noqa: PLW0603 - once per process
    key = PublicKey(
        0x09F9DF31_1E5421A1_50DD7D16_1E4BC5C6_72179FAD_1833FC07_6BB08FF3_56F35020,
        0xCCEA490C_E26775A5_2DC6EA71_8CC1AA60_0AED05FB_F35E084A_6632F607_2DA9AD13,
    )
    e = bytes.fromhex("f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640")
    signature = Signature(
        0xF5A03B06_48D2C463_0EEAC513_E1BB81A1_5944DA38_27D5B741_43AC7EAC_EEE720B3,
        0xB1B6AA29_DF212FD8_763182BC_0D421CA1_BB9038FD_1F7F42D4_840B69C4_85BBC1AA,
    )
    if (
        digest_e(key, b"message digest") != e
        or not _is_valid_digest(key, e, signature)
        or _is_valid_digest(key, bytes(32), signature)
    ):
        raise CryptoError(
            "LIBCRYPTO_UNSUITABLE",
            "The libcrypto found fails the example of GB/T 32918.5; install another build of "
            "OpenSSL 3.0 or newer.",
        )
    _tested = True

"""SM2 keys as PEM bytes: encrypted PKCS #8 and SubjectPublicKeyInfo, as openssl pkey reads them.

Bytes in, bytes out; callers read and write the files. A private key is never written unencrypted.
"""

import ctypes
import secrets
from ctypes import c_void_p

from crypto import der
from crypto.der import DerError, DerReader
from crypto.errors import CryptoError
from crypto.libcrypto import Handle, failed, get_library
from crypto.pem import PemError, decode_pem, encode_pem
from crypto.sm2 import PrivateKey, PublicKey

MAX_KEYFILE_LENGTH = 16 * 1024
MAX_PASSPHRASE_LENGTH = 1024  # what openssl reads; UTF-8 bytes
MIN_ITERATIONS = 1_000  # NIST SP 800-132 clause 5.2
MAX_ITERATIONS = 10_000_000

_EC_PUBLIC_KEY = der.encode_oid("1.2.840.10045.2.1")
_SM2_CURVE = der.encode_oid("1.2.156.10197.1.301")
_ALGORITHM = der.encode(der.SEQUENCE, _EC_PUBLIC_KEY, _SM2_CURVE)
_PBES2 = der.encode_oid("1.2.840.113549.1.5.13")
_PBKDF2 = der.encode_oid("1.2.840.113549.1.5.12")
_HMAC_SHA256_NAME = b"1.2.840.113549.2.9"
_PRFS = {
    der.encode_oid(name)
    for name in (
        "1.2.840.113549.2.7",  # hmacWithSHA1, the default of PBKDF2
        "1.2.840.113549.2.9",  # hmacWithSHA256
        "1.2.840.113549.2.10",  # hmacWithSHA384
        "1.2.840.113549.2.11",  # hmacWithSHA512
    )
}
_CIPHERS = {
    der.encode_oid("1.2.156.10197.1.104.2"): b"SM4-CBC",
    der.encode_oid("2.16.840.1.101.3.4.1.2"): b"AES-128-CBC",
    der.encode_oid("2.16.840.1.101.3.4.1.22"): b"AES-192-CBC",
    der.encode_oid("2.16.840.1.101.3.4.1.42"): b"AES-256-CBC",
}


def dump_private_key(key: PrivateKey, passphrase: str, *, iterations: int = 600_000) -> bytes:
    """Return the key as encrypted PKCS #8 in PEM: PBES2 with PBKDF2 and SM4-CBC.

    AES-256-CBC takes the place of SM4-CBC where libcrypto has no SM4. The derivation uses
    HMAC-SHA256, because OpenSSL offers no HMAC-SM3 there.

    Args:
        key: the key.
        passphrase: 1 to 1024 bytes in UTF-8.
        iterations: PBKDF2's count, 1,000 to 10,000,000.

    Raises:
        CryptoError: KEYFILE_PARAMETERS; LIBCRYPTO_FAILED.

    Standard: RFC 5958, RFC 8018 clause 6.2, RFC 5915.
    """
    secret = _encode_passphrase(passphrase)
    if not secret:
        raise CryptoError("KEYFILE_PARAMETERS", "A key file needs a passphrase.")
    if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
        raise CryptoError(
            "KEYFILE_PARAMETERS",
            f"The iteration count must be {MIN_ITERATIONS} to {MAX_ITERATIONS}.",
        )
    library = get_library()
    plain = _encode_private_key(key)
    info = Handle(
        library.d2i_PKCS8_PRIV_KEY_INFO(None, _input(plain), len(plain)),
        library.PKCS8_PRIV_KEY_INFO_free,
        "take the private key",
    )
    cipher = _find_cipher(b"SM4-CBC") or _find_cipher(b"AES-256-CBC")
    if cipher is None:
        raise failed("find a cipher for the key file")
    salt = secrets.token_bytes(16)
    sealed = Handle(
        library.PKCS8_encrypt(
            library.OBJ_txt2nid(_HMAC_SHA256_NAME),
            cipher.pointer,
            secret,
            len(secret),
            salt,
            len(salt),
            iterations,
            info.pointer,
        ),
        library.X509_SIG_free,
        "encrypt the private key",
    )
    library.ERR_clear_error()
    return encode_pem("ENCRYPTED PRIVATE KEY", _output(library.i2d_X509_SIG, sealed))


def load_private_key(pem: bytes, passphrase: str) -> PrivateKey:
    """Return the private key in an encrypted PKCS #8 PEM.

    Args:
        pem: at most 16 KiB; PBES2 with PBKDF2 and SM4 or AES in CBC mode.
        passphrase: what it was encrypted under.

    Raises:
        CryptoError: KEYFILE_INVALID when pem is no such file, or holds no SM2 key;
            KEYFILE_PASSPHRASE_WRONG; KEYFILE_PARAMETERS when the passphrase is too long.
    """
    encrypted = _decode_pem(pem, "ENCRYPTED PRIVATE KEY")
    secret = _encode_passphrase(passphrase)
    try:
        cipher_name = _read_cipher_name(encrypted)
    except DerError:
        raise _invalid("its structure is not encrypted PKCS #8") from None
    if _find_cipher(cipher_name) is None:
        raise _invalid(f"the cryptographic library has no {cipher_name.decode()}")
    library = get_library()
    pointer = library.d2i_X509_SIG(None, _input(encrypted), len(encrypted))
    if not pointer:
        library.ERR_clear_error()
        raise _invalid("its structure is not encrypted PKCS #8")
    sealed = Handle(pointer, library.X509_SIG_free, "take the key file")
    opened = library.PKCS8_decrypt(sealed.pointer, secret, len(secret))
    library.ERR_clear_error()
    if not opened:
        # A wrong passphrase shows as broken padding, or rarely as plaintext that is not PKCS #8.
        raise CryptoError("KEYFILE_PASSPHRASE_WRONG", "The passphrase does not open the key file.")
    info = Handle(opened, library.PKCS8_PRIV_KEY_INFO_free, "take the private key")
    try:
        return _decode_private_key(_output(library.i2d_PKCS8_PRIV_KEY_INFO, info))
    except DerError:
        raise _invalid("it holds no SM2 private key") from None


def dump_public_key(public_key: PublicKey) -> bytes:
    """Return the key as SubjectPublicKeyInfo in PEM.

    Standard: RFC 5480 clause 2.
    """
    point = b"\x00\x04" + public_key.to_bytes()
    return encode_pem(
        "PUBLIC KEY", der.encode(der.SEQUENCE, _ALGORITHM, der.encode(der.BIT_STRING, point))
    )


def load_public_key(pem: bytes) -> PublicKey:
    """Return the public key in a SubjectPublicKeyInfo PEM.

    Args:
        pem: at most 16 KiB; the algorithm is id-ecPublicKey with the SM2 curve, or the SM2 OID
            in its place as some Chinese CAs write it.

    Raises:
        CryptoError: KEYFILE_INVALID; KEY_INVALID when the point is not on the curve.
    """
    try:
        outer = DerReader(_decode_pem(pem, "PUBLIC KEY"))
        info = outer.read_sequence()
        outer.end()
        _read_algorithm(info)
        point = info.read_bit_string()
        info.end()
    except DerError:
        raise _invalid("it holds no SM2 public key") from None
    return _decode_point(point)


def _encode_private_key(key: PrivateKey) -> bytes:
    ec_private_key = der.encode(
        der.SEQUENCE,
        der.encode(der.INTEGER, b"\x01"),
        der.encode(der.OCTET_STRING, key.to_int().to_bytes(32, "big")),
        der.encode(0xA1, der.encode(der.BIT_STRING, b"\x00\x04", key.public_key.to_bytes())),
    )
    return der.encode(
        der.SEQUENCE,
        der.encode(der.INTEGER, b"\x00"),
        _ALGORITHM,
        der.encode(der.OCTET_STRING, ec_private_key),
    )


def _decode_private_key(data: bytes) -> PrivateKey:
    info = DerReader(data).read_sequence()
    version = info.read_unsigned()
    _read_algorithm(info)
    inner = DerReader(info.read(der.OCTET_STRING))
    # What may follow in PKCS #8 (attributes) says nothing about the key.
    ec_private_key = inner.read_sequence()
    inner.end()
    if version > 1 or ec_private_key.read_unsigned() != 1:
        raise DerError
    scalar = ec_private_key.read(der.OCTET_STRING)
    if len(scalar) != 32:
        raise DerError
    if ec_private_key.peek_tag() == 0xA0 and ec_private_key.read(0xA0) != _SM2_CURVE:
        raise DerError
    stated = None
    if ec_private_key.peek_tag() == 0xA1:
        explicit = DerReader(ec_private_key.read(0xA1))
        stated = _decode_point(explicit.read_bit_string())
        explicit.end()
    ec_private_key.end()
    key = PrivateKey.from_int(int.from_bytes(scalar, "big"))
    if stated is not None and stated != key.public_key:
        raise _invalid("its public key does not belong to its private key")
    return key


def _read_algorithm(info: DerReader) -> None:
    algorithm = info.read_sequence()
    name = der.encode(der.OID, algorithm.read(der.OID))
    if name == _EC_PUBLIC_KEY:
        if der.encode(der.OID, algorithm.read(der.OID)) != _SM2_CURVE:
            raise DerError
    elif name == _SM2_CURVE:
        algorithm.skip_null()
    else:
        raise DerError
    algorithm.end()


def _decode_point(point: bytes) -> PublicKey:
    if len(point) != 65 or point[0] != 4:
        raise _invalid("its public key is not an uncompressed point")
    return PublicKey.from_bytes(point[1:])


def _read_cipher_name(data: bytes) -> bytes:
    # The file chooses the cost of opening it, so the cost is read and limited before that.
    outer = DerReader(data)
    sealed = outer.read_sequence()
    outer.end()
    algorithm = sealed.read_sequence()
    if der.encode(der.OID, algorithm.read(der.OID)) != _PBES2:
        raise _invalid("it is not encrypted with PBES2")
    parameters = algorithm.read_sequence()
    algorithm.end()
    derivation, cipher = parameters.read_sequence(), parameters.read_sequence()
    parameters.end()
    if der.encode(der.OID, derivation.read(der.OID)) != _PBKDF2:
        raise _invalid("its passphrase derivation is not PBKDF2")
    pbkdf2 = derivation.read_sequence()
    derivation.end()
    pbkdf2.read(der.OCTET_STRING)
    if not 1 <= pbkdf2.read_unsigned() <= MAX_ITERATIONS:
        raise _invalid(f"its iteration count is above {MAX_ITERATIONS}")
    if pbkdf2.peek_tag() == der.INTEGER:
        pbkdf2.read_unsigned()
    if pbkdf2.has_more():
        prf = pbkdf2.read_sequence()
        if der.encode(der.OID, prf.read(der.OID)) not in _PRFS:
            raise _invalid("its derivation function is not known")
        prf.skip_null()
        prf.end()
    pbkdf2.end()
    cipher_name = _CIPHERS.get(der.encode(der.OID, cipher.read(der.OID)))
    if cipher_name is None:
        raise _invalid("its cipher is neither SM4-CBC nor AES-CBC")
    cipher.read(der.OCTET_STRING)
    cipher.end()
    sealed.read(der.OCTET_STRING)
    sealed.end()
    return cipher_name


def _find_cipher(name: bytes) -> Handle | None:
    library = get_library()
    pointer = library.EVP_CIPHER_fetch(None, name, None)
    library.ERR_clear_error()
    return Handle(pointer, library.EVP_CIPHER_free, "find a cipher") if pointer else None


def _encode_passphrase(passphrase: str) -> bytes:
    try:
        secret = passphrase.encode("utf-8")
    except UnicodeEncodeError:
        raise CryptoError("KEYFILE_PARAMETERS", "The passphrase is not valid text.") from None
    if len(secret) > MAX_PASSPHRASE_LENGTH:
        raise CryptoError(
            "KEYFILE_PARAMETERS", f"A passphrase has at most {MAX_PASSPHRASE_LENGTH} bytes."
        )
    return secret


def _decode_pem(pem: bytes, label: str) -> bytes:
    if len(pem) > MAX_KEYFILE_LENGTH:
        raise _invalid(f"it is larger than {MAX_KEYFILE_LENGTH} bytes")
    try:
        blocks = decode_pem(pem, label)
    except PemError as error:
        raise _invalid(error.reason) from None
    if len(blocks) != 1:
        raise _invalid(f"it is not one PEM block named {label}")
    return blocks[0]


def _invalid(reason: str) -> CryptoError:
    return CryptoError("KEYFILE_INVALID", f"The key file cannot be used: {reason}.")


def _input(data: bytes) -> "ctypes._CArgObject":
    # d2i functions move the pointer they are given; the buffer lives as long as the argument.
    return ctypes.byref(ctypes.cast(ctypes.c_char_p(data), c_void_p))


def _output(i2d: "ctypes._FuncPointer", source: Handle) -> bytes:
    length = i2d(source.pointer, None)
    if length <= 0:
        raise failed("encode a key")
    buffer = ctypes.create_string_buffer(length)
    if i2d(source.pointer, ctypes.byref(ctypes.cast(buffer, c_void_p))) != length:
        raise failed("encode a key")
    return buffer.raw

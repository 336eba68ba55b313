"""Key files: openssl reads ours, we read openssl's, and what is refused."""

import base64
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from crypto import der
from crypto.errors import CryptoError
from crypto.keyfile import (
    MAX_ITERATIONS,
    MAX_KEYFILE_LENGTH,
    dump_private_key,
    dump_public_key,
    load_private_key,
    load_public_key,
)
from crypto.sm2 import PrivateKey, PublicKey, Signature, is_valid, verify

PASSPHRASE = "a passphrase 口令"
MESSAGE = b"share request 1"


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(CryptoError) as caught:
        call()
    return caught.value.code


def run(*command: str, data: bytes = b"") -> bytes:
    done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(*command: str) -> bool:
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    return done.returncode != 0


@pytest.fixture(scope="module")
def pem(key: PrivateKey) -> bytes:
    return dump_private_key(key, PASSPHRASE, iterations=1000)


def armour(label: str, data: bytes) -> bytes:
    text = base64.encodebytes(data)
    return f"-----BEGIN {label}-----\n".encode() + text + f"-----END {label}-----\n".encode()


def disarm(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


# --- round trips --------------------------------------------------------------------------------


def test_private_round_trip(key: PrivateKey, pem: bytes) -> None:
    assert load_private_key(pem, PASSPHRASE).to_int() == key.to_int()
    assert key.to_int().to_bytes(32, "big") not in disarm(pem)
    assert dump_private_key(key, PASSPHRASE, iterations=1000) != pem


@pytest.mark.parametrize("d", [1, 255, 2**200])
def test_small_private_values_keep_their_length(d: int) -> None:
    small = dump_private_key(PrivateKey.from_int(d), PASSPHRASE, iterations=1000)
    assert load_private_key(small, PASSPHRASE).to_int() == d


def test_public_round_trip(key: PrivateKey) -> None:
    assert load_public_key(dump_public_key(key.public_key)) == key.public_key


# --- the openssl command ------------------------------------------------------------------------


def test_openssl_reads_our_key_file(
    openssl: str, key: PrivateKey, pem: bytes, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_bytes(pem)
    read = ("-in", str(tmp_path / "key.pem"), "-passin", f"pass:{PASSPHRASE}")
    text = run(openssl, "pkey", *read, "-noout", "-text").decode()
    digits = re.sub(r"[^0-9a-f]", "", text.partition("priv:")[2].partition("pub:")[0])
    assert int(digits, 16) == key.to_int()
    assert load_public_key(run(openssl, "pkey", *read, "-pubout")) == key.public_key
    assert fails(openssl, "pkey", "-in", str(tmp_path / "key.pem"), "-passin", "pass:wrong")
    assert b"BEGIN PRIVATE KEY" in run(openssl, "pkcs8", *read)


@pytest.mark.parametrize("cipher", ["sm4-cbc", "aes-128-cbc", "aes-192-cbc", "aes-256-cbc"])
@pytest.mark.parametrize("prf", ["hmacWithSHA256", "hmacWithSHA512"])
def test_we_read_openssls_key_file(openssl: str, tmp_path: Path, cipher: str, prf: str) -> None:
    plain = run(openssl, "genpkey", "-algorithm", "SM2")
    encrypted = run(
        *(openssl, "pkcs8", "-topk8", "-v2", cipher, "-v2prf", prf, "-iter", "1000"),
        *("-passout", f"pass:{PASSPHRASE}"),
        data=plain,
    )
    key = load_private_key(encrypted, PASSPHRASE)
    assert load_public_key(run(openssl, "pkey", "-pubout", data=plain)) == key.public_key


def test_openssl_verifies_by_pkeyutl(openssl: str, key: PrivateKey, tmp_path: Path) -> None:
    for name, content in (
        ("public.pem", dump_public_key(key.public_key)),
        ("signature", key.sign(MESSAGE).to_der()),
        ("message", MESSAGE),
        ("other", MESSAGE + b"!"),
    ):
        (tmp_path / name).write_bytes(content)

    def command(message: str, user_id: str) -> tuple[str, ...]:
        return (
            *(openssl, "pkeyutl", "-verify", "-pubin", "-inkey", str(tmp_path / "public.pem")),
            *("-rawin", "-digest", "sm3", "-in", str(tmp_path / message)),
            *("-sigfile", str(tmp_path / "signature"), "-pkeyopt", f"distid:{user_id}"),
        )

    run(*command("message", "1234567812345678"))
    assert fails(*command("other", "1234567812345678"))
    assert fails(*command("message", "8765432187654321"))


def test_we_verify_pkeyutls_signature(
    openssl: str, key: PrivateKey, pem: bytes, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "message").write_bytes(MESSAGE)
    signature = Signature.from_der(
        run(
            *(openssl, "pkeyutl", "-sign", "-inkey", str(tmp_path / "key.pem")),
            *("-passin", f"pass:{PASSPHRASE}", "-rawin", "-digest", "sm3"),
            *("-in", str(tmp_path / "message"), "-pkeyopt", "distid:1234567812345678"),
        )
    )
    verify(key.public_key, MESSAGE, signature)
    assert not is_valid(key.public_key, MESSAGE + b"!", signature)


# --- what is refused ----------------------------------------------------------------------------


def test_wrong_passphrase(pem: bytes) -> None:
    for wrong in ("", "a passphrase", PASSPHRASE + " "):
        assert code_of(lambda w=wrong: load_private_key(pem, w)) in {  # type: ignore[misc]
            "KEYFILE_PASSPHRASE_WRONG",
            # One in some hundreds of wrong passphrases gives good padding.
            "KEYFILE_INVALID",
        }


@pytest.mark.parametrize(
    ("passphrase", "iterations"),
    [("", 1000), ("x" * 1025, 1000), ("\ud800", 1000), ("x", 999), ("x", MAX_ITERATIONS + 1)],
    ids=["empty", "long", "no text", "few iterations", "many iterations"],
)
def test_parameters(key: PrivateKey, passphrase: str, iterations: int) -> None:
    call = lambda: dump_private_key(key, passphrase, iterations=iterations)  # noqa: E731 - short
    assert code_of(call) == "KEYFILE_PARAMETERS"


def test_an_unencrypted_key_is_not_read(openssl: str) -> None:
    plain = run(openssl, "genpkey", "-algorithm", "SM2")
    assert code_of(lambda: load_private_key(plain, PASSPHRASE)) == "KEYFILE_INVALID"


@pytest.mark.parametrize("curve", ["P-256", "secp256k1"])
def test_keys_of_other_curves(openssl: str, curve: str) -> None:
    plain = run(openssl, "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}")
    encrypted = run(
        *(openssl, "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-iter", "1000"),
        *("-passout", f"pass:{PASSPHRASE}"),
        data=plain,
    )
    public = run(openssl, "pkey", "-pubout", data=plain)
    assert code_of(lambda: load_private_key(encrypted, PASSPHRASE)) == "KEYFILE_INVALID"
    assert code_of(lambda: load_public_key(public)) == "KEYFILE_INVALID"


@pytest.mark.parametrize("options", [("-v1", "PBE-SHA1-3DES"), ("-scrypt",), ("-v2", "des3")])
def test_other_encryptions(openssl: str, options: tuple[str, ...]) -> None:
    plain = run(openssl, "genpkey", "-algorithm", "SM2")
    encrypted = run(
        openssl, "pkcs8", "-topk8", *options, "-passout", f"pass:{PASSPHRASE}", data=plain
    )
    assert code_of(lambda: load_private_key(encrypted, PASSPHRASE)) == "KEYFILE_INVALID"


def test_a_file_cannot_choose_an_endless_derivation(pem: bytes) -> None:
    count = der.encode(der.INTEGER, b"\x03\xe8")
    data = disarm(pem)
    assert data.count(count) == 1
    for value in (MAX_ITERATIONS + 1, 2**31 - 1, 2**63):
        octets = value.to_bytes(value.bit_length() // 8 + 1, "big")
        longer = rebuild(data, der.encode(der.INTEGER, octets))
        hostile = armour("ENCRYPTED PRIVATE KEY", longer)
        assert code_of(lambda h=hostile: load_private_key(h, PASSPHRASE)) == "KEYFILE_INVALID"  # type: ignore[misc]
    same = armour("ENCRYPTED PRIVATE KEY", rebuild(data, count))
    assert load_private_key(same, PASSPHRASE).to_int()


def rebuild(data: bytes, count: bytes) -> bytes:
    """Return the key file with another iteration count, all lengths fitting."""
    sealed = der.DerReader(data).read_sequence()
    algorithm = der.DerReader(sealed.read(der.SEQUENCE))
    body = sealed.read(der.OCTET_STRING)
    scheme = algorithm.read(der.OID)
    parameters = algorithm.read_sequence()
    derivation = parameters.read_sequence()
    cipher = parameters.read(der.SEQUENCE)
    name = derivation.read(der.OID)
    pbkdf2 = derivation.read_sequence()
    salt = pbkdf2.read(der.OCTET_STRING)
    pbkdf2.read(der.INTEGER)
    prf = pbkdf2.read(der.SEQUENCE)
    new_pbkdf2 = der.encode(
        der.SEQUENCE, der.encode(der.OCTET_STRING, salt), count, der.encode(der.SEQUENCE, prf)
    )
    new_derivation = der.encode(der.SEQUENCE, der.encode(der.OID, name), new_pbkdf2)
    new_parameters = der.encode(der.SEQUENCE, new_derivation, der.encode(der.SEQUENCE, cipher))
    return der.encode(
        der.SEQUENCE,
        der.encode(der.SEQUENCE, der.encode(der.OID, scheme), new_parameters),
        der.encode(der.OCTET_STRING, body),
    )


def test_every_truncation_and_some_changes(key: PrivateKey, pem: bytes) -> None:
    data = disarm(pem)
    for length in range(0, len(data), 7):
        cut = armour("ENCRYPTED PRIVATE KEY", data[:length])
        assert code_of(lambda c=cut: load_private_key(c, PASSPHRASE)) == "KEYFILE_INVALID"  # type: ignore[misc]
    for at in range(0, len(data), 5):
        changed = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        try:
            loaded = load_private_key(armour("ENCRYPTED PRIVATE KEY", changed), PASSPHRASE)
        except CryptoError as error:
            if not error.code.startswith("KEY"):
                raise
        else:
            assert loaded.to_int() == key.to_int()


PEM_FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "another label": lambda pem: pem.replace(b"ENCRYPTED PRIVATE", b"PRIVATE"),
    "text in front": lambda pem: b"Bag Attributes\n" + pem,
    "two blocks": lambda pem: pem + pem,
    "labels differ": lambda pem: pem.replace(b"END ENCRYPTED", b"END"),
    "not base64": lambda pem: pem.replace(b"\n", b"\n!", 1),
    "broken padding": lambda pem: pem.replace(b"\n-----END", b"=\n-----END"),
    "too large": lambda pem: pem + b"\n" * MAX_KEYFILE_LENGTH,
    "trailing DER": lambda pem: armour("ENCRYPTED PRIVATE KEY", disarm(pem) + b"\0"),
}


@pytest.mark.parametrize("name", PEM_FAULTS)
def test_pem_faults(pem: bytes, name: str) -> None:
    broken = PEM_FAULTS[name](pem)
    assert broken != pem
    assert code_of(lambda: load_private_key(broken, PASSPHRASE)) == "KEYFILE_INVALID"


def test_public_keys_that_are_none(key: PrivateKey) -> None:
    data = disarm(dump_public_key(key.public_key))
    point = key.public_key.to_bytes()
    off_curve = armour("PUBLIC KEY", data[:-1] + bytes([data[-1] ^ 1]))
    assert code_of(lambda: load_public_key(off_curve)) == "KEY_INVALID"
    for wrong in (data[:-1], data + b"\0", data.replace(b"\0\x04" + point, b"\0\x02" + point)):
        broken = armour("PUBLIC KEY", wrong)
        assert code_of(lambda b=broken: load_public_key(b)) == "KEYFILE_INVALID"  # type: ignore[misc]


def test_the_sm2_oid_in_place_of_the_ec_one(key: PrivateKey) -> None:
    # As some certification authorities write it: algorithm SM2, parameters absent or NULL.
    point = der.encode(der.BIT_STRING, b"\0\x04" + key.public_key.to_bytes())
    for parameters in (b"", b"\x05\x00"):
        algorithm = der.encode(der.SEQUENCE, der.encode_oid("1.2.156.10197.1.301"), parameters)
        info = der.encode(der.SEQUENCE, algorithm, point)
        loaded: PublicKey = load_public_key(armour("PUBLIC KEY", info))
        assert loaded == key.public_key

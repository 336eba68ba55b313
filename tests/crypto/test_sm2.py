"""SM2 signatures: the standard's example, two independent implementations, and what is refused."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import sm2
from crypto.errors import CryptoError
from crypto.keyfile import dump_private_key, dump_public_key
from crypto.second_opinion import is_valid_for_gmssl
from crypto.sm2 import (
    DEFAULT_USER_ID,
    N,
    P,
    PrivateKey,
    PublicKey,
    Signature,
    digest_e,
    is_valid,
    verified_digest,
    verify,
    z_a,
)
from crypto.sm3 import sm3

MESSAGE = b"share request 1"


@pytest.fixture(scope="module")
def standard(vectors: dict[str, Any]) -> dict[str, Any]:
    vector: dict[str, Any] = vectors["sm2"][0]
    return vector


def make_pair(vector: dict[str, Any]) -> tuple[PublicKey, Signature]:
    public_key = PublicKey(int(vector["public_key_x_hex"], 16), int(vector["public_key_y_hex"], 16))
    return public_key, Signature(int(vector["r_hex"], 16), int(vector["s_hex"], 16))


# --- the standard's example ---------------------------------------------------------------------


def test_standard_example_verifies(standard: dict[str, Any]) -> None:
    public_key, signature = make_pair(standard)
    message, user_id = standard["message"].encode(), standard["user_id"].encode()
    assert user_id == DEFAULT_USER_ID
    assert digest_e(public_key, message, user_id=user_id).hex() == standard["e_hex"]
    verify(public_key, message, signature, user_id=user_id)
    assert is_valid_for_gmssl(public_key, message, signature)


def test_standard_private_key_has_the_standard_public_key(standard: dict[str, Any]) -> None:
    private_key = PrivateKey.from_int(int(standard["private_key_hex"], 16))
    assert private_key.public_key == make_pair(standard)[0]


def test_key_id_is_z_a(standard: dict[str, Any]) -> None:
    public_key, _ = make_pair(standard)
    expected = sm3(
        b"\x00\x80"
        + b"1234567812345678"
        + sm2.A.to_bytes(32, "big")
        + sm2.B.to_bytes(32, "big")
        + PublicKey(sm2.GX, sm2.GY).to_bytes()
        + public_key.to_bytes()
    )
    assert public_key.key_id == z_a(public_key) == expected
    # GB/T 32918.5-2017 annex A.2 prints this Z_A.
    assert expected.hex() == "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"


# --- sign and verify ----------------------------------------------------------------------------


@settings(max_examples=25)
@given(d=st.integers(1, N - 2), message=st.binary(max_size=300), user_id=st.binary(max_size=40))
def test_what_is_signed_verifies_and_nothing_else(d: int, message: bytes, user_id: bytes) -> None:
    private_key = PrivateKey.from_int(d)
    signature = private_key.sign(message, user_id=user_id)
    verify(private_key.public_key, message, signature, user_id=user_id)
    assert not is_valid(private_key.public_key, message + b"\x00", signature, user_id=user_id)
    assert not is_valid(private_key.public_key, message, signature, user_id=user_id + b"\x00")
    other = PrivateKey.from_int(d % (N - 2) + 1).public_key
    assert not is_valid(other, message, signature, user_id=user_id)


def test_gmssl_accepts_our_signatures_and_refuses_others(key: PrivateKey) -> None:
    for count in range(3):
        message = MESSAGE + bytes([count])
        signature = key.sign(message)
        assert is_valid_for_gmssl(key.public_key, message, signature)
        assert not is_valid_for_gmssl(key.public_key, message + b"!", signature)


def test_gmssl_is_asked_rightly_about_keys_that_begin_with_04() -> None:
    # Such keys are the ones that gmssl's constructor damages.
    d = next(d for d in range(1, 5000) if PrivateKey.from_int(d).public_key.x >> 248 == 4)
    private_key = PrivateKey.from_int(d)
    assert is_valid_for_gmssl(private_key.public_key, MESSAGE, private_key.sign(MESSAGE))


def test_signatures_use_fresh_randomness(key: PrivateKey) -> None:
    assert len({key.sign(MESSAGE).r for _ in range(20)}) == 20


def test_the_digest_is_given_for_a_signature_that_holds(key: PrivateKey) -> None:
    signature = key.sign(b"a")
    assert verified_digest(key.public_key, b"a", signature) == digest_e(key.public_key, b"a")
    assert verified_digest(key.public_key, b"b", signature) is None
    other = PrivateKey.generate().public_key
    assert verified_digest(other, b"a", signature) is None


def test_wrong_signature_raises(key: PrivateKey) -> None:
    signature = key.sign(MESSAGE)
    with pytest.raises(CryptoError) as caught:
        verify(key.public_key, b"another", signature)
    assert caught.value.code == "SIGNATURE_INVALID"


def test_the_empty_user_id_is_another_identity(key: PrivateKey) -> None:
    signature = key.sign(MESSAGE, user_id=b"")
    verify(key.public_key, MESSAGE, signature, user_id=b"")
    assert not is_valid(key.public_key, MESSAGE, signature)


def test_user_id_length_limit(key: PrivateKey) -> None:
    longest = b"x" * 8191
    verify(key.public_key, MESSAGE, key.sign(MESSAGE, user_id=longest), user_id=longest)
    with pytest.raises(CryptoError) as caught:
        key.sign(MESSAGE, user_id=b"x" * 8192)
    assert caught.value.code == "USER_ID_INVALID"


def test_swapped_and_negated_values_do_not_verify(key: PrivateKey) -> None:
    signature = key.sign(MESSAGE)
    for r, s in ((signature.s, signature.r), (signature.r, N - signature.s), (1, 1)):
        assert not is_valid(key.public_key, MESSAGE, Signature(r, s))


def test_s_that_meets_infinity_is_invalid_not_an_error(key: PrivateKey) -> None:
    # s G + t P is the point at infinity when s = -t d: no x coordinate to compare.
    d = key.to_int()
    t = 12345
    s = -t * d % N
    assert not is_valid(key.public_key, MESSAGE, Signature((t - s) % N, s))


# --- openssl, both directions -------------------------------------------------------------------


def run(*command: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=30)


DISTID = ("-sigopt", "distid:1234567812345678")


def test_openssl_verifies_our_signature(openssl: str, key: PrivateKey, tmp_path: Path) -> None:
    (tmp_path / "public.pem").write_bytes(dump_public_key(key.public_key))
    (tmp_path / "signature").write_bytes(key.sign(MESSAGE).to_der())
    command = (openssl, "dgst", "-sm3", "-verify", str(tmp_path / "public.pem"))
    signature = ("-signature", str(tmp_path / "signature"))
    assert run(*command, *DISTID, *signature, data=MESSAGE).returncode == 0
    assert run(*command, *DISTID, *signature, data=b"another").returncode != 0
    assert run(*command, *signature, data=MESSAGE).returncode != 0


def test_we_verify_openssls_signature(openssl: str, key: PrivateKey, tmp_path: Path) -> None:
    (tmp_path / "private.pem").write_bytes(dump_private_key(key, "open", iterations=1000))
    command = (openssl, "dgst", "-sm3", "-sign", str(tmp_path / "private.pem"))
    done = run(*command, "-passin", "pass:open", *DISTID, data=MESSAGE)
    assert done.returncode == 0, done.stderr
    signature = Signature.from_der(done.stdout)
    verify(key.public_key, MESSAGE, signature)
    assert not is_valid(key.public_key, b"another", signature)


# --- keys ---------------------------------------------------------------------------------------


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(CryptoError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize("d", [0, -1, N - 1, N, N + 1])
def test_private_values_out_of_range(d: int) -> None:
    assert code_of(lambda: PrivateKey.from_int(d)) == "KEY_INVALID"


@pytest.mark.parametrize("d", [1, 2, N - 2])
def test_private_values_at_the_edge(d: int) -> None:
    private_key = PrivateKey.from_int(d)
    verify(private_key.public_key, MESSAGE, private_key.sign(MESSAGE))
    if d == 1:
        assert private_key.public_key == PublicKey(sm2.GX, sm2.GY)


def test_points_that_are_no_keys() -> None:
    on_curve = PublicKey(sm2.GX, sm2.GY)
    assert PublicKey(sm2.GX, P - sm2.GY) != on_curve
    for x, y in (
        (sm2.GX, sm2.GY + 1),
        (sm2.GY, sm2.GX),
        (0, 0),
        (sm2.GX + P, sm2.GY),
        (sm2.GX, sm2.GY - P),
        (-1, 1),
    ):
        assert code_of(lambda x=x, y=y: PublicKey(x, y)) == "KEY_INVALID"  # type: ignore[misc]


def test_public_key_bytes() -> None:
    public_key = PublicKey(sm2.GX, sm2.GY)
    data = public_key.to_bytes()
    assert len(data) == 64
    assert PublicKey.from_bytes(data) == public_key
    broken = data[:-1] + bytes([data[-1] ^ 1])
    for wrong in (b"", data[:-1], data + b"\x00", b"\x04" + data, bytes(64), broken):
        assert code_of(lambda wrong=wrong: PublicKey.from_bytes(wrong)) == "KEY_INVALID"  # type: ignore[misc]


def test_private_key_keeps_its_secret() -> None:
    private_key = PrivateKey.from_int(0x1234567890ABCDEF)
    for shown in (repr(private_key), str(private_key), f"{private_key}"):
        assert private_key.public_key.key_id.hex() in shown
        assert "1234567890abcdef" not in shown.lower()
        assert str(private_key.to_int()) not in shown
    with pytest.raises(TypeError):
        pickle.dumps(private_key)
    with pytest.raises(TypeError):
        copy.deepcopy(private_key)


def test_generated_keys_differ() -> None:
    assert len({PrivateKey.generate().to_int() for _ in range(10)}) == 10


# --- encodings of signatures --------------------------------------------------------------------

in_range = st.integers(1, N - 1)


@given(in_range, in_range)
def test_encodings_round_trip(r: int, s: int) -> None:
    if r + s == N:
        return
    signature = Signature(r, s)
    assert Signature.from_bytes(signature.to_bytes()) == signature
    assert Signature.from_der(signature.to_der()) == signature
    assert len(signature.to_bytes()) == 64


@pytest.mark.parametrize(
    ("r", "s"),
    [
        (0, 1),
        (1, 0),
        (0, 0),
        (N, 1),
        (1, N),
        (N + 1, 1),
        (1, N + 5),
        (2**256 - 1, 1),
        (1, 2**256 - 1),
        (1, N - 1),
        (N - 7, 7),
    ],
)
def test_values_out_of_range(r: int, s: int) -> None:
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    encoded = make_der(der_integer(r), der_integer(s))
    for call in (
        lambda: Signature(r, s),
        lambda: Signature.from_bytes(raw),
        lambda: Signature.from_der(encoded),
    ):
        assert code_of(call) == "SIGNATURE_MALFORMED"


def test_negative_values() -> None:
    assert code_of(lambda: Signature(-1, 1)) == "SIGNATURE_MALFORMED"
    assert code_of(lambda: Signature(1, -1)) == "SIGNATURE_MALFORMED"


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_raw_length(length: int) -> None:
    assert code_of(lambda: Signature.from_bytes(b"\x01" * length)) == "SIGNATURE_MALFORMED"


def der_integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes([2, len(content)]) + content


def make_der(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes([0x30, len(body)]) + body


R, S = 0x80 << 240, 5
GOOD = make_der(der_integer(R), der_integer(S))
BAD_DER = {
    "empty": b"",
    "only a tag": b"\x30",
    "empty sequence": b"\x30\x00",
    "trailing byte": GOOD + b"\x00",
    "trailing byte inside": make_der(der_integer(R), der_integer(S), b"\x00"),
    "third integer": make_der(der_integer(R), der_integer(S), der_integer(1)),
    "one integer": make_der(der_integer(R)),
    "r not minimal": make_der(b"\x02\x02\x00\x05", der_integer(S)),
    "s not minimal": make_der(der_integer(R), b"\x02\x02\x00\x05"),
    "r negative": make_der(b"\x02\x01\x80", der_integer(S)),
    "s negative": make_der(der_integer(R), b"\x02\x01\xff"),
    "r empty": make_der(b"\x02\x00", der_integer(S)),
    "long-form length": b"\x30\x81" + GOOD[1:],
    "long-form integer": make_der(b"\x02\x81\x01\x05", der_integer(S)),
    "indefinite length": b"\x30\x80" + GOOD[2:] + b"\x00\x00",
    "set": b"\x31" + GOOD[1:],
    "octet strings": GOOD.replace(b"\x02\x01\x05", b"\x04\x01\x05"),
    "outer length too small": bytes([0x30, GOOD[1] - 1]) + GOOD[2:],
    "outer length too large": bytes([0x30, GOOD[1] + 1]) + GOOD[2:],
    "huge": make_der(der_integer(R), der_integer(S)) + b"\x00" * 10_000,
}


@pytest.mark.parametrize("name", BAD_DER)
def test_der_that_is_not_der(name: str) -> None:
    assert Signature.from_der(GOOD) == Signature(R, S)
    assert code_of(lambda: Signature.from_der(BAD_DER[name])) == "SIGNATURE_MALFORMED"


def test_truncated_der(key: PrivateKey) -> None:
    encoded = key.sign(MESSAGE).to_der()
    for length in range(len(encoded)):
        call = encoded[:length]
        assert code_of(lambda call=call: Signature.from_der(call)) == "SIGNATURE_MALFORMED"  # type: ignore[misc]


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_or_round_trip(data: bytes) -> None:
    try:
        signature = Signature.from_der(data)
    except CryptoError as error:
        if error.code != "SIGNATURE_MALFORMED":
            raise
    else:
        assert signature.to_der() == data


# --- threads and the library --------------------------------------------------------------------


def test_threads_share_keys(key: PrivateKey) -> None:
    keys = [key, *(PrivateKey.generate() for _ in range(3))]

    def work(worker: int) -> int:
        held = 0
        for count in range(25):
            mine = keys[(worker + count) % len(keys)]
            message = f"{worker}/{count}".encode()
            signature = mine.sign(message)
            verify(mine.public_key, message, signature)
            held += not is_valid(mine.public_key, message + b"x", signature)
        return held

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [25] * 8


def test_more_keys_than_contexts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sm2, "_CONTEXTS_KEPT_PER_THREAD", 2)
    monkeypatch.setattr(sm2, "_contexts", sm2._ThreadContexts())
    keys = [PrivateKey.generate() for _ in range(5)]
    signed = [(k.public_key, k.sign(MESSAGE)) for k in keys]
    for _ in range(3):
        for public_key, signature in signed:
            verify(public_key, MESSAGE, signature)


def test_keys_work_after_fork(key: PrivateKey) -> None:
    root = Path(__file__).parents[2]
    program = (
        "import os\n"
        "from crypto.sm2 import PrivateKey, verify\n"
        "key = PrivateKey.generate()\n"
        "before = key.sign(b'm')\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    verify(key.public_key, b'm', before)\n"
        "    os.write(w, key.sign(b'm').to_bytes())\n"
        "    os._exit(0)\n"
        "theirs, mine = os.read(r, 64), key.sign(b'm').to_bytes()\n"
        "assert theirs[:32] != mine[:32] and len(theirs) == 64\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr

"""Many signatures in one call: the results of verify, in order, from any number of threads."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crypto import sm2
from crypto.errors import CryptoError
from crypto.second_opinion import is_valid_for_gmssl
from crypto.sm2 import N, P, PrivateKey, PublicKey, Signature, is_valid, verify_many

Item = tuple[PublicKey, bytes, Signature]


@pytest.fixture(scope="module")
def keys() -> list[PrivateKey]:
    return [PrivateKey.generate() for _ in range(7)]


def sign_all(keys: Sequence[PrivateKey], count: int, *, user_id: bytes | None = None) -> list[Item]:
    more = {} if user_id is None else {"user_id": user_id}
    signed = []
    for number in range(count):
        key, message = keys[number % len(keys)], b"record %d" % number
        signed.append((key.public_key, message, key.sign(message, **more)))
    return signed


def alter(item: Item, keys: Sequence[PrivateKey], how: int) -> Item:
    public_key, message, signature = item
    r, s = signature.r, signature.s
    return [
        (public_key, message + b"\x00", signature),
        (public_key, message[:-1], signature),
        (public_key, b"", signature),
        (next(k.public_key for k in keys if k.public_key != public_key), message, signature),
        (PublicKey(public_key.x, P - public_key.y), message, signature),
        (public_key, message, Signature(s, r)),
        (public_key, message, Signature(r, N - s)),
        (public_key, message, Signature(r, s ^ 1)),
        (public_key, message, Signature(r ^ 1 << 100, s)),
        (public_key, message, Signature(1, 1)),
    ][how]


ALTERATIONS = 10


@pytest.fixture(scope="module")
def mixed(keys: list[PrivateKey]) -> tuple[list[Item], list[bool]]:
    """Good and altered signatures in random order, with what is expected of each."""
    shuffler = random.Random(20261123)  # noqa: S311 - an order, not a secret
    rows = [(item, True) for item in sign_all(keys, 120)]
    for number, (item, _) in enumerate(rows[:100]):
        rows.append((alter(item, keys, number % ALTERATIONS), False))
    shuffler.shuffle(rows)
    return [item for item, _ in rows], [good for _, good in rows]


@pytest.mark.parametrize("threads", [None, 1, 2, 3, 8, 1000])
def test_agrees_with_verify_in_order(
    mixed: tuple[list[Item], list[bool]], threads: int | None
) -> None:
    items, expected = mixed
    assert [is_valid(*item) for item in items] == expected
    assert verify_many(items, threads=threads) == expected


def test_gmssl_agrees(mixed: tuple[list[Item], list[bool]]) -> None:
    items, expected = mixed
    sample = slice(0, 40)
    assert set(expected[sample]) == {True, False}
    assert [is_valid_for_gmssl(*item) for item in items[sample]] == expected[sample]


def test_signature_that_meets_infinity_is_false(keys: list[PrivateKey]) -> None:
    # s G + t P is the point at infinity when s = -t d.
    t = 12345
    s = -t * keys[0].to_int() % N
    infinite = (keys[0].public_key, b"m", Signature((t - s) % N, s))
    good = sign_all(keys, 40)
    results = verify_many([*good[:20], infinite, *good[20:]], threads=4)
    assert results == [True] * 20 + [False] + [True] * 20


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 15, 16, 17, 63, 64, 65, 129])
def test_every_size_gives_as_many_results(keys: list[PrivateKey], count: int) -> None:
    items = sign_all(keys, count)
    assert verify_many(items, threads=2) == [True] * count
    if count:
        wrong = alter(items[-1], keys, 0)
        assert verify_many([*items[:-1], wrong], threads=2) == [True] * (count - 1) + [False]


def test_a_big_batch_names_the_one_that_is_wrong(keys: list[PrivateKey]) -> None:
    items = sign_all(keys, 40) * 50
    items[1234] = alter(items[1234], keys, 7)
    results = verify_many(items, threads=8)
    assert len(results) == 2000
    assert [at for at, good in enumerate(results) if not good] == [1234]


def test_more_keys_than_contexts_are_kept(
    keys: list[PrivateKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sm2, "_CONTEXTS_KEPT_PER_THREAD", 2)
    monkeypatch.setattr(sm2, "_contexts", sm2._ThreadContexts())
    assert verify_many(sign_all(keys, 70), threads=4) == [True] * 70


def test_the_user_id_is_of_all(keys: list[PrivateKey]) -> None:
    items = sign_all(keys, 20, user_id=b"another")
    assert verify_many(items, user_id=b"another") == [True] * 20
    assert verify_many(items) == [False] * 20
    with pytest.raises(CryptoError) as caught:
        verify_many(items, user_id=b"x" * 8192, threads=2)
    assert caught.value.code == "USER_ID_INVALID"


def test_calls_from_eight_threads_at_once(mixed: tuple[list[Item], list[bool]]) -> None:
    items, expected = mixed
    with ThreadPoolExecutor(8) as pool:
        for results in pool.map(lambda _: verify_many(items, threads=2), range(8)):
            assert results == expected


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 20, 39])
def test_wrong_types_are_refused_before_anything_is_verified(
    keys: list[PrivateKey], at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        pytest.fail("something was verified")

    good = sign_all(keys, 40)
    public_key, message, signature = good[at]
    monkeypatch.setattr(sm2, "_is_valid_digest", refuse)
    wrong: list[Any] = [
        None,
        (),
        (public_key, message),
        (public_key, message, signature, None),
        [public_key, message, signature],
        (public_key.to_bytes(), message, signature),
        (public_key, message.decode(), signature),
        (public_key, bytearray(message), signature),
        (public_key, memoryview(message), signature),
        (public_key, None, signature),
        (public_key, message, signature.to_bytes()),
        (public_key, message, signature.to_der()),
        (public_key, message, None),
        (signature, message, public_key),
    ]
    for item in wrong:
        with pytest.raises(TypeError):
            verify_many([*good[:at], item, *good[at + 1 :]], threads=2)


@pytest.mark.parametrize("threads", [0, -1])
def test_thread_counts_below_one(keys: list[PrivateKey], threads: int) -> None:
    with pytest.raises(ValueError, match="threads"):
        verify_many(sign_all(keys, 1), threads=threads)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_failing_library_gives_no_results(
    keys: list[PrivateKey], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = sign_all(keys, 100)
    real = sm2._is_valid_digest
    broken = sm2.digest_e(items[70][0], items[70][1])

    def fail_once(public_key: PublicKey, e: bytes, signature: Signature) -> bool:
        if e == broken:
            raise sm2.failed("verify a signature")
        return real(public_key, e, signature)

    monkeypatch.setattr(sm2, "_is_valid_digest", fail_once)
    with pytest.raises(CryptoError) as caught:
        verify_many(items, threads=threads)
    assert caught.value.code == "LIBCRYPTO_FAILED"

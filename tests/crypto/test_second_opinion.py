"""gmssl beside libcrypto: every signature is asked about, and a difference is never swallowed."""

import dataclasses

import pytest

from crypto import second_opinion as module
from crypto import sm2
from crypto.errors import CryptoError
from crypto.second_opinion import is_valid_for_gmssl, second_opinion
from crypto.sm2 import PrivateKey, is_valid, verify, verify_many

MESSAGE = b"a statement"


def test_both_agree_on_good_and_bad(key: PrivateKey) -> None:
    good = key.sign(MESSAGE)
    bad = dataclasses.replace(good, s=good.s ^ 1)
    named = key.sign(MESSAGE, user_id=b"ALICE123@YAHOO.COM")
    with second_opinion() as opinion:
        verify(key.public_key, MESSAGE, good)
        assert not is_valid(key.public_key, MESSAGE, bad)
        assert is_valid(key.public_key, MESSAGE, named, user_id=b"ALICE123@YAHOO.COM")
        assert not is_valid(key.public_key, MESSAGE, named)
    assert (opinion.asked, opinion.differing) == (4, [])
    opinion.require_agreement()
    assert is_valid_for_gmssl(key.public_key, MESSAGE, named, user_id=b"ALICE123@YAHOO.COM")


def test_threads_of_a_batch_are_observed(key: PrivateKey) -> None:
    items = [(key.public_key, b"%d" % i, key.sign(b"%d" % (i // 2))) for i in range(32)]
    with second_opinion() as opinion:
        results = verify_many(items, threads=4)
    assert results == [i == i // 2 for i in range(32)]
    assert (opinion.asked, opinion.differing) == (32, [])


def test_it_ends_with_its_block(key: PrivateKey) -> None:
    with second_opinion() as opinion:
        pass
    is_valid(key.public_key, MESSAGE, key.sign(MESSAGE))
    assert (opinion.asked, sm2.observer.get()) == (0, None)


@pytest.mark.parametrize("first", [True, False])
def test_a_difference_decides_nothing(
    key: PrivateKey, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    signature = key.sign(MESSAGE)
    monkeypatch.setattr(sm2, "_is_valid_digest", lambda *_: first)
    monkeypatch.setattr(module, "is_valid_for_gmssl", lambda *_, **__: not first)
    with second_opinion() as opinion:
        assert is_valid(key.public_key, MESSAGE, signature) is first
    with pytest.raises(CryptoError) as caught:
        opinion.require_agreement()
    assert caught.value.code == "SECOND_OPINION_DIFFERS"

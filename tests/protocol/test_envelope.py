"""Envelopes of sealed documents: only parties open them, and nothing in them can be exchanged."""

from dataclasses import replace

import pytest

from crypto.errors import CryptoError, ProtocolError
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from protocol.envelope import MAX_PARTIES, Envelope, encrypt_to

ONE, TWO, STRANGER = (PrivateKey.from_int(n) for n in (11, 12, 13))
COMMITMENT = sm3(b"commitment")
SEALED = b"salt and text"


@pytest.fixture
def envelope() -> Envelope:
    return encrypt_to([ONE.public_key, TWO.public_key], COMMITMENT, SEALED)


def test_each_party_opens_it(envelope: Envelope) -> None:
    again = Envelope.from_bytes(envelope.to_bytes())
    assert again == envelope
    assert SEALED not in envelope.to_bytes()
    for key in (ONE, TWO):
        assert again.open(key) == SEALED


def test_nobody_else_opens_it(envelope: Envelope) -> None:
    with pytest.raises(ProtocolError) as caught:
        envelope.open(STRANGER)
    assert caught.value.code == "NOT_A_PARTY"
    wrapped = envelope.parties[ONE.public_key.key_id]
    stolen = replace(envelope, parties={STRANGER.public_key.key_id: wrapped})
    with pytest.raises(CryptoError) as broken:
        stolen.open(STRANGER)
    assert broken.value.code == "CIPHERTEXT_INVALID"


def test_nothing_is_exchanged_unnoticed(envelope: Envelope) -> None:
    other = encrypt_to([ONE.public_key], COMMITMENT, b"another text")
    for bent in (
        replace(envelope, commitment=sm3(b"another")),
        replace(envelope, body=other.body),
        replace(envelope, body=envelope.body[:-1] + bytes((envelope.body[-1] ^ 1,))),
        replace(envelope, parties={ONE.public_key.key_id: envelope.parties[ONE.public_key.key_id]}),
    ):
        with pytest.raises(CryptoError) as caught:
            bent.open(ONE)
        assert caught.value.code == "SEALED_INVALID"


@pytest.mark.parametrize("count", [0, MAX_PARTIES + 1])
def test_number_of_parties(count: int) -> None:
    keys = [PrivateKey.from_int(n + 1).public_key for n in range(count)]
    with pytest.raises(ProtocolError) as caught:
        encrypt_to(keys, COMMITMENT, SEALED)
    assert caught.value.code == "ENVELOPE_MALFORMED"


def test_malformed(envelope: Envelope) -> None:
    text = envelope.to_bytes()
    for bent in (
        b"",
        b"{}",
        b"[]",
        text + b" ",
        text.replace(b"envelope/v1", b"envelope/v2"),
        text.replace(COMMITMENT.hex().encode(), b"00"),
        text.replace(COMMITMENT.hex().encode(), COMMITMENT.hex().upper().encode()),
        text.replace(ONE.public_key.key_id.hex().encode(), b"0c"),
        text.replace(b'"body":"', b'"body":"zz'),
        text.replace(b'"body":"', b'"more":1,"body":"'),
    ):
        with pytest.raises(ProtocolError) as caught:
            Envelope.from_bytes(bent)
        assert caught.value.code == "ENVELOPE_MALFORMED"

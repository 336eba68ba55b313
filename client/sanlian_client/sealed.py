"""Sealed texts over the gateway: handing an envelope in, fetching one, disposing of one's own."""

import secrets
import time
from collections.abc import Mapping

from crypto.canonical import canonical_json
from crypto.errors import VerificationError
from crypto.sm2 import PrivateKey, Signer
from crypto.sm3 import sm3
from protocol.acts import ZERO_ID
from protocol.envelope import Envelope
from protocol.httpsig import SEALED_PATHS, parse_content_digest, sign_request
from sanlian_client.data import Gateway
from sanlian_client.sealing import Sealed


def share_sealed(gateway: Gateway, key: Signer, *, act: bytes, word: str, envelope: bytes) -> None:
    """Hand an envelope in for the parties of a recorded act; the same one again changes nothing.

    Args:
        gateway: where to.
        key: key of a person of a party.
        act: id of the act whose word holds the commitment.
        word: name of that word, such as ``reason``.
        envelope: the envelope's bytes.

    Raises:
        RequestRefused: the gateway refused, with its code.
        LedgerError: SERVER_UNREACHABLE.
        OutcomeUnknown: the answer was lost; hand it in again.
        ProtocolError: ENVELOPE_MALFORMED.
    """
    text = Envelope.from_bytes(envelope).to_bytes().decode()
    named = {"act": act.hex(), "word": word, "envelope": text}
    _call(gateway, key, SEALED_PATHS["keep"], named)


def fetch_sealed(
    gateway: Gateway, key: PrivateKey, *, act: bytes, word: str, commitment: bytes
) -> Sealed:
    """Fetch and open the newest envelope of a text that is for this key; it is recorded.

    Args:
        gateway: where from.
        key: key of a person of a party, to which the text was encrypted.
        act: id of the act whose word holds the commitment.
        word: name of that word.
        commitment: what the chain holds in that word, 32 bytes: no other text passes for it.

    Raises:
        RequestRefused: the gateway refused, with its code.
        LedgerError: SERVER_UNREACHABLE.
        OutcomeUnknown: the answer was lost.
        VerificationError: RESPONSE_TAMPERED, COMMITMENT_MISMATCH.
        ProtocolError: ENVELOPE_MALFORMED, NOT_A_PARTY, SEALED_MALFORMED.
        CryptoError: CIPHERTEXT_INVALID, SEALED_INVALID.
    """
    data = _call(gateway, key, SEALED_PATHS["fetch"], {"act": act.hex(), "word": word})
    sealed = Sealed.from_bytes(Envelope.from_bytes(data).open(key))
    if sealed.commitment != commitment:
        raise VerificationError("COMMITMENT_MISMATCH", "the envelope holds another document")
    return sealed


def dispose_sealed(gateway: Gateway, key: Signer, *, act: bytes, word: str) -> None:
    """Have the envelopes erased that the own department handed in for a text.

    Raises:
        RequestRefused: the gateway refused, with its code.
        LedgerError: SERVER_UNREACHABLE.
        OutcomeUnknown: the answer was lost; dispose again.
    """
    _call(gateway, key, SEALED_PATHS["dispose"], {"act": act.hex(), "word": word})


def _call(gateway: Gateway, key: Signer, path: str, named: Mapping[str, str]) -> bytes:
    body = canonical_json({"salt": secrets.token_bytes(32).hex(), **named})
    _, headers = sign_request(
        key,
        body,
        authority=gateway.authority,
        path=path,
        created=int(time.time()),
        nonce=secrets.token_bytes(16).hex(),
        grant=ZERO_ID,
    )
    answer = gateway.post(path, body, headers)
    if answer.status != 200:
        raise answer.problem()
    stated = answer.header("content-digest")
    if stated is None or parse_content_digest(stated) != sm3(answer.body):
        raise VerificationError("RESPONSE_TAMPERED", "the answer is not what was sent")
    return answer.body

"""Offered batches and ends of transfers, for both sides (docs/protocol.md 7.11)."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, LedgerError, ProtocolError, VerificationError
from crypto.sm2 import Signer
from crypto.sm3 import sm3
from protocol.acts import ZERO_ID
from protocol.httpsig import (
    CLOSING_PATH,
    OFFER_PATH,
    OPEN_OFFERS_PATH,
    parse_content_digest,
    sign_request,
)
from protocol.receipt import Receipt
from protocol.transfer import encode_closing, encode_offer, parse_manifest
from sanlian_client.data import Gateway
from sanlian_client.statements import check_receipt, post_statement


@dataclass(frozen=True, slots=True)
class Offer:
    """A batch that is ready at its provider.

    Attributes:
        seq: index of its record in the gateway's log.
        grant: 32-byte id of the grant that it is for.
        name: its name.
        parts: number of its parts.
        rows: records in all of them.
        manifest: SM3 of its manifest, 32 bytes.
    """

    seq: int
    grant: bytes
    name: str
    parts: int
    rows: int
    manifest: bytes


@dataclass(frozen=True, slots=True)
class Closing:
    """What a requester has of a transfer that is whole.

    Attributes:
        first: index of the first part's outcome.
        last: index of the last part's outcome.
        parts: number of parts.
        rows: records in all of them, 0 for a file.
        manifest: SM3 of the requester's own manifest or of the file, 32 bytes.
        offer: index of the offer that it takes up, if any.
    """

    first: int
    last: int
    parts: int
    rows: int
    manifest: bytes
    offer: int | None = None


def offer_batch(gateway: Gateway, key: Signer, manifest: bytes) -> Receipt:
    """Record at the gateway that a batch is ready; offering it again is harmless.

    Args:
        gateway: where to.
        key: the provider's key, with the role PROVIDER.
        manifest: see protocol.transfer.make_manifest.

    Raises:
        ProtocolError: OFFER_MALFORMED.
        RequestRefused, LedgerError, OutcomeUnknown, VerificationError: as post_statement.
    """
    value = parse_manifest(manifest)
    body = encode_offer(
        {
            "manifest": sm3(manifest).hex(),
            "name": value["name"],
            "parts": len(value["parts"]),
            "rows": sum(part["rows"] for part in value["parts"]),
            "salt": secrets.token_hex(32),
        }
    )
    grant = bytes.fromhex(value["grant"])
    return post_statement(gateway, key, OFFER_PATH, body, event="offered", grant=grant)


def close_transfer(gateway: Gateway, key: Signer, grant: bytes, closing: Closing) -> Receipt:
    """Record at the gateway that a transfer is whole; closing it again is harmless.

    Raises:
        ProtocolError: CLOSING_MALFORMED.
        RequestRefused, LedgerError, OutcomeUnknown, VerificationError: as post_statement.
    """
    body = encode_closing(
        {
            "first": closing.first,
            "last": closing.last,
            "manifest": closing.manifest.hex(),
            "offer": closing.offer,
            "parts": closing.parts,
            "rows": closing.rows,
            "salt": secrets.token_hex(32),
        }
    )
    return post_statement(gateway, key, CLOSING_PATH, body, event="closed", grant=grant)


def open_offers(gateway: Gateway, key: Signer) -> Iterator[Offer]:
    """Yield the offers under the department's grants that no closing names yet, oldest first.

    Raises:
        RequestRefused: the gateway refused, with its code.
        LedgerError: SERVER_UNREACHABLE, RESPONSE_MALFORMED.
        VerificationError: RECEIPT_INVALID, RESPONSE_TAMPERED.
    """
    after: int | None = -1
    while after is not None:
        body = canonical_json({"after": after, "salt": secrets.token_hex(32)})
        _, headers = sign_request(
            key,
            body,
            authority=gateway.authority,
            path=OPEN_OFFERS_PATH,
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=ZERO_ID,
        )
        answer = gateway.post(OPEN_OFFERS_PATH, body, headers)
        if answer.status != 200:
            raise answer.problem()
        if _digest(answer.header("content-digest")) != sm3(answer.body):
            raise VerificationError("RESPONSE_TAMPERED", "the answer is not what was sent")
        malformed = LedgerError("RESPONSE_MALFORMED", "this is no list of offers")
        try:
            value = parse_json(answer.body, max_bytes=len(answer.body))
            receipts = [one["receipt"] for one in value["offers"]]
            following = value["next"]
        except (CryptoError, KeyError, TypeError) as error:
            raise malformed from error
        if following is not None and (type(following) is not int or following <= after):
            raise malformed
        for text in receipts:
            receipt, record = check_receipt(gateway, text, "offered")
            told = record["statement"]
            yield Offer(
                receipt.index,
                bytes.fromhex(record["request"]["grant"]),
                told["name"],
                told["parts"],
                told["rows"],
                bytes.fromhex(told["manifest"]),
            )
        after = following


def _digest(header: str | None) -> bytes:
    try:
        return parse_content_digest(header or "")
    except ProtocolError as error:
        raise VerificationError("RESPONSE_TAMPERED", "the answer has no digest") from error

"""Signed statements that a gateway keeps as records: sent, and their receipts checked."""

import secrets
import time
from collections.abc import Callable
from typing import Any

from crypto.canonical import parse_canonical
from crypto.errors import CryptoError, ProtocolError, VerificationError
from crypto.sm2 import Signer
from protocol.acts import ZERO_ID
from protocol.httpsig import sign_request
from protocol.receipt import Receipt
from sanlian_client.data import Gateway


def post_statement(
    gateway: Gateway,
    key: Signer,
    path: str,
    body: bytes,
    *,
    event: str,
    grant: bytes = ZERO_ID,
    clock: Callable[[], float] = time.time,
) -> Receipt:
    """Send a statement and return the verified receipt of its record.

    Making the same statement again is harmless: it gets the receipt of the first one.

    Args:
        gateway: where to.
        key: who states it.
        path: path of the call.
        body: the statement in canonical JSON, with a salt.
        event: event of the record.
        grant: grant that it is about, zeros for none.
        clock: unix time in seconds.

    Raises:
        RequestRefused: the gateway refused, with its code.
        LedgerError: SERVER_UNREACHABLE.
        OutcomeUnknown: the answer was lost; state it again.
        VerificationError: RECEIPT_MISSING, RECEIPT_INVALID.
    """
    _, headers = sign_request(
        key,
        body,
        authority=gateway.authority,
        path=path,
        created=int(clock()),
        nonce=secrets.token_hex(16),
        grant=grant,
    )
    answer = gateway.post(path, body, headers)
    if answer.status != 200:
        raise answer.problem()
    text = answer.header("sanlian-receipt")
    if text is None:
        raise VerificationError("RECEIPT_MISSING", "the statement came without a receipt")
    receipt, record = check_receipt(gateway, text, event)
    wanted, told = parse_canonical(body, max_bytes=len(body)), record["statement"]
    # An earlier one of the same content has another salt, and may be of a colleague's key.
    if {**told, "salt": ""} != {**wanted, "salt": ""} or record["request"]["grant"] != grant.hex():
        raise VerificationError("RECEIPT_INVALID", "the receipt is of another statement")
    return receipt


def check_receipt(gateway: Gateway, text: str, event: str) -> tuple[Receipt, dict[str, Any]]:
    """Return a receipt of this gateway's log and its record, of this event.

    Raises:
        VerificationError: RECEIPT_INVALID.
    """
    try:
        receipt = Receipt.from_header(text)
        record = gateway.verify(receipt)
    except (CryptoError, ProtocolError, VerificationError) as error:
        raise VerificationError("RECEIPT_INVALID", "the receipt does not hold") from error
    if record["event"] != event:
        raise VerificationError("RECEIPT_INVALID", "the receipt is of another kind of record")
    return receipt, record

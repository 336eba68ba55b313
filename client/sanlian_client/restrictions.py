"""Declaring the networks from which a grant may be used (docs/protocol.md 7.8)."""

import secrets
import time
from collections.abc import Sequence
from ipaddress import ip_network

from crypto.errors import CryptoError, ProtocolError, VerificationError
from crypto.sm2 import Signer
from crypto.sm3 import sm3
from protocol.httpsig import RESTRICTION_PATH, parse_content_digest, sign_request
from protocol.networks import parse_networks
from protocol.receipt import Receipt
from protocol.restriction import restriction_body
from sanlian_client.data import Gateway


def restrict_grant(
    gateway: Gateway, key: Signer, *, grant: bytes, networks: Sequence[str]
) -> Receipt:
    """Declare for one's own side from where a grant may be used; it replaces what was declared.

    Each gateway keeps declarations in its own log: declare at every gateway that serves the grant.

    Args:
        gateway: where to.
        key: key of an officer or security administrator of the grant's requester or provider.
        grant: 32-byte id of the grant.
        networks: at most 32 of ``address/bits``, IPv4 or IPv6; none lifts one's own restriction.

    Returns:
        The receipt of the declaration's record.

    Raises:
        ProtocolError: NETWORK_MALFORMED.
        RequestRefused: the gateway refused, with its code.
        LedgerError: SERVER_UNREACHABLE.
        OutcomeUnknown: the answer was lost; declare again.
        VerificationError: RECEIPT_MISSING, RECEIPT_INVALID, RESPONSE_TAMPERED.
    """
    try:
        listed = sorted({str(ip_network(one)) for one in networks})
    except ValueError as error:
        raise ProtocolError("NETWORK_MALFORMED", "a network is address/bits") from error
    parse_networks(listed)
    body = restriction_body(listed, secrets.token_bytes(32).hex())
    request, headers = sign_request(
        key,
        body,
        authority=gateway.authority,
        path=RESTRICTION_PATH,
        created=int(time.time()),
        nonce=secrets.token_bytes(16).hex(),
        grant=grant,
    )
    answer = gateway.post(RESTRICTION_PATH, body, headers)
    if answer.status != 200:
        raise answer.problem()
    text = answer.header("sanlian-receipt")
    if text is None:
        raise VerificationError("RECEIPT_MISSING", "the declaration came back without a receipt")
    try:
        receipt = Receipt.from_header(text)
        record = gateway.verify(receipt)
    except (CryptoError, ProtocolError, VerificationError) as error:
        raise VerificationError("RECEIPT_INVALID", "the receipt does not hold") from error
    if record["event"] != "restricted" or record["request"] != request.to_record():
        raise VerificationError("RECEIPT_INVALID", "the receipt is of another declaration")
    if record["networks"] != listed:
        raise VerificationError("RECEIPT_INVALID", "the receipt is of other networks")
    if parse_content_digest(answer.header("content-digest") or "") != sm3(answer.body):
        raise VerificationError("RESPONSE_TAMPERED", "the answer is not what was sent")
    return receipt

"""Evidence: asking for it, and comparing it with what one signed oneself."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from crypto.canonical import canonical_json, parse_json
from crypto.certificates import Certificate
from crypto.errors import CryptoError, LedgerError, VerificationError
from crypto.sm2 import Signer
from crypto.sm3 import sm3
from protocol.acts import ZERO_ID
from protocol.evidence import Evidence
from protocol.httpsig import parse_content_digest, sign_request
from protocol.records import parse_record
from sanlian_client.data import Gateway
from sanlian_client.receipts import KeptReceipt

EVIDENCE_PATH = "/v1/evidence"
MAX_EVIDENCE_SIZE = 64 * 1024 * 1024
TYPE = "sanlian/evidence/v1"


def fetch_evidence(
    gateway: Gateway,
    key: Signer,
    *,
    seq: int,
    log: str | None = None,
    clock: Callable[[], float] = time.time,
) -> bytes:
    """Ask the gateway for the evidence of a record; the asking is itself logged.

    Args:
        gateway: where to ask; its max_answer_size bounds the evidence.
        key: key of a person who may see the record.
        seq: index of the record in the log.
        log: origin of the log; the gateway's own when absent.
        clock: unix time in seconds.

    Returns:
        Canonical bytes of the evidence, not yet verified.

    Raises:
        RequestRefused: the gateway refused, with its code.
        LedgerError: RESPONSE_MALFORMED, SERVER_UNREACHABLE.
        OutcomeUnknown: the answer was lost.
        VerificationError: RESPONSE_TAMPERED.
    """
    body = canonical_json(
        {"log": log or gateway.origin, "salt": secrets.token_bytes(32).hex(), "seq": seq}
    )
    _, headers = sign_request(
        key,
        body,
        authority=gateway.authority,
        path=EVIDENCE_PATH,
        created=int(clock()),
        nonce=secrets.token_bytes(16).hex(),
        grant=ZERO_ID,
    )
    answer = gateway.post(EVIDENCE_PATH, body, headers)
    if answer.status != 200:
        raise answer.problem()
    stated = answer.header("content-digest")
    if stated is not None and parse_content_digest(stated) != sm3(answer.body):
        raise VerificationError("RESPONSE_TAMPERED", "the evidence is not what was sent")
    malformed = LedgerError("RESPONSE_MALFORMED", "the answer holds no evidence")
    try:
        value: Any = parse_json(answer.body, max_bytes=MAX_EVIDENCE_SIZE)
    except CryptoError as error:
        raise malformed from error
    if isinstance(value, dict) and set(value) == {"data", "salt"}:
        value = value["data"]
    if not isinstance(value, dict) or value.get("type") != TYPE:
        raise malformed
    return canonical_json(value)


def verify_own_request(data: bytes, kept: KeptReceipt) -> None:
    """Check that evidence is of the request that this department signed and kept.

    Args:
        data: the evidence, which verify_evidence accepted.
        kept: what was kept of the request.

    Raises:
        ProtocolError: the evidence is malformed.
        VerificationError: REQUEST_MISMATCH when it is of another request, RECEIPT_MISMATCH when
            its end is not the record that the receipt showed.
    """
    records = Evidence.from_bytes(data).records
    first = parse_record(records[0].record)
    if first.get("request") != kept.request:
        raise VerificationError("REQUEST_MISMATCH", "the evidence is of another request")
    if kept.receipt is not None and kept.receipt.record != records[-1].record:
        raise VerificationError(
            "RECEIPT_MISMATCH", "the log ends the request otherwise than the receipt"
        )


def verify_requester_certificate(facts: Mapping[str, Any], certificate: Certificate) -> None:
    """Check that a certificate is the one that the requester's key was bound to.

    Args:
        facts: of the verdict on the evidence.
        certificate: the certificate, whose own chain is verified elsewhere.

    Raises:
        VerificationError: CERTIFICATE_OTHER_KEY, CERTIFICATE_NOT_BOUND.
    """
    if facts["requester_key"] != certificate.public_key.key_id.hex():
        raise VerificationError("CERTIFICATE_OTHER_KEY", "the certificate is of another key")
    if facts["requester_certificate"] != certificate.fingerprint.hex():
        raise VerificationError(
            "CERTIFICATE_NOT_BOUND",
            "at the deciding block the key was bound to another certificate, or to none",
        )

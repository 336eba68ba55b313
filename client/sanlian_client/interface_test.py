"""Asking the gateway to test an interface that the department has registered."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, LedgerError, ProtocolError, VerificationError
from crypto.sm2 import Signer
from crypto.sm3 import sm3
from protocol.acts import ZERO_ID
from protocol.httpsig import TEST_PATH, parse_content_digest, sign_request
from protocol.receipt import Receipt
from sanlian_client.data import MAX_BODY_SIZE, Gateway

_MAX_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class InterfaceTest:
    """A test that the gateway made and handed in.

    Attributes:
        act_id: id of the gateway's act InterfaceTested; wait until it is recorded.
        passed: whether the interface may go online.
        report: what was checked, with the code of a failure; no value of the data is in it.
        salt: with the report it gives the commitment that the act holds.
        receipt: receipt of the record of the test.
    """

    act_id: bytes
    passed: bool
    report: Mapping[str, Any]
    salt: bytes
    receipt: Receipt


def request_interface_test(
    gateway: Gateway,
    key: Signer,
    *,
    interface: bytes,
    parameters: Mapping[str, Any],
    clock: Callable[[], float] = time.time,
) -> InterfaceTest:
    """Let the gateway call the interface's pending version and check the answer.

    Args:
        gateway: where to ask.
        key: key of an operator or officer of the interface's department.
        interface: id of the interface.
        parameters: parameters whose answer holds a value of every item; best those of a made-up
            person, as the gateway gets to see the answer.
        clock: unix time in seconds.

    Raises:
        RequestRefused: the gateway refused, or could not hand in the result (TEST_NOT_SUBMITTED).
        OutcomeUnknown: OUTCOME_UNKNOWN: the answer was lost; ask again.
        VerificationError: RECEIPT_MISSING, RECEIPT_INVALID, RESPONSE_TAMPERED.
        ProtocolError: BODY_MALFORMED, REQUEST_TOO_LARGE.
        LedgerError: RESPONSE_MALFORMED.
    """
    value = {
        "interface": interface.hex(),
        "parameters": dict(parameters),
        "salt": secrets.token_bytes(32).hex(),
    }
    try:
        body = canonical_json(value)
    except CryptoError as error:
        raise ProtocolError("BODY_MALFORMED", "the parameters cannot be written as JSON") from error
    if len(body) > MAX_BODY_SIZE:
        raise ProtocolError("REQUEST_TOO_LARGE", "the parameters have at most 64 KiB")
    request, headers = sign_request(
        key,
        body,
        authority=gateway.authority,
        path=TEST_PATH,
        created=int(clock()),
        nonce=secrets.token_bytes(16).hex(),
        grant=ZERO_ID,
    )
    answer = gateway.post(TEST_PATH, body, headers)
    if answer.status != 200:
        raise answer.problem()
    text = answer.header("sanlian-receipt")
    if text is None:
        raise VerificationError("RECEIPT_MISSING", "the result came without a receipt")
    try:
        receipt = Receipt.from_header(text)
        record = gateway.verify(receipt)
    except (CryptoError, ProtocolError, VerificationError) as error:
        raise VerificationError("RECEIPT_INVALID", "the receipt does not hold") from error
    stated = answer.header("content-digest") or ""
    if parse_content_digest(stated) != sm3(answer.body):
        raise VerificationError("RESPONSE_TAMPERED", "the answer is not what was sent")
    try:
        found: Any = parse_json(answer.body, max_bytes=_MAX_ANSWER)
        act_id, salt = bytes.fromhex(found["act_id"]), bytes.fromhex(found["salt"])
        report = dict(found["report"])
        commitment = sm3(salt + canonical_json(report))
    except (CryptoError, KeyError, TypeError, ValueError) as error:
        raise LedgerError("RESPONSE_MALFORMED", "the answer holds no result of a test") from error
    if (
        record["event"] != "tested"
        or record["report"] != commitment.hex()
        or record["result"] != report.get("result")
        or report.get("interface") != interface.hex()
        or record["time_ms"] < request.created * 1000 - 120_000
    ):
        raise VerificationError("RECEIPT_INVALID", "the receipt is of another test")
    return InterfaceTest(act_id, report["result"] == "passed", report, salt, receipt)

"""Data requests: signed, answered with a receipt, and believed only after every check."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from crypto.canonical import canonical_json, parse_json
from crypto.errors import (
    CryptoError,
    LedgerError,
    OutcomeUnknown,
    ProtocolError,
    RequestRefused,
    VerificationError,
)
from crypto.merkle import leaf_hash
from crypto.sm2 import PublicKey, Signer
from crypto.sm3 import sm3
from protocol.checkpoint import parse_note
from protocol.httpsig import DATA_PATH, NONE, SignedRequest, parse_content_digest, sign_request
from protocol.receipt import Receipt, verify_receipt
from sanlian_client.receipts import KeptReceipt, ReceiptStore
from sanlian_client.transport import Answer, Transport

if TYPE_CHECKING:
    from sanlian_client.sequences import Sequences

MAX_BODY_SIZE = 64 * 1024
_SKEW_MS = 120_000


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why data is asked for; part of what is signed and logged.

    Attributes:
        person: pseudonym of the person behind the request, never a name.
        basis: code of the legal basis, as in the grant.
        scenario: code of the scenario, as in the grant.
        case: case number, or "-".
        stream: "<stream id>;<sequence>", or None.
    """

    person: str = NONE
    basis: str = NONE
    scenario: str = NONE
    case: str = NONE
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """Data that was released, with its proof.

    Attributes:
        data: the JSON value.
        items: mask of the released items.
        rows: number of records.
        receipt: receipt of the outcome.
        outcome: the outcome's record.
        request: what was signed.
    """

    data: Any
    items: int
    rows: int
    receipt: Receipt
    outcome: Mapping[str, Any]
    request: SignedRequest


class Gateway:
    """A gateway, with the log and the key that its receipts must carry.

    Args:
        url: base URL; of several gateways, that of their balancer.
        origin: origin of its log.
        public_key: its key.
        further: keys of the other gateways behind the URL, by the origins of their logs.
        authority: host and port that requests are signed for; that of the URL when absent.
        timeout_s: most time for one exchange.
        max_answer_size: largest answer in bytes.
    """

    def __init__(
        self,
        url: str,
        *,
        origin: str,
        public_key: PublicKey,
        further: Mapping[str, PublicKey] | None = None,
        authority: str | None = None,
        timeout_s: float = 30.0,
        max_answer_size: int = 16 * 1024 * 1024,
    ) -> None:
        self._keys = {**(further or {}), origin: public_key}
        self.origin = origin
        self.public_key = public_key
        self._transport = Transport(url, timeout_s=timeout_s, max_answer_size=max_answer_size)
        self.authority = authority or self._transport.authority

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def verify(self, receipt: Receipt) -> dict[str, Any]:
        """Check a receipt of whichever of the gateways answered, and return its record.

        Raises:
            ProtocolError: it is malformed.
            VerificationError: it does not hold, or is of a log that none of them has.
        """
        named = parse_note(receipt.checkpoint)[0].origin
        origin = named if named in self._keys else self.origin
        record, _ = verify_receipt(receipt, origin=origin, public_key=self._keys[origin])
        return record

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a signed call, see Transport.post."""
        return self._transport.post(path, body, {**headers, "host": self.authority})


def header_text(text: str) -> str:
    """Return text as a signed header carries it: percent-encoded UTF-8 where it is not ASCII.

    Empty text becomes "-".
    """
    return quote(text, safe="!#$&'()*+,/:;=?@[]^_`{|}~\"<>\\") if text else NONE


def request_data(
    gateway: Gateway,
    key: Signer,
    *,
    grant: bytes,
    parameters: Mapping[str, Any],
    purpose: Purpose,
    store: ReceiptStore,
    sequences: "Sequences | None" = None,
    clock: Callable[[], float] = time.time,
) -> Released:
    """Ask for data under a grant; keep the receipt; return data that passed every check.

    The outcome does not repeat the request: that it answers this one follows from the digest of
    the body, which nothing else had, and the evidence of the record shows the intent with it.

    Args:
        gateway: where to ask.
        key: the requester's key, of a person with the role SYSTEM.
        grant: 32-byte id of the grant.
        parameters: what the interface takes; for a GET interface all values are text.
        purpose: why.
        store: where the receipt is kept before the data is returned.
        sequences: numbers the request durably; the purpose has no stream of its own then.
        clock: unix time in seconds.

    Raises:
        RequestRefused: the gateway refused, with its code; detail receipt says whether a receipt
            of the denial or failure is kept.
        OutcomeUnknown: OUTCOME_UNKNOWN: the answer was lost; a record may exist.
        VerificationError: RECEIPT_MISSING, RECEIPT_INVALID, RESPONSE_TAMPERED.
        ProtocolError: HEADER_MALFORMED, STREAM_MALFORMED, REQUEST_TOO_LARGE.
        LedgerError: SEQUENCE_BACKLOG, SEQUENCE_FILE_DAMAGED, SEQUENCE_GIVEN_UP, SERVER_UNREACHABLE.
    """
    salt = secrets.token_bytes(32).hex()
    try:
        body = canonical_json({"parameters": dict(parameters), "salt": salt})
    except CryptoError as error:
        raise ProtocolError("BODY_MALFORMED", "the parameters cannot be written as JSON") from error
    if len(body) > MAX_BODY_SIZE:
        raise ProtocolError("REQUEST_TOO_LARGE", "the parameters have at most 64 KiB")
    if sequences is not None and purpose.stream is not None:
        raise ProtocolError("STREAM_MALFORMED", "the file of numbers gives the stream's number")
    number = sequences.give() if sequences is not None else None
    request, headers = sign_request(
        key,
        body,
        authority=gateway.authority,
        path=DATA_PATH,
        created=int(clock()),
        nonce=secrets.token_bytes(16).hex(),
        grant=grant,
        person=header_text(purpose.person),
        basis=header_text(purpose.basis),
        scenario=header_text(purpose.scenario),
        case=header_text(purpose.case),
        stream=purpose.stream if number is None else str(number),
    )
    kept = KeptReceipt(request.to_record(), salt, gateway.origin, None, None)
    store.begin(kept)
    if sequences is not None and number is not None:
        sequences.mark_sent(number.sequence)
    try:
        answer = gateway.post(DATA_PATH, body, headers)
    except OutcomeUnknown:
        raise
    except LedgerError:
        # Nothing has left this machine.
        if sequences is not None and number is not None:
            sequences.mark(number.sequence, "not_sent")
        raise
    text = answer.header("sanlian-receipt")
    if text is None:
        if answer.status == 200:
            raise VerificationError("RECEIPT_MISSING", "data came without a receipt")
        refusal = answer.problem()
        if sequences is not None and number is not None and _is_certain(refusal, answer.status):
            sequences.mark(number.sequence, "refused")
        raise _with_receipt(refusal, kept=False)
    receipt, record = _check_receipt(gateway, request, text)
    leaf = leaf_hash(receipt.record)
    if store.has_leaf(leaf):
        raise VerificationError("RECEIPT_INVALID", "the receipt is that of an earlier request")
    kept = replace(kept, receipt=receipt, origin=record["log"])
    if sequences is not None and number is not None:
        store.finish(kept)
        sequences.settle(number.sequence)
    if answer.status != 200:
        store.finish(kept)
        if record["event"] == "outcome" and record["result"] != "failed":
            raise VerificationError(
                "RECEIPT_INVALID", "the log says that data was released, but none came"
            )
        problem = answer.problem()
        if problem.code != record["code"]:
            raise VerificationError("RECEIPT_INVALID", "the log names another reason")
        raise _with_receipt(problem, kept=True)
    try:
        value = _check_released(answer, record)
    except (VerificationError, LedgerError):
        # The valid receipt is the proof of what the gateway said, and it goes to the dispute.
        store.finish(kept)
        raise
    store.finish(replace(kept, response_salt=value["salt"]))
    return Released(
        data=value["data"],
        items=int(record["items"], 16),
        rows=record["rows"],
        receipt=receipt,
        outcome=record,
        request=request,
    )


def _is_certain(refusal: RequestRefused, status: int) -> bool:
    """Return whether a refusal without a receipt says that there is no record either."""
    if status >= 500:
        return refusal.code in ("GATEWAY_BUSY", "GATEWAY_NOT_READY", "LOG_BUSY", "LOG_CLOSED")
    return not refusal.code.startswith("HTTP_")


def _with_receipt(problem: RequestRefused, *, kept: bool) -> RequestRefused:
    return RequestRefused(problem.code, problem.message, **{**problem.details, "receipt": kept})


def _check_receipt(
    gateway: Gateway, request: SignedRequest, text: str
) -> tuple[Receipt, dict[str, Any]]:
    try:
        receipt = Receipt.from_header(text)
        record = gateway.verify(receipt)
    except (CryptoError, ProtocolError, VerificationError) as error:
        raise VerificationError("RECEIPT_INVALID", "the receipt does not hold") from error
    if record["event"] not in ("outcome", "denied"):
        raise VerificationError("RECEIPT_INVALID", "the receipt is of another kind of record")
    if record["event"] == "denied" and record["request"] != request.to_record():
        raise VerificationError("RECEIPT_INVALID", "the receipt is of another request")
    if record["time_ms"] < request.created * 1000 - _SKEW_MS:
        raise VerificationError("RECEIPT_INVALID", "the receipt is older than the request")
    return receipt, record


def _check_released(answer: Answer, record: Mapping[str, Any]) -> dict[str, Any]:
    tampered = VerificationError("RESPONSE_TAMPERED", "the data is not what the log says")
    try:
        stated = parse_content_digest(answer.header("content-digest") or "")
    except ProtocolError as error:
        raise tampered from error
    digest = sm3(answer.body)
    if record["event"] != "outcome" or record["result"] != "released":
        raise VerificationError("RECEIPT_INVALID", "data came, but the log says none was released")
    if stated != digest or record["response_digest"] != digest.hex():
        raise tampered
    try:
        value = parse_json(answer.body, max_bytes=len(answer.body))
    except CryptoError as error:
        raise LedgerError("RESPONSE_MALFORMED", "the answer is not JSON") from error
    if (
        not isinstance(value, dict)
        or set(value) != {"data", "salt"}
        or not isinstance(value["salt"], str)
        or len(value["salt"]) != 64
    ):
        raise LedgerError("RESPONSE_MALFORMED", "the answer does not have the form of protocol 7.2")
    return value

"""What an auditor does at the gateway's host: first recorded by the gateway, then done.

Search of keyed digests and opening of kept envelopes work on the files; the gateway runs meanwhile.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from crypto.canonical import parse_json
from crypto.errors import (
    CryptoError,
    LedgerError,
    ProtocolError,
    RequestRefused,
    SanlianError,
    VerificationError,
)
from crypto.keyfile import load_private_key
from crypto.sm2 import Signer
from ledger.deployment import load_deployment
from ledger.log.disposal import search_parameter
from ledger.log.keeping import find_kept, open_kept
from ledger.log.kept_keys import KeptKeys
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.reader import LogReader
from ledger.settings import Settings
from protocol.consultation import consultation_body, has_reason, is_consultation
from protocol.httpsig import CONSULTATION_PATH, NONE, sign_request
from protocol.parameters import KEY_LENGTH, MAX_PERIODS, parameter_digest, period_at
from protocol.receipt import Receipt, verify_receipt
from protocol.records import parse_record
from tokens.cryptoki import TokenInfo
from tokens.key import Pin, TokenKey
from tokens.uri import parse_uri

TIMEOUT_S = 60.0
_MAX_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Consultant:
    """Who looks, and why; all of it is signed and recorded.

    Attributes:
        key: key of an auditor.
        person: pseudonym of the person, 1 to 128 of ! to ~.
        basis: code of the legal basis, or "-".
        case: number of the case, or "-".
    """

    key: Signer
    person: str
    basis: str = NONE
    case: str = NONE


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        consultation: index of the record that tells of the search.
        records: indices of intents and denials.
        closed: months that cannot be searched, because their key is not there.
    """

    consultation: int
    records: list[int]
    closed: list[str]


def open_auditor_key(place: str, secret: str) -> Signer:
    """Return the key of an auditor, from a file or from a token.

    Args:
        place: path of an encrypted PKCS#8 file, or a ``pkcs11:`` URI.
        secret: passphrase of the file, or PIN of the token.

    Raises:
        LedgerError: KEYFILE_INVALID when the file cannot be read.
        SanlianError: those of key files and tokens.
    """
    if place.startswith("pkcs11:"):

        def get_pin(_: TokenInfo) -> Pin:
            return Pin(secret.encode(), typed=True)

        return TokenKey(parse_uri(place), get_pin)
    try:
        with Path(place).open("rb") as file:
            pem = file.read(64 * 1024)
    except OSError as error:
        raise LedgerError("KEYFILE_INVALID", "the key file cannot be read") from error
    return load_private_key(pem, secret)


def consult(
    settings: Settings,
    who: Consultant,
    operation: str,
    *,
    periods: Sequence[str] = (),
    record: int | None = None,
) -> int:
    """Have the gateway record what is about to be done; return the record's index.

    Raises:
        RequestRefused: CONSULTATION_REASON_MISSING; the gateway refused, with its code.
        LedgerError: SERVER_UNREACHABLE, PARAMETER_PERIOD_INVALID.
        VerificationError: RECEIPT_MISSING, RECEIPT_INVALID.
    """
    if not has_reason(person=who.person, basis=who.basis, case=who.case):
        raise RequestRefused(
            "CONSULTATION_REASON_MISSING", "name the person, and a legal basis or a case"
        )
    months = sorted(set(periods))
    if not is_consultation(operation, months, record):
        raise LedgerError(
            "PARAMETER_PERIOD_INVALID", f"name 1 to {MAX_PERIODS} months, such as 2026-11"
        )
    deployment = load_deployment(settings.home / "deployment.json")
    body = consultation_body(operation, months, record, secrets.token_hex(32))
    request, headers = sign_request(
        who.key,
        body,
        authority=settings.resolved_gateway_authority,
        path=CONSULTATION_PATH,
        created=int(time.time()),
        nonce=secrets.token_hex(16),
        grant=bytes(32),
        person=who.person,
        basis=who.basis,
        case=who.case,
    )
    answer = _post(settings, body, headers)
    if answer.status_code != 200:
        raise _problem(answer)
    text = answer.headers.get("sanlian-receipt")
    if text is None:
        raise VerificationError("RECEIPT_MISSING", "the gateway answered without a receipt")
    try:
        receipt = Receipt.from_header(text)
        told, _ = verify_receipt(
            receipt, origin=deployment.origin, public_key=deployment.gateway_key
        )
    except SanlianError as error:
        raise VerificationError("RECEIPT_INVALID", "the receipt does not hold") from error
    if told["event"] != "consulted" or told["request"] != request.to_record():
        raise VerificationError("RECEIPT_INVALID", "the receipt is of another record")
    return receipt.index


def search_in_home(
    settings: Settings,
    who: Consultant,
    value: object,
    *,
    pointers: Sequence[str] = (),
    periods: Sequence[str] = (),
) -> Found:
    """Search the home's log for a parameter's value, after the gateway has recorded the search.

    Args:
        settings: settings of the gateway's home.
        who: who searches, and why.
        value: the JSON value, exactly as it was sent; it leaves this process in no form.
        pointers: where it may have stood; those of the settings without any.
        periods: months to search; all since the log was opened without any.

    Raises:
        ProtocolError: PARAMETER_INVALID, before anything is recorded.
        SanlianError: those of consult and search_parameter.
    """
    origin = load_deployment(settings.home / "deployment.json").origin
    reader = LogReader.open(settings.resolved_log_database_url, origin)
    try:
        wanted = tuple(pointers) or settings.resolved_parameter_digests
        keys = ParameterKeys(settings.parameter_keys_dir)
        months = sorted(set(periods)) or _months_of(reader)
        # What cannot be searched for must not be recorded as searched.
        check_search(wanted, value)
        index = consult(settings, who, "search", periods=months)
        found, closed = search_parameter(reader, keys, wanted, value, periods=months)
        return Found(index, found, closed)
    finally:
        reader.close()


def show_kept_in_home(settings: Settings, who: Consultant, seq: int) -> tuple[int, bytes]:
    """Open the envelope of a record, after the gateway has recorded that.

    Returns:
        Index of the record that tells of the opening; the body, as the requester signed it.

    Raises:
        SanlianError: those of find_kept, before anything is recorded; of consult and open_kept.
    """
    origin = load_deployment(settings.home / "deployment.json").origin
    reader = LogReader.open(settings.resolved_log_database_url, origin)
    try:
        find_kept(reader, seq)
        index = consult(settings, who, "open", record=seq)
        return index, open_kept(reader, KeptKeys(settings.kept_keys_dir), seq)
    finally:
        reader.close()


def check_search(pointers: Sequence[str], value: object) -> None:
    """Refuse a search that cannot be made.

    Raises:
        ProtocolError: PARAMETER_INVALID.
    """
    for pointer in pointers:
        parameter_digest(bytes(KEY_LENGTH), "2000-01", pointer, value)
    if not pointers:
        raise ProtocolError("PARAMETER_INVALID", "no pointer is set, and none was given")


def _months_of(reader: LogReader) -> list[str]:
    """Return the months from the log's first record to now."""
    last = period_at(time.time_ns() // 1_000_000)
    month = period_at(parse_record(reader.get_record(0))["time_ms"])
    found = []
    while month <= last:
        found.append(month)
        year, number = int(month[:4]), int(month[5:])
        month = f"{year + number // 12:04}-{number % 12 + 1:02}"
    return found


def _post(settings: Settings, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """Post to the gateway of this host, whatever name requesters know it by."""
    url = f"http://{settings.host}:{settings.gateway_port}{CONSULTATION_PATH}"
    headers = {**headers, "host": settings.resolved_gateway_authority}
    try:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http:
            return http.post(url, content=body, headers=headers)
    except httpx.HTTPError as error:
        raise LedgerError("SERVER_UNREACHABLE", "the gateway of this host is not there") from error


def _problem(answer: httpx.Response) -> RequestRefused:
    try:
        value = parse_json(answer.content[:_MAX_ANSWER], max_bytes=_MAX_ANSWER)
    except CryptoError:
        value = None
    code = value.get("code") if isinstance(value, dict) else None
    return RequestRefused(
        code if isinstance(code, str) and code else "SERVER_UNREACHABLE",
        "the gateway did not record the consultation, so nothing was done",
    )

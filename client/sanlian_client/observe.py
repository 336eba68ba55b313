"""Hands in the access log of an existing exchange platform: reads, signs, sends, keeps receipts.

Each batch that was taken is one file in the directory of receipts, so a run that was broken off
goes on where it ended; a batch whose answer was lost is sent again and gets the receipts of the
first time.
"""

import csv
import itertools
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json, parse_canonical, parse_json
from crypto.errors import CryptoError, LedgerError, ProtocolError, RequestRefused, VerificationError
from crypto.sm2 import Signature, Signer
from crypto.sm3 import sm3
from protocol.acts import ZERO_ID
from protocol.batch_receipts import MEMBERS, batch_receipts
from protocol.httpsig import OBSERVATIONS_PATH, parse_content_digest, sign_request
from protocol.observation import (
    MAX_BATCH_RECORDS,
    Observation,
    check_observation,
    encode_batch,
    sign_observation,
)
from sanlian_client.data import Gateway
from sanlian_client.files import read_limited, write_new

TYPE = "sanlian/observed-batch/v1"
MAX_LINE_SIZE = 64 * 1024
MAX_COLUMNS_SIZE = 64 * 1024
_MAX_BATCH_FILE_SIZE = 32 * 1024 * 1024
_NULLABLE = ("requester_key", "grant", "authorization", "response_digest")
_MEMBERS = (
    "platform",
    "record",
    "time_ms",
    "requester",
    "requester_key",
    "person",
    "grant",
    "authorization",
    "provider",
    "resource",
    "items",
    "result",
    "code",
    "request_digest",
    "response_digest",
)
#: Nothing is known of a record that got one of these; the batch is sent again.
_UNSETTLED = frozenset({"LOG_BUSY", "LOG_CLOSED", "LOG_WRITE_FAILED"})

Columns = Mapping[str, str | Mapping[str, str]]


def read_columns(path: Path) -> Columns:
    """Read which column of a CSV file holds which member.

    The file is a JSON object: member name to the name of a column, or to ``{"value": text}`` where
    the member is the same in every record.

    Raises:
        ProtocolError: COLUMNS_MALFORMED.
        LedgerError: the file cannot be read.
    """
    bad = ProtocolError(
        "COLUMNS_MALFORMED",
        'the columns file is a JSON object of member names to a column or {"value": text}',
    )
    try:
        value = parse_json(
            read_limited(path, max_bytes=MAX_COLUMNS_SIZE), max_bytes=MAX_COLUMNS_SIZE
        )
    except CryptoError as error:
        raise bad from error
    if not isinstance(value, dict) or not set(value) <= set(_MEMBERS):
        raise bad
    for one in value.values():
        is_constant = isinstance(one, dict) and set(one) == {"value"}
        if not isinstance(one["value"] if is_constant else one, str):
            raise bad
    return value


def read_records(path: Path, columns: Columns | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, members) of a platform's log.

    Args:
        path: JSON lines, each with the members of docs/protocol.md 6.6 but ``v``; or CSV in UTF-8
            with a line of names, where columns are given.
        columns: which column holds which member.

    Raises:
        ProtocolError: OBSERVATION_MALFORMED, with the line.
        LedgerError: FILE_MISSING, FILE_NOT_READ.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="" if columns is not None else None) as file:
            rows = _json_lines(file) if columns is None else _csv_rows(file, columns)
            for line, members in rows:
                try:
                    yield line, check_observation({"v": 1, **members})
                except ProtocolError as error:
                    raise _malformed(line, error.message) from error
    except FileNotFoundError as error:
        raise LedgerError("FILE_MISSING", f"{path.name} does not exist", file=path.name) from error
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError("FILE_NOT_READ", f"{path.name} cannot be read", file=path.name) from error


def _malformed(line: int, reason: str) -> ProtocolError:
    return ProtocolError("OBSERVATION_MALFORMED", f"line {line}: {reason}", line=line)


def _json_lines(file: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for line in itertools.count(1):
        text = file.readline(MAX_LINE_SIZE + 1)
        if not text:
            return
        if len(text) > MAX_LINE_SIZE:
            raise _malformed(line, "it is longer than 64 KiB")
        if not text.strip():
            continue
        try:
            value = parse_json(text.encode(), max_bytes=4 * MAX_LINE_SIZE)
        except CryptoError as error:
            raise _malformed(line, "it is not JSON") from error
        if not isinstance(value, dict):
            raise _malformed(line, "it is not a JSON object")
        yield line, value


def _csv_rows(file: Any, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(MAX_LINE_SIZE)
    reader = csv.DictReader(file, strict=True)
    try:
        missing = {one for one in columns.values() if isinstance(one, str)} - set(
            reader.fieldnames or ()
        )
        if missing:
            raise ProtocolError(
                "COLUMNS_MALFORMED", f"the file has no column {', '.join(sorted(missing))}"
            )
        for row in reader:
            line = reader.line_num
            texts = {
                name: (row[one] or "").strip() if isinstance(one, str) else one["value"]
                for name, one in columns.items()
            }
            yield line, _members(texts, line)
    except csv.Error as error:
        raise _malformed(reader.line_num, "it is not CSV") from error


def _members(texts: Mapping[str, str], line: int) -> dict[str, Any]:
    members: dict[str, Any] = {name: texts.get(name, "") for name in _MEMBERS}
    for name in _NULLABLE:
        members[name] = members[name] or None
    members["items"] = sorted({one.strip() for one in members["items"].split(";")} - {""})
    text = members["time_ms"]
    if re.fullmatch(r"[0-9]{1,16}", text):
        members["time_ms"] = int(text)
        return members
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _malformed(line, "time_ms is no time") from error
    if moment.tzinfo is None:
        raise _malformed(line, "time_ms says no time zone, such as +08:00")
    members["time_ms"] = int(moment.timestamp() * 1000)
    return members


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of one batch.

    Attributes:
        first: first line of the batch in the platform's log.
        last: last line.
        kept: number of records with a valid receipt.
        refused: (line, code) of records that were refused.
        is_new: whether it was handed in just now.
    """

    first: int
    last: int
    kept: int
    refused: tuple[tuple[int, str], ...]
    is_new: bool


def hand_in(
    gateway: Gateway,
    key: Signer,
    records: Iterator[tuple[int, dict[str, Any]]],
    directory: Path,
    *,
    batch_size: int = MAX_BATCH_RECORDS,
    clock: Callable[[], float] = time.time,
) -> Iterator[Batch]:
    """Hand records in, batch by batch, and keep the receipts; yield what came of each batch.

    Batches whose receipts are in the directory already are compared with the log and left out.

    Args:
        gateway: where to.
        key: an enrolled key of a person with the role PROVIDER or GATEWAY.
        records: from read_records.
        directory: where receipts are kept, one directory for each log.
        batch_size: records to a batch.
        clock: unix time in seconds.

    Raises:
        RequestRefused: the gateway refused a batch as a whole, with its code; run again later.
        OutcomeUnknown: the answer was lost; run again.
        VerificationError: RECEIPT_INVALID, RESPONSE_TAMPERED.
        LedgerError: OBSERVED_DIFFERS when the log is not the one whose receipts are kept; the
            server's and the files' errors.
        ProtocolError: OBSERVATION_MALFORMED.
    """
    for number in itertools.count(1):
        path = directory / f"batch-{number:08d}.json"
        if not path.exists():
            break
        value = _read_batch(path)
        lines = list(itertools.islice(records, len(value["lines"])))
        if [line for line, _ in lines] != value["lines"] or _digest(lines) != value["digest"]:
            raise LedgerError(
                "OBSERVED_DIFFERS", f"the log is not the one whose receipts {path.name} keeps"
            )
        yield _batch(lines, value["results"], is_new=False)
    while lines := list(itertools.islice(records, batch_size)):
        observations = [sign_observation(key, members) for _, members in lines]
        answer = _send(gateway, key, observations, int(clock()))
        _check(gateway, key, observations, answer)
        kept = {
            "type": TYPE,
            "origin": gateway.origin,
            "lines": [line for line, _ in lines],
            "digest": _digest(lines),
            "observations": [one.to_json() for one in observations],
            **answer,
        }
        write_new(directory / f"batch-{number:08d}.json", canonical_json(kept))
        number += 1
        yield _batch(lines, answer["results"], is_new=True)


def _digest(lines: list[tuple[int, dict[str, Any]]]) -> str:
    return sm3(canonical_json([members for _, members in lines])).hex()


def _batch(lines: list[tuple[int, Any]], results: list[Any], *, is_new: bool) -> Batch:
    refused = tuple(
        (line, str(one["code"]))
        for (line, _), one in zip(lines, results, strict=True)
        if "code" in one
    )
    return Batch(lines[0][0], lines[-1][0], len(lines) - len(refused), refused, is_new)


def _read_batch(path: Path) -> dict[str, Any]:
    bad = LedgerError("KEPT_RECEIPT_DAMAGED", f"{path.name} cannot be read")
    try:
        data = read_limited(path, max_bytes=_MAX_BATCH_FILE_SIZE)
        value = parse_canonical(data, max_bytes=_MAX_BATCH_FILE_SIZE)
    except CryptoError as error:
        raise bad from error
    if not isinstance(value, dict) or value.get("type") != TYPE:
        raise bad
    lines, results = value.get("lines"), value.get("results")
    if not isinstance(lines, list) or not isinstance(results, list):
        raise bad
    if not lines or len(lines) != len(results):
        raise bad
    return value


def _send(
    gateway: Gateway, key: Signer, observations: list[Observation], now: int
) -> dict[str, Any]:
    body = encode_batch(observations, secrets.token_bytes(32).hex())
    _, headers = sign_request(
        key,
        body,
        authority=gateway.authority,
        path=OBSERVATIONS_PATH,
        created=now,
        nonce=secrets.token_bytes(16).hex(),
        grant=ZERO_ID,
    )
    answer = gateway.post(OBSERVATIONS_PATH, body, headers)
    if answer.status != 200:
        raise answer.problem()
    stated = answer.header("content-digest")
    if stated is None or parse_content_digest(stated) != sm3(answer.body):
        raise VerificationError("RESPONSE_TAMPERED", "the answer is not what was sent")
    value = answer.json()
    if (
        not isinstance(value, dict)
        or set(value) != MEMBERS
        or not all(isinstance(one, list) for one in value.values())
        or len(value["results"]) != len(observations)
        or not all(isinstance(one, dict) for one in value["results"])
    ):
        raise LedgerError("RESPONSE_MALFORMED", "the answer does not have the form of protocol 7.6")
    for one in value["results"]:
        if one.get("code") in _UNSETTLED:
            raise RequestRefused(
                str(one["code"]), "the gateway could not keep the batch; run again"
            )
    return value


def _check(
    gateway: Gateway, key: Signer, observations: list[Observation], answer: Mapping[str, Any]
) -> None:
    """Check every receipt: it is of this record, signed by this key, and holds.

    Its record is made of the very members that were handed in.

    Raises:
        VerificationError: RECEIPT_INVALID.
    """
    bad = VerificationError("RECEIPT_INVALID", "a receipt does not hold")
    public_key = key.public_key.to_bytes().hex()
    try:
        receipts = batch_receipts(answer, observations)
    except ProtocolError as error:
        raise bad from error
    for observation, receipt in zip(observations, receipts, strict=True):
        if isinstance(receipt, str):
            continue
        try:
            record = gateway.verify(receipt)
        except (CryptoError, ProtocolError, VerificationError) as error:
            raise bad from error
        if record["public_key"] != public_key:
            raise VerificationError("RECEIPT_INVALID", "a receipt is of another key's record")
        if record["signature"] != observation.signature.to_bytes().hex():
            # It was signed and handed in before: that signature is this key's as well.
            first = Signature.from_bytes(bytes.fromhex(record["signature"]))
            try:
                replace(observation, signature=first).verify(key.public_key)
            except VerificationError as error:
                raise bad from error


def to_json(batch: Batch) -> str:
    """Return what came of a batch as one line of JSON."""
    refused = [{"line": line, "code": code} for line, code in batch.refused]
    return json.dumps(
        {
            "first": batch.first,
            "last": batch.last,
            "kept": batch.kept,
            "refused": refused,
            "new": batch.is_new,
        }
    )

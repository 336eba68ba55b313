"""Receipts in the requester's hands, and their comparison with the log of a later day."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json, parse_canonical
from crypto.errors import CryptoError, LedgerError, ProtocolError, SanlianError, VerificationError
from crypto.merkle import leaf_hash
from protocol.checkpoint import Checkpoint, parse_note, verify_checkpoint
from protocol.held import KEPT_TYPE, MAX_HELD_SIZE, read_held
from protocol.httpsig import SignedRequest
from protocol.receipt import Receipt, verify_receipt
from sanlian_client.files import read_limited, replace_file, write_new
from sanlian_client.log import LogClient

TYPE = KEPT_TYPE
_MAX_FILE_SIZE = 256 * 1024
_NAME = re.compile(r"[0-9]{1,16}-[0-9a-f]{32}-[0-9a-f]{16}\.json")
_LAST = "checkpoint.txt"


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """What the requester keeps of one data request.

    Attributes:
        request: what was signed, as the record's member ``request``.
        salt: salt of the request's body; it opens the commitment content_digest.
        origin: origin of the gateway's log.
        receipt: the receipt; None while no answer has come.
        response_salt: salt of the released answer, or None.
    """

    request: Mapping[str, Any]
    salt: str
    origin: str
    receipt: Receipt | None
    response_salt: str | None

    @property
    def file_name(self) -> str:
        """Name of its file: time, nonce and the key's first 8 bytes."""
        signed = SignedRequest.from_record(self.request)
        return f"{signed.created}-{signed.nonce}-{signed.public_key.key_id[:8].hex()}.json"

    def to_bytes(self) -> bytes:
        """Encode as canonical JSON."""
        return canonical_json(
            {
                "type": TYPE,
                "request": dict(self.request),
                "salt": self.salt,
                "origin": self.origin,
                "receipt": None if self.receipt is None else self.receipt.to_bytes().decode(),
                "response_salt": self.response_salt,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "KeptReceipt":
        """Decode.

        Raises:
            LedgerError: KEPT_RECEIPT_DAMAGED.
        """
        try:
            value: Any = parse_canonical(data, max_bytes=_MAX_FILE_SIZE)
            if set(value) != {"type", "request", "salt", "origin", "receipt", "response_salt"}:
                raise ValueError
            if value["type"] != TYPE:
                raise ValueError
            receipt = value["receipt"]
            SignedRequest.from_record(value["request"])
            return cls(
                request=value["request"],
                salt=value["salt"],
                origin=value["origin"],
                receipt=None if receipt is None else Receipt.from_bytes(receipt.encode()),
                response_salt=value["response_salt"],
            )
        except (SanlianError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise LedgerError("KEPT_RECEIPT_DAMAGED", "a kept receipt cannot be read") from error


class ReceiptStore:
    """A directory of kept receipts: one private file per request, whole or absent.

    Args:
        directory: made if missing.
        others: origins of further gateways' logs, whose receipts may be among the kept ones.
    """

    def __init__(self, directory: Path, others: Collection[str] = ()) -> None:
        self.directory = directory
        self.others = frozenset(others)
        self._leaves: set[bytes] | None = None

    def begin(self, kept: KeptReceipt) -> None:
        """Keep a request before it is sent, so that a lost answer leaves a trace.

        Raises:
            LedgerError: FILE_EXISTS, FILE_NOT_WRITTEN.
        """
        write_new(self.directory / kept.file_name, kept.to_bytes())

    def finish(self, kept: KeptReceipt) -> None:
        """Keep the receipt of a request, durably.

        Raises:
            LedgerError: FILE_NOT_WRITTEN.
        """
        replace_file(self.directory / kept.file_name, kept.to_bytes())
        if self._leaves is not None and kept.receipt is not None:
            self._leaves.add(leaf_hash(kept.receipt.record))

    def has_leaf(self, leaf: bytes) -> bool:
        """Return whether a record was given as the receipt of an earlier request."""
        if self._leaves is None:
            self._leaves = {
                leaf_hash(kept.receipt.record) for _, kept in self if kept.receipt is not None
            }
        return leaf in self._leaves

    def __iter__(self) -> Iterator[tuple[str, KeptReceipt]]:
        """Yield (file name, kept receipt), oldest name first.

        Raises:
            LedgerError: KEPT_RECEIPT_DAMAGED.
        """
        if not self.directory.is_dir():
            return
        for path in sorted(self.directory.iterdir()):
            if _NAME.fullmatch(path.name):
                data = read_limited(path, max_bytes=_MAX_FILE_SIZE)
                yield path.name, KeptReceipt.from_bytes(data)

    def find_checkpoint(self, log: LogClient) -> Checkpoint | None:
        """Return the newest checkpoint that this store has seen, or None.

        Raises:
            LedgerError: KEPT_RECEIPT_DAMAGED.
        """
        path = self._checkpoint_path(log)
        if not path.exists():
            return None
        try:
            note = read_limited(path, max_bytes=64 * 1024).decode()
            return verify_checkpoint(note, origin=log.origin, public_key=log.public_key)
        except (ProtocolError, VerificationError, UnicodeDecodeError) as error:
            raise LedgerError(
                "KEPT_RECEIPT_DAMAGED", "the kept checkpoint is not of this log"
            ) from error

    def keep_checkpoint(self, note: str, log: LogClient) -> None:
        """Keep the newest checkpoint of a log."""
        replace_file(self._checkpoint_path(log), note.encode())

    def _checkpoint_path(self, log: LogClient) -> Path:
        """Return where a log's checkpoint is kept: the first log's in a file with a plain name."""
        path = self.directory / _LAST
        try:
            first = parse_note(read_limited(path, max_bytes=64 * 1024).decode())[0].origin
        except (SanlianError, UnicodeDecodeError):
            return path
        if first == log.origin or first not in self.others:
            return path
        name = log.origin.replace("/", "_")  # which no origin has itself
        return self.directory / f"checkpoint-{name}.txt"


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one receipt.

    Attributes:
        name: file name, or the index in the log.
        verdict: valid, invalid, unanswered (no receipt came), or other_log (of another gateway:
            compare it with that one's log).
        code: error code when it is invalid.
        message: the error in words.
    """

    name: str
    verdict: str
    code: str = ""
    message: str = ""


def verify_receipts(store: ReceiptStore, log: LogClient) -> tuple[Checkpoint, list[Finding]]:
    """Compare every kept receipt with the log as it is now.

    The newest checkpoint must continue the last one that this store saw, and the checkpoint of
    every receipt; every record must still stand at its index.

    Returns:
        The newest checkpoint, and a finding per receipt.

    Raises:
        VerificationError: PROOF_INVALID when the log does not continue what this store saw.
        LedgerError, RequestRefused: the gateway did not answer as it must.
    """
    note, newest = log.checkpoint()
    last = store.find_checkpoint(log)
    if last is not None:
        log.verify_growth(last, newest)
    findings = []
    for name, kept in store:
        if kept.receipt is None:
            findings.append(Finding(name, "unanswered"))
            continue
        if kept.origin != log.origin and kept.origin in store.others:
            findings.append(Finding(name, "other_log", message=kept.origin))
            continue
        try:
            verify_in_log(kept.receipt, log, newest)
            findings.append(Finding(name, "valid"))
        except (VerificationError, ProtocolError, CryptoError) as error:
            findings.append(Finding(name, "invalid", error.code, error.message))
    for path in sorted(store.directory.glob("*.json")):
        if not _NAME.fullmatch(path.name):
            findings.extend(_verify_file(path, log, newest))
    store.keep_checkpoint(note, log)
    return newest, findings


def _verify_file(path: Path, log: LogClient, newest: Checkpoint) -> Iterator[Finding]:
    """Compare the receipts of a provider's, a platform's or a statement's file with the log."""
    try:
        held = read_held(read_limited(path, max_bytes=MAX_HELD_SIZE))
    except ProtocolError as error:
        yield Finding(path.name, "invalid", error.code, error.message)
        return
    for receipt in held:
        name = f"{path.name} {receipt.index}"
        try:
            verify_in_log(receipt, log, newest)
            yield Finding(name, "valid")
        except (VerificationError, ProtocolError, CryptoError) as error:
            yield Finding(name, "invalid", error.code, error.message)


def verify_in_log(receipt: Receipt, log: LogClient, newest: Checkpoint) -> None:
    """Check one receipt by itself and against a later checkpoint of its log.

    Raises:
        ProtocolError: record, checkpoint or proof is malformed.
        VerificationError: it does not hold by itself; RECEIPT_RECORD_MISSING, RECEIPT_FORKED,
            RECEIPT_RECORD_DIFFERS: the gateway signed it, and the log of today is another.
    """
    _, checkpoint = verify_receipt(receipt, origin=log.origin, public_key=log.public_key)
    if receipt.index >= newest.size:
        raise VerificationError(
            "RECEIPT_RECORD_MISSING", "the log is shorter than the receipt says"
        )
    try:
        log.verify_growth(checkpoint, newest)
    except VerificationError as error:
        raise VerificationError(
            "RECEIPT_FORKED", "the log does not continue the receipt's checkpoint"
        ) from error
    try:
        log.verify_leaf(leaf_hash(receipt.record), receipt.index, newest)
    except VerificationError as error:
        raise VerificationError(
            "RECEIPT_RECORD_DIFFERS", "the log does not show the receipt's record at its place"
        ) from error

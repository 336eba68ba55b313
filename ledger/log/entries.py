"""What is handed to an access log to be written, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from crypto.errors import SanlianError
from protocol.receipt import Receipt
from protocol.records import Prepared

#: Entries that one flush takes; those that were handed in together stay together.
MAX_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Nonce:
    """A request's nonce: accepted once for a key, remembered with the record that used it."""

    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Quota:
    """One use of a grant, reserved with the record: refused when limit uses are reserved."""

    grant: bytes
    limit: int


class Once(NamedTuple):
    """What a record tells of another platform: written once for its key and the platform's id.

    Attributes:
        key_id: the key.
        record: the platform's id.
        digest: of what is told.
        grant: grant that a prepared record is found again by, if it names one.
    """

    key_id: bytes
    record: str
    digest: bytes
    grant: bytes | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The same was written before.

    Attributes:
        index: of the record.
        log: origin of its log where that is another one.
    """

    index: int
    log: str | None = None


class Placed(NamedTuple):
    """A prepared record was written: the receipt, without the record that its caller has.

    Attributes:
        seq: the record's number.
        path: its inclusion path.
        checkpoint: signed note of the flush.
    """

    seq: int
    path: tuple[bytes, ...]
    checkpoint: str


#: What came of a draft, and of a prepared record.
Written = Receipt | Known | SanlianError
PreparedWritten = Placed | Known | SanlianError
#: What came of one entry.
Result = Receipt | Placed | Known | SanlianError


@dataclass(frozen=True, slots=True)
class Packed:
    """Prepared records in the form in which they go from process to process (ledger.log.pipe).

    Attributes:
        data: a frame's part.
        count: how many they are.
    """

    data: bytes
    count: int


#: The draft of a prepared record: its event.
PREPARED = {"event": "observed"}


@dataclass(slots=True)
class Entry:
    """One record to write.

    Attributes:
        draft: members of the record but v, log, seq and time_ms; of a prepared one PREPARED.
        nonce: recorded with it.
        quota: reserved with it.
        time_ms: time that it tells; without one the time of writing.
        envelope: kept with it.
        once: what is written once.
        prepared: the record itself, but its number.
    """

    draft: Mapping[str, Any]
    nonce: Nonce | None = None
    quota: Quota | None = None
    time_ms: int | None = None
    envelope: bytes | None = None
    once: Once | None = None
    prepared: Prepared | None = None

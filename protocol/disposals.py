"""What the act ParametersDisposed says of a log's record of a disposal (docs/protocol.md, 3.4).

The log says it first; the act puts on the chain that it was said, by whom and when.
"""

from crypto.merkle import leaf_hash
from protocol.acts import Value
from protocol.records import parse_record

#: Events of records that tell of a disposal.
DISPOSAL_EVENTS = ("disposed", "kept_disposed")
DIGEST_KEY, ENVELOPES, ENVELOPE = 1, 2, 3


def disposal_values(data: bytes) -> dict[str, Value]:
    """Return the words of the act about a record.

    Args:
        data: canonical bytes of a record of one of DISPOSAL_EVENTS.

    Raises:
        ProtocolError: RECORD_MALFORMED.
    """
    record = parse_record(data)
    kind = DIGEST_KEY
    if record["event"] == "kept_disposed":
        kind = ENVELOPES if record["record"] is None else ENVELOPE
    return {
        "disposed_kind": kind,
        "period": int(record["period"].replace("-", "")),
        "record": record["seq"],
        "record_leaf": leaf_hash(data),
    }

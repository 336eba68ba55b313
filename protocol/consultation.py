"""Looking into what a gateway keeps about persons: who did it, and why (docs/protocol.md, 7.12).

An auditor signs what it is about to do; the gateway records that before anything is searched or
opened. What is searched for never leaves the auditor's own process.
"""

from collections.abc import Sequence
from typing import Any

from crypto.canonical import canonical_json
from crypto.errors import VerificationError
from crypto.sm2 import PublicKey
from crypto.sm3 import sm3
from protocol.description import Role
from protocol.httpsig import NONE
from protocol.model import Store, key_problem
from protocol.parameters import is_periods


def is_consultation(operation: object, periods: object, record: object) -> bool:
    """Return whether these fit together: a search names months, an opening names one record."""
    if not isinstance(periods, list) or not is_periods(periods):
        return False
    if operation == "search":
        return bool(periods) and record is None
    return (
        operation == "open"
        and not periods
        and isinstance(record, int)
        and not isinstance(record, bool)
        and 0 <= record < 2**53
    )


def consultation_body(
    operation: str, periods: Sequence[str], record: int | None, salt: str
) -> bytes:
    """Return the body whose digest the auditor signs."""
    return canonical_json(
        {"operation": operation, "periods": list(periods), "record": record, "salt": salt}
    )


def consultation_problem(store: Store, *, key_id: bytes, at_s: int) -> tuple[str, bytes]:
    """Return a problem's code, empty for none, and the department of a key that may look.

    Args:
        store: the state.
        key_id: id of the key that signed.
        at_s: unix seconds.

    Returns:
        KEY_UNKNOWN, KEY_NOT_ACTIVE, KEY_EXPIRED or CONSULTATION_NOT_ALLOWED, with zeros; or an
        empty code and the department. Which departments' auditors a gateway lets look is its own.
    """
    key = store.find_key(key_id)
    person = store.find_person(key.person) if key is not None else None
    if key is None or person is None:
        return "KEY_UNKNOWN", bytes(32)
    problem = key_problem(store, key, person, at_s)
    if problem is not None:
        return problem, bytes(32)
    if not person.roles & Role.AUDITOR:
        return "CONSULTATION_NOT_ALLOWED", bytes(32)
    return "", person.department


def has_reason(*, person: str, basis: str, case: str) -> bool:
    """Return whether a signed call names the person behind it, and a legal basis or a case."""
    return person != NONE and (basis, case) != (NONE, NONE)


def verify_consultation(store: Store, record: dict[str, Any]) -> None:
    """Check a record `consulted`, whose request's signature was checked, against the state.

    Raises:
        VerificationError: DECISION_WRONG.
    """
    request = record["request"]
    body = consultation_body(
        record["operation"], record["periods"], record["record"], record["salt"]
    )
    if sm3(body).hex() != request["content_digest"]:
        raise VerificationError("DECISION_WRONG", "this is not the consultation that was signed")
    if not is_consultation(record["operation"], record["periods"], record["record"]) or not (
        has_reason(person=request["person"], basis=request["basis"], case=request["case"])
    ):
        raise VerificationError("DECISION_WRONG", "the consultation does not say what or why")
    key = PublicKey.from_bytes(bytes.fromhex(request["public_key"]))
    problem, department = consultation_problem(
        store, key_id=key.key_id, at_s=record["time_ms"] // 1000
    )
    if problem or record["department"] != department.hex():
        raise VerificationError("DECISION_WRONG", "the state does not allow this consultation")

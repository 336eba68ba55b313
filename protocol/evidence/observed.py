"""Whether an access record of another platform may be kept: shared by the gateway and the audit."""

from typing import Any

from crypto.errors import CryptoError, VerificationError
from crypto.sm2 import PublicKey, Signature
from protocol.description import Role
from protocol.evidence.decision import MAX_SKEW_S
from protocol.model import Store, key_problem
from protocol.observation import Observation

#: Who vouches for what a platform did: a gateway, or the service of a providing department.
OBSERVER_ROLES = Role.GATEWAY | Role.PROVIDER


def observer_problem(store: Store, key_id: bytes, at_ms: int) -> tuple[str, str]:
    """Return why a key vouches for no access records: code and sentence, both empty if it does.

    A key that has been suspended or revoked since, or has expired, vouches for nothing that is
    handed in now, whatever time the record tells: nobody could tell when it was signed.

    Args:
        store: the state.
        key_id: id of the key.
        at_ms: time at which the records are handed in.
    """
    key = store.find_key(key_id)
    person = store.find_person(key.person) if key is not None else None
    if key is None or person is None:
        return "KEY_UNKNOWN", "the key is not registered"
    problem = key_problem(store, key, person, at_ms // 1000)
    if problem is not None:
        return problem, "the key does not count now"
    if not person.roles & OBSERVER_ROLES:
        return "ROLE_MISSING", "access records are signed by a gateway's or a provider's key"
    return "", ""


def is_later(told_ms: int, at_ms: int) -> bool:
    """Return whether the time that a record tells has not come when it is handed in."""
    return told_ms > at_ms + 1000 * MAX_SKEW_S


def verify_observed(store: Store, record: dict[str, Any]) -> Observation:
    """Check signature, key and department of an `observed` record, and return what it keeps.

    Args:
        store: state of the deciding block.
        record: the record.

    Raises:
        VerificationError: OBSERVATION_SIGNATURE_INVALID, DECISION_WRONG.
    """
    try:
        public_key = PublicKey.from_bytes(bytes.fromhex(record["public_key"]))
        signature = Signature.from_bytes(bytes.fromhex(record["signature"]))
    except CryptoError as error:
        raise VerificationError(
            "OBSERVATION_SIGNATURE_INVALID", "key or signature is not valid"
        ) from error
    observation = Observation(record["observation"], public_key.key_id, signature)
    observation.verify(public_key)
    code, message = observer_problem(store, public_key.key_id, record["time_ms"])
    if code:
        raise VerificationError("DECISION_WRONG", f"the state refuses this record: {message}")
    key = store.find_key(public_key.key_id)
    person = store.find_person(key.person) if key is not None else None
    if person is None or person.department.hex() != record["department"]:
        raise VerificationError("DECISION_WRONG", "department is not that of the state")
    if is_later(observation.time_ms, record["time_ms"]):
        raise VerificationError("DECISION_WRONG", "the access is later than its record")
    return observation

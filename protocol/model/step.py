"""One act on its way into the state: what every rule needs, and how a rule refuses."""

from dataclasses import dataclass

from crypto.errors import ProtocolError
from crypto.sm2 import PublicKey
from protocol.acts import ZERO_ID, Act
from protocol.description import Role
from protocol.model.registry import Authority, Person
from protocol.model.store import Store


def refuse(code: str, message: str, **details: object) -> ProtocolError:
    """Return the error of a contract's rule."""
    return ProtocolError(code, message, **details)


def state_invalid(message: str) -> ProtocolError:
    """Return the error of an act that the target's state does not allow."""
    return refuse("STATE_INVALID", message)


@dataclass(frozen=True, slots=True)
class Step:
    """An act whose form, nonce and signatures hold, before its type's own rules.

    Attributes:
        store: the state.
        authority: the authority as it stands before the act.
        act: the decoded act.
        act_id: its id, and the id of what it creates.
        persons: the persons who signed, in order, without the owner of a new key.
        key_ids: key ids of all signatures, in order.
        new_key: the key that the act brings, where it brings one.
        block_number: block that records it.
        block_time: time of that block, unix seconds.
    """

    store: Store
    authority: Authority
    act: Act
    act_id: bytes
    persons: tuple[Person, ...]
    key_ids: tuple[bytes, ...]
    new_key: PublicKey | None
    block_number: int
    block_time: int

    @property
    def actor(self) -> Person:
        """The first signer."""
        return self.persons[0]

    def field_index(self, name: str) -> int:
        """Return the number of a field among all fields of the act's words, from 0."""
        names = [field.name for word in self.act.type.words for field in word]
        return names.index(name)

    def value_invalid(self, name: str, message: str) -> ProtocolError:
        """Return the error of a field whose value a rule forbids."""
        return refuse(
            "VALUE_INVALID", f"{name} {message}", index=self.field_index(name), field=name
        )

    def require_value(self, name: str, message: str, *, ok: bool) -> None:
        """Refuse the field's value unless ok.

        Raises:
            ProtocolError: VALUE_INVALID.
        """
        if not ok:
            raise self.value_invalid(name, message)

    def require_nonzero(self, name: str) -> None:
        """Refuse a field of zeros.

        Raises:
            ProtocolError: VALUE_INVALID.
        """
        value = self.act.values[name]
        zero = value in (0, "") or (isinstance(value, bytes) and not any(value))
        self.require_value(name, "must not be empty", ok=not zero)

    def require_range(self, name: str, low: int, high: int) -> None:
        """Refuse a number outside low to high.

        Raises:
            ProtocolError: VALUE_INVALID.
        """
        value = self.act.number(name)
        self.require_value(name, f"must be {low} to {high}", ok=low <= value <= high)

    def require_new(self) -> None:
        """Refuse an act that creates something and yet names a target.

        Raises:
            ProtocolError: TARGET_UNKNOWN, STALE_REVISION.
        """
        if self.act.target != ZERO_ID:
            raise refuse("TARGET_UNKNOWN", "an act that creates something has no target")
        self.require_revision(0)

    def require_revision(self, revision: int) -> None:
        """Refuse an act whose signers saw another revision of the target.

        Raises:
            ProtocolError: STALE_REVISION.
        """
        if self.act.revision != revision:
            raise refuse(
                "STALE_REVISION",
                "the target has changed since it was read",
                revision=revision,
            )

    def require_role(self, person: Person, role: Role, department: bytes | None = None) -> None:
        """Refuse a signer without the role, or from another department.

        Raises:
            ProtocolError: ROLE_MISSING, DEPARTMENT_MISMATCH.
        """
        if not person.roles & role:
            raise refuse("ROLE_MISSING", f"a signer lacks the role {role.name}", role=role.name)
        if department is not None:
            self.require_department(person, department)

    def require_department(self, person: Person, department: bytes) -> None:
        """Refuse a signer from another department.

        Raises:
            ProtocolError: DEPARTMENT_MISMATCH.
        """
        if person.department != department:
            raise refuse("DEPARTMENT_MISMATCH", "a signer belongs to another department")

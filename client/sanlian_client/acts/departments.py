"""Drafts about departments and their persons."""

from collections.abc import Sequence

from crypto.sm2 import PublicKey
from protocol.acts import ZERO_ID, Value
from protocol.description import Role
from sanlian_client.acts.building import ActBuilder
from sanlian_client.acts.keys import key_values
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed, seal


class DepartmentActs(ActBuilder):
    """Registration, change and end of departments; persons and their roles."""

    def register_department(
        self,
        authorities: Sequence[bytes],
        head: PublicKey,
        *,
        name: str,
        level: int,
        kind: int,
        region: int,
        uscc: str = "",
        uscc_override: bool = False,
        parent: bytes = ZERO_ID,
        valid_until: int = 0,
    ) -> Draft:
        """Draft the registration of a department; its head's new key signs last.

        Args:
            authorities: key ids of as many authority persons as the threshold says.
            head: the new head's public key.
            name: name of the department, at most 64 bytes in UTF-8.
            level: 1 state to 6 village.
            kind: 1 department, 2 government, 3 zone, 4 institution, 5 bank.
            region: GB/T 2260 code.
            uscc: unified social credit code, empty if unknown.
            uscc_override: it was issued although its check character fails.
            parent: id of the department above.
            valid_until: last second of the key's validity, unix time; 0 for no end.
        """
        values: dict[str, Value] = {
            "level": level,
            "kind": kind,
            "region": region,
            "parent": parent,
            "uscc": uscc,
            "uscc_override": int(uscc_override),
            "name": name,
            **key_values(head, valid_until),
        }
        return self.build("DepartmentRegistered", [*authorities, head.key_id], values)

    def change_department(
        self,
        authorities: Sequence[bytes],
        department: bytes,
        *,
        name: str,
        level: int,
        kind: int,
        region: int,
        reason: bytes,
        uscc: str = "",
        uscc_override: bool = False,
        parent: bytes = ZERO_ID,
    ) -> tuple[Draft, Sealed]:
        """Draft other words of a department: all of them, as they hold from then on.

        Args:
            authorities: key ids of as many authority persons as the threshold says.
            department: id of the department, not the authority's.
            name: name of the department, at most 64 bytes in UTF-8.
            level: its level, which stays.
            kind: as for register_department; a government stays one, and nothing becomes one.
            region: GB/T 2260 code.
            reason: text of the reason, which gets sealed.
            uscc: unified social credit code, empty if unknown.
            uscc_override: it was issued although its check character fails.
            parent: id of the department above.
        """
        sealed = seal(reason)
        values: dict[str, Value] = {
            "level": level,
            "kind": kind,
            "region": region,
            "parent": parent,
            "uscc": uscc,
            "uscc_override": int(uscc_override),
            "name": name,
            "reason": sealed.commitment,
        }
        draft = self.build("DepartmentChanged", list(authorities), values, target=department)
        return draft, sealed

    def end_department(
        self,
        authorities: Sequence[bytes],
        department: bytes,
        *,
        reason: bytes,
        successor: bytes = ZERO_ID,
    ) -> tuple[Draft, Sealed]:
        """Draft the end of a department: its keys sign nothing from then on, its grants end.

        Args:
            authorities: key ids of as many authority persons as the threshold says.
            department: id of the department, not the authority's.
            reason: text of the reason, which gets sealed.
            successor: id of the department that takes over its duties, zeros if none.
        """
        sealed = seal(reason)
        values: dict[str, Value] = {"successor": successor, "reason": sealed.commitment}
        draft = self.build("DepartmentEnded", list(authorities), values, target=department)
        return draft, sealed

    def enrol_person(
        self, head: bytes, person: PublicKey, roles: Role, *, valid_until: int = 0
    ) -> Draft:
        """Draft the enrolment of a person, whose new key signs second; see key_values."""
        values: dict[str, Value] = {"roles": int(roles), **key_values(person, valid_until)}
        return self.build("PersonEnrolled", [head, person.key_id], values)

    def set_roles(self, head: bytes, person: bytes, roles: Role) -> Draft:
        """Draft new roles of a person; none ends the person."""
        return self.build("PersonRolesSet", [head], {"roles": int(roles)}, target=person)

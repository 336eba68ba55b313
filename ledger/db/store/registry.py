"""Rows of the authority, departments and persons, and of contracts' successors."""

from sqlalchemy import select

from ledger.db import models as table
from ledger.db.store.rows import Rows
from protocol import model
from protocol.description import Role


class RegistryRows(Rows):
    """The authority, departments, persons and contracts' successors."""

    def find_authority(self) -> model.Authority | None:
        """Return the authority as it stands."""
        row = self._session.scalars(select(table.Authority)).first()
        return None if row is None else authority_of(row)

    def put_authority(self, authority: model.Authority) -> None:
        """Keep the authority."""
        self._put(
            table.Authority,
            authority.department,
            department=authority.department,
            threshold=authority.threshold,
            persons=authority.persons,
            active_keys=authority.active_keys,
            replacement_delay_s=authority.replacement_delay_s,
            block_number=self._block_number,
        )

    def find_department(self, department_id: bytes) -> model.Department | None:
        """Return a department."""
        row = self._session.get(table.Department, department_id)
        return None if row is None else department_of(row)

    def put_department(self, department: model.Department) -> None:
        """Keep a department."""
        d = department
        self._put(
            table.Department,
            d.id,
            id=d.id,
            level=d.level,
            kind=d.kind,
            region=d.region,
            parent=d.parent,
            uscc=d.uscc,
            uscc_override=d.uscc_override,
            name=d.name,
            ended_day=d.ended_day,
            successor=d.successor,
            revision=d.revision,
            block_number=d.block_number,
        )

    def find_person(self, person_id: bytes) -> model.Person | None:
        """Return a person."""
        row = self._session.get(table.Person, person_id)
        return None if row is None else person_of(row)

    def put_person(self, person: model.Person) -> None:
        """Keep a person."""
        self._put(
            table.Person,
            person.id,
            id=person.id,
            department=person.department,
            roles=int(person.roles),
            revision=person.revision,
            generation=person.generation,
            has_active_key=person.has_active_key,
            block_number=person.block_number,
        )

    def find_successor(self, contract: bytes) -> model.Successor | None:
        """Return the successor of the contract with this address."""
        row = self._session.get(table.Successor, contract)
        return None if row is None else successor_of(row)

    def put_successor(self, successor: model.Successor) -> None:
        """Keep a successor."""
        self._put(
            table.Successor,
            successor.contract,
            contract=successor.contract,
            successor=successor.successor,
            act_id=successor.act_id,
            block_number=successor.block_number,
        )


def authority_of(row: table.Authority) -> model.Authority:
    """Return the model's authority."""
    return model.Authority(
        department=row.department,
        threshold=row.threshold,
        persons=row.persons,
        active_keys=row.active_keys,
        replacement_delay_s=row.replacement_delay_s,
    )


def department_of(row: table.Department) -> model.Department:
    """Return the model's department."""
    return model.Department(
        id=row.id,
        level=row.level,
        kind=row.kind,
        region=row.region,
        parent=row.parent,
        uscc=row.uscc,
        uscc_override=row.uscc_override,
        name=row.name,
        ended_day=row.ended_day,
        successor=row.successor,
        revision=row.revision,
        block_number=row.block_number,
    )


def person_of(row: table.Person) -> model.Person:
    """Return the model's person."""
    return model.Person(
        id=row.id,
        department=row.department,
        roles=Role(row.roles),
        revision=row.revision,
        generation=row.generation,
        has_active_key=row.has_active_key,
        block_number=row.block_number,
    )


def successor_of(row: table.Successor) -> model.Successor:
    """Return the model's successor."""
    return model.Successor(row.contract, row.successor, row.act_id, row.block_number)

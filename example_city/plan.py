"""The example's acts, planned so that the same plan always gives the same acts.

Ids of acts do not depend on the signatures, and sending an act twice changes nothing: a start that
was cut off is simply played again from its beginning.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from example_city.catalogue import Offer
from example_city.units import AUTHORITY, PERSONS, THRESHOLD, Unit, authority_keys, unit_key
from example_city.working_days import load_working_days, read_notice
from protocol.acts import ZERO_ID, SignedAct, Value, make_act, sign_act
from protocol.description import BY_NAME, Role
from protocol.documents import basis_of, document_digest, parse_entry_document
from sanlian_client.catalogue import CatalogueEntry

BASIS = "ORDER-809-ART-20"


@dataclass(frozen=True, slots=True)
class Planned:
    """One act, ready to send, with the documents it names.

    Attributes:
        signed: the act with its signatures.
        documents: public documents that go with it.
        words: what it does, in plain words.
    """

    signed: SignedAct
    documents: tuple[bytes, ...]
    words: str

    @property
    def id(self) -> bytes:
        """Id of the act, and of what it creates."""
        return self.signed.act_id


class Planner:
    """Builds acts for a fresh deployment, counting nonces and revisions by itself.

    Attributes:
        expires_at: last second at which the next acts may be recorded.
        departments: id of each unit's department by its number; 0 is the authority.
    """

    def __init__(
        self, *, chain_id: int, contracts: Mapping[str, bytes], expires_at: int, seed: bytes
    ) -> None:
        """Create a planner.

        Args:
            chain_id: chain id of the deployment.
            contracts: its contract addresses by name.
            expires_at: last second at which the first acts may be recorded.
            seed: secret from which the salts of commitments are derived.
        """
        self._chain_id = chain_id
        self._contracts = contracts
        self.expires_at = expires_at
        self._seed = seed
        self._nonces: defaultdict[tuple[str, bytes], int] = defaultdict(int)
        self._revisions: defaultdict[bytes, int] = defaultdict(int)
        self.departments: dict[int, bytes] = {
            AUTHORITY: unit_key(AUTHORITY, "head").public_key.key_id
        }

    def commitment(self, text: str) -> bytes:
        """Return the commitment to a sealed text."""
        salt = sm3(self._seed + text.encode())
        return sm3(salt + text.encode())

    def act(
        self,
        name: str,
        signers: Sequence[PrivateKey],
        values: Mapping[str, Value],
        *,
        words: str,
        target: bytes = ZERO_ID,
        documents: Sequence[bytes] = (),
    ) -> Planned:
        """Build and sign the next act of the first signer."""
        act_type = BY_NAME[name]
        actor = signers[0].public_key.key_id
        place = (act_type.contract, actor)
        act = make_act(
            name,
            chain_id=self._chain_id,
            contract=self._contracts[act_type.contract],
            key_id=actor,
            nonce=self._nonces[place],
            expires_at=self.expires_at,
            values=values,
            target=target,
            revision=self._revisions[target],
        )
        planned = Planned(sign_act(act, signers), tuple(documents), words)
        self._nonces[place] += 1
        self._revisions[planned.id if target == ZERO_ID else target] += 1
        return planned

    def register_unit(self, unit: Unit) -> Planned:
        """The authority registers a unit with its head's key, who signs too."""
        head = unit_key(unit.number, "head")
        planned = self.act(
            "DepartmentRegistered",
            (*authority_keys()[:THRESHOLD], head),
            {
                "level": unit.level,
                "kind": unit.kind,
                "region": unit.region,
                "parent": ZERO_ID,
                "uscc": "",
                "uscc_override": 0,
                "name": unit.name,
                "key_x": head.public_key.x,
                "key_y": head.public_key.y,
                "valid_until": 0,
            },
            words=f"{unit.name} is registered by two of three authority keys and its head",
        )
        self.departments[unit.number] = planned.id
        return planned

    def enrol(self, unit: int, role_name: str, roles: Role) -> Planned:
        """A head enrols a person, who proves possession of the key."""
        person = unit_key(unit, role_name)
        return self.act(
            "PersonEnrolled",
            (unit_key(unit, "head"), person),
            {
                "roles": int(roles),
                "key_x": person.public_key.x,
                "key_y": person.public_key.y,
                "valid_until": 0,
            },
            words=f"the head of unit {unit:02d} enrols its {role_name}",
        )

    def enrol_all(self, *units: int) -> list[Planned]:
        """Enrol every person that the example has in these units."""
        return [self.enrol(u, name, roles) for u, name, roles in PERSONS if u in units]

    def register_log(self, origin: str) -> Planned:
        """The authority registers the gateway's access log."""
        gateway = unit_key(AUTHORITY, "gateway")
        return self.act(
            "LogRegistered",
            (authority_keys()[0], gateway),
            {"gateway_key": gateway.public_key.key_id, "origin": origin},
            words=f"the access log {origin} is registered",
        )

    def publish_calendar(self, year: int) -> Planned:
        """The authority publishes a year's working days."""
        return self.act(
            "CalendarPublished",
            (authority_keys()[0],),
            {
                "year": year,
                "working_days": load_working_days(year),
                "source": sm3(read_notice(year)),
            },
            words=f"the authority publishes the working days of {year}",
        )

    def submit_entry(self, offer: Offer) -> Planned:
        """Operator and head submit the catalogue entry."""
        document = offer.entry_document()
        conditions = sm3(offer.conditions.encode()) if offer.conditions else ZERO_ID
        return self.act(
            "EntrySubmitted",
            (unit_key(offer.unit, "operator"), unit_key(offer.unit, "head")),
            {
                "sharing_class": offer.sharing_class,
                "library": 1,
                "update_cycle": offer.update_cycle,
                "openness": 0,
                "mode": 1,
                "grading": 1,
                "items": offer.mask,
                "sensitive": offer.sensitive_mask,
                "document": document_digest(document),
                "secrecy_assessment": self.commitment(f"secrecy {offer.slug}"),
                "privacy_assessment": self.commitment(f"privacy {offer.slug}"),
                "basis": conditions,
            },
            words=f"{offer.provider} submits 《{offer.name}》 with its head's approval",
            documents=(document,),
        )

    def publish_entry(self, offer: Offer, entry: bytes) -> Planned:
        """The authority reviews and publishes."""
        return self.act(
            "EntryPublished",
            (authority_keys()[0],),
            {"document": document_digest(offer.entry_document())},
            target=entry,
            words=f"the authority publishes 《{offer.name}》",
        )

    def submit_imported(self, unit: int, entry: CatalogueEntry) -> Planned:
        """Operator and head submit an entry of a catalogue file."""
        document = parse_entry_document(entry.document)
        code, name = entry.members["code"], entry.members["name"]
        return self.act(
            "EntrySubmitted",
            (unit_key(unit, "operator"), unit_key(unit, "head")),
            {
                **entry.words,
                "grading": 1,
                "items": document.mask,
                "sensitive": document.sensitive_mask,
                "document": document_digest(entry.document),
                "secrecy_assessment": self.commitment(f"secrecy {code}"),
                "privacy_assessment": self.commitment(f"privacy {code}"),
                "basis": basis_of(entry.members, entry.words["sharing_class"]),
            },
            words=f"{entry.members['provider']} submits 《{name}》 with its head's approval",
            documents=(entry.document,),
        )

    def publish_imported(self, entry: CatalogueEntry, entry_id: bytes) -> Planned:
        """The authority reviews and publishes an entry of a catalogue file."""
        return self.act(
            "EntryPublished",
            (authority_keys()[0],),
            {"document": document_digest(entry.document)},
            target=entry_id,
            words=f"the authority publishes 《{entry.members['name']}》",
        )

    def claim_element(self, offer: Offer, entry: bytes, code: str, element: str) -> Planned:
        """Operator and head claim to be the city's source of a data element."""
        return self.act(
            "ElementClaimed",
            (unit_key(offer.unit, "operator"), unit_key(offer.unit, "head")),
            {
                "entry": entry,
                "element": element.encode().ljust(32, b"\0"),
                "item": offer.mask_of(code).bit_length() - 1,
            },
            words=f"{offer.provider} is the city's source of {element}",
        )

    def refresh_data(self, offer: Offer, entry: bytes, *, day: int, rows: int) -> Planned:
        """The operator states that the entry's data is complete up to a day."""
        return self.act(
            "DataRefreshed",
            (unit_key(offer.unit, "operator"),),
            {"entry": entry, "from_day": day - 30, "until_day": day, "rows": rows},
            words=f"{offer.provider} has refreshed 《{offer.name}》",
        )

    def register_interface(self, offer: Offer, entry: bytes) -> Planned:
        """The provider registers the interface that serves the entry."""
        document = offer.interface_document()
        return self.act(
            "InterfaceRegistered",
            (unit_key(offer.unit, "operator"),),
            {
                "entry": entry,
                "entry_version": 1,
                "rate_per_minute": 0,
                "max_rows": 1000,
                "items": offer.mask,
                "document": document_digest(document),
                "node": offer.slug,
            },
            words=f"{offer.provider} registers interface {offer.method.upper()} {offer.path}",
            documents=(document,),
        )

    def told_test(self, offer: Offer, interface: bytes, log: bytes) -> Planned:
        """The gateway's test of an interface in the told history: no gateway ran then."""
        return self.act(
            "InterfaceTested",
            (unit_key(AUTHORITY, "gateway"),),
            {
                "document": document_digest(offer.interface_document()),
                "test_result": 1,
                "log": log,
                "report": sm3(f"told test of {offer.slug}".encode()),
            },
            target=interface,
            words=f"the gateway tests the interface of 《{offer.name}》",
        )

    def note_test(self, interface: bytes) -> None:
        """Count the gateway's act on an interface, which no plan makes."""
        self._revisions[interface] += 1

    def interface_online(self, offer: Offer, interface: bytes) -> Planned:
        """The provider's officer puts the interface online."""
        return self.act(
            "InterfaceOnline",
            (unit_key(offer.unit, "officer"),),
            {"document": document_digest(offer.interface_document())},
            target=interface,
            words=f"the officer of {offer.provider} puts it online",
        )

    def file_request(
        self,
        requester: int,
        interface: bytes,
        *,
        items: int,
        scenario: str,
        case: str,
        valid: tuple[int, int],
        quota: int,
        words: str,
    ) -> Planned:
        """Operator and officer of the requesting unit file a request."""
        return self.act(
            "RequestFiled",
            (unit_key(requester, "operator"), unit_key(requester, "officer")),
            {
                "interface": interface,
                "valid_from": valid[0],
                "valid_until": valid[1],
                "quota": quota,
                "interface_version": 1,
                "way": 1,
                "items": items,
                "legal_basis": BASIS,
                "scenario": scenario,
                "case": self.commitment(case),
            },
            words=words,
        )

    def agree(
        self, offer: Offer, request: bytes, *, items: int, valid: tuple[int, int], quota: int
    ) -> Planned:
        """The provider's officer agrees: the grant exists."""
        return self.act(
            "RequestAgreed",
            (unit_key(offer.unit, "officer"),),
            {
                "items": items,
                "valid_from": valid[0],
                "valid_until": valid[1],
                "quota": quota,
            },
            target=request,
            words=f"the officer of {offer.provider} agrees: the grant exists",
        )

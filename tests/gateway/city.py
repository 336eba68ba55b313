"""A small city made of real signed acts, applied by the model to any store."""

import secrets
import time
from typing import Any

from crypto.canonical import canonical_json
from crypto.sm2 import PrivateKey
from protocol.acts import ZERO_ID, Act, SignedAct, make_act, sign_act
from protocol.description import BY_NAME, CONTRACTS, Role
from protocol.documents import document_digest
from protocol.model import Applied, Store, apply_act, apply_genesis

ORIGIN = "city.example/gateway-1"
CHAIN_ID = 4212
ADDRESSES = {name: bytes([number + 1]) * 20 for number, name in enumerate(CONTRACTS)}
BASIS, SCENARIO = "law-1", "scene-1"
NODE, OTHER_NODE = "node-a", "node-b"


_PERSON = {"properties": {"name": {"type": "string"}, "address": {"type": "string"}}}
_ANSWER = {
    "application/json": {"schema": {"properties": {"records": {"type": "array", "items": _PERSON}}}}
}


def openapi(method: str = "get", path: str = "/persons") -> bytes:
    """Return an interface document: item 0 is the name, 1 the address; the id is never mapped."""
    operation: dict[str, Any] = {
        "x-sanlian-records": "/records",
        "x-sanlian-items": {"0": ["/records/*/name"], "1": ["/records/*/address"]},
        "responses": {"200": {"description": "records", "content": _ANSWER}},
    }
    if method == "get":
        operation["parameters"] = [
            {"name": "number", "in": "query", "required": True},
            {"name": "year", "in": "query"},
        ]
    else:
        schema = {"type": "object", "properties": {"number": {}, "year": {}}}
        schema["required"] = ["number"]
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return canonical_json(
        {
            "openapi": "3.1.0",
            "info": {"title": "persons", "version": "1"},
            "paths": {path: {method: operation}},
        }
    )


class City:
    """Authority, a provider department, a requester department, a stranger, and their keys."""

    def __init__(
        self, store: Store, *, gateway: PrivateKey | None = None, origin: str = ORIGIN
    ) -> None:
        self.store = store
        self.origin = origin
        self.block = 1
        self.documents: dict[bytes, bytes] = {}
        self.acts: dict[bytes, Act] = {}
        self.head = PrivateKey.generate()
        self.authority = [PrivateKey.generate() for _ in range(3)]
        apply_genesis(
            store,
            department=self.head.public_key.key_id,
            head=self.head.public_key,
            authority_keys=[key.public_key for key in self.authority],
            threshold=2,
            replacement_delay_s=3600,
            block_number=1,
        )
        self.gateway = self.enrol(self.head, Role.GATEWAY, gateway)
        self.auditor = self.enrol(self.head, Role.AUDITOR)
        self.log_id = self.act(
            "LogRegistered",
            [self.authority[0], self.gateway],
            {"gateway_key": self.gateway.public_key.key_id, "origin": origin},
        ).target
        self.provider, self.provider_head = self.department("provider")
        self.requester, self.requester_head = self.department("requester")
        self.stranger, self.stranger_head = self.department("stranger")
        self.provider_operator = self.enrol(self.provider_head, Role.OPERATOR)
        self.provider_officer = self.enrol(self.provider_head, Role.OFFICER)
        self.provider_key = self.enrol(self.provider_head, Role.PROVIDER)
        self.operator = self.enrol(self.requester_head, Role.OPERATOR)
        self.officer = self.enrol(self.requester_head, Role.OFFICER)
        self.system = self.enrol(self.requester_head, Role.SYSTEM)
        self.stranger_system = self.enrol(self.stranger_head, Role.SYSTEM)
        self.entry = self.publish_entry()

    def act(
        self,
        name: str,
        keys: list[PrivateKey],
        values: dict[str, Any],
        *,
        target: bytes = ZERO_ID,
        revision: int = 0,
    ) -> Applied:
        """Sign an act and apply it in a block of its own."""
        now = int(time.time())
        contract = BY_NAME[name].contract
        act = make_act(
            name,
            chain_id=CHAIN_ID,
            contract=ADDRESSES[contract],
            key_id=keys[0].public_key.key_id,
            nonce=self.store.nonce(contract, keys[0].public_key.key_id),
            expires_at=now + 3600,
            values=values,
            target=target,
            revision=revision,
        )
        return self.apply(sign_act(act, keys))

    def apply(self, signed: SignedAct) -> Applied:
        """Apply a signed act in a block of its own."""
        applied = apply_act(
            self.store,
            signed,
            chain_id=CHAIN_ID,
            contracts=ADDRESSES,
            block_number=self.block + 1,
            block_time=int(time.time()),
        )
        # One that is refused, such as the same again under another nonce, leaves nothing.
        self.block += 1
        self.acts[signed.act_id] = applied.act
        return applied

    def enrol(self, head: PrivateKey, roles: Role, key: PrivateKey | None = None) -> PrivateKey:
        """Enrol a person with this key, or with a new one."""
        key = key or PrivateKey.generate()
        point = key.public_key
        self.act(
            "PersonEnrolled",
            [head, key],
            {"roles": int(roles), "key_x": point.x, "key_y": point.y, "valid_until": 0},
        )
        return key

    def department(self, name: str) -> tuple[bytes, PrivateKey]:
        """Register a department; return its id and its head's key."""
        key = PrivateKey.generate()
        values = {
            "level": 3,
            "kind": 1,
            "region": 441500,
            "parent": ZERO_ID,
            "uscc": "",
            "uscc_override": 0,
            "name": name,
            "key_x": key.public_key.x,
            "key_y": key.public_key.y,
            "valid_until": 0,
        }
        applied = self.act("DepartmentRegistered", [*self.authority[:2], key], values)
        return applied.target, key

    def publish_entry(self) -> bytes:
        """Publish an entry with the items 0 and 1."""
        document = secrets.token_bytes(32)
        values = {
            "sharing_class": 1,
            "library": 1,
            "update_cycle": 2,
            "openness": 0,
            "mode": 1,
            "grading": 1,
            "items": 0b11,
            "sensitive": 0b10,
            "document": document,
            "secrecy_assessment": secrets.token_bytes(32),
            "privacy_assessment": secrets.token_bytes(32),
            "basis": ZERO_ID,
        }
        signers = [self.provider_operator, self.provider_head]
        submitted = self.act("EntrySubmitted", signers, values)
        self.act(
            "EntryPublished",
            [self.authority[0]],
            {"document": document},
            target=submitted.target,
            revision=submitted.revision,
        )
        return submitted.target

    def interface(
        self,
        document: bytes | None = None,
        *,
        node: str = NODE,
        rate_per_minute: int = 0,
        max_rows: int = 0,
        keep_document: bool = True,
    ) -> bytes:
        """Bring an interface online."""
        registered = self.register_interface(
            openapi() if document is None else document,
            node=node,
            rate_per_minute=rate_per_minute,
            max_rows=max_rows,
            keep_document=keep_document,
        )
        digest = self.pending_document(registered.target)
        tested = self.act(
            "InterfaceTested",
            [self.gateway],
            {
                "document": digest,
                "test_result": 1,
                "log": self.log_id,
                "report": secrets.token_bytes(32),
            },
            target=registered.target,
            revision=registered.revision,
        )
        self.act(
            "InterfaceOnline",
            [self.provider_officer],
            {"document": digest},
            target=tested.target,
            revision=tested.revision,
        )
        return registered.target

    def pending_document(self, interface: bytes) -> bytes:
        """Return the digest of the pending version's document."""
        found = self.store.find_interface(interface)
        assert found is not None
        assert found.pending is not None
        return found.pending.document

    def register_interface(
        self,
        data: bytes,
        *,
        node: str = NODE,
        rate_per_minute: int = 0,
        max_rows: int = 0,
        keep_document: bool = True,
    ) -> Applied:
        """Register an interface, whose version then waits for its test."""
        digest = document_digest(data)
        if keep_document:
            self.documents[digest] = data
        values = {
            "entry": self.entry,
            "entry_version": 1,
            "rate_per_minute": rate_per_minute,
            "max_rows": max_rows,
            "items": 0b11,
            "document": digest,
            "node": node,
        }
        return self.act("InterfaceRegistered", [self.provider_operator], values)

    def grant(
        self, interface: bytes, *, items: int = 0b01, quota: int = 1000, way: int = 1
    ) -> bytes:
        """File a request of the requester and agree to it."""
        now = int(time.time())
        term = {"valid_from": now - 60, "valid_until": now + 86400, "quota": quota}
        filed = self.act(
            "RequestFiled",
            [self.operator, self.officer],
            {
                "interface": interface,
                **term,
                "interface_version": 1,
                "way": way,
                "items": 0b11,
                "legal_basis": BASIS,
                "scenario": SCENARIO,
                "case": secrets.token_bytes(32),
            },
        )
        self.act(
            "RequestAgreed",
            [self.provider_officer],
            {"items": items, **term},
            target=filed.target,
            revision=filed.revision,
        )
        return filed.target

    def revoke_key(self, head: PrivateKey, key_id: bytes) -> None:
        """Revoke a key."""
        key = self.store.find_key(key_id)
        assert key is not None
        self.act("KeyRevoked", [head], {"reason_code": 3}, target=key_id, revision=key.revision)

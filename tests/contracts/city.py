"""Fixed keys of a small city, and how it signs acts and sends them straight to the contracts."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from crypto.errors import LedgerError
from crypto.sm2 import N, PrivateKey, Signature
from crypto.sm3 import sm3
from ledger.chain.artifacts import (
    ContractEvent,
    decode_event,
    decode_result,
    decode_revert,
    encode_act_call,
    encode_call,
    load_artifact,
)
from ledger.chain.rpc import Rpc
from protocol.acts import ZERO_ID, ActSignature, SignedAct, make_act, sign_act
from protocol.calendar import day_at
from protocol.checkpoint import Checkpoint, parse_note, sign_checkpoint
from protocol.description import BY_NAME, Role
from sanlian_client.calendar import read_package

CHAIN_ID = 770_002
CITY_HEAD = "city head"
AUTHORITY = ("authority 1", "authority 2", "authority 3")
MONTH_S = 30 * 24 * 3600
DELAY_S = 3600
ITEMS = 0b1111
ORIGIN = "log.city/gateway-1"
GAS = 5_000_000
NO_BODIES = False
#: Years of working days that the city knows.
YEARS = (2025, 2026)
ELEMENT = b"DE00017".ljust(32, b"\0")

VIEWS = {
    "Registry": "persons",
    "Entries": "entries",
    "Interfaces": "interfaces",
    "Requests": "requests",
    "Corrections": "corrections",
    "Disputes": "disputes",
    "ThirdParties": "consents",
    "Elements": "claims",
    "Logs": "logs",
}


def wait_until(predicate: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Return the predicate's first true value, or fail."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = predicate()
        if value:
            return value
        time.sleep(0.01)
    pytest.fail(f"not true within {timeout_s} s")


@cache
def key(name: str) -> PrivateKey:
    """Return the fixed key of a name."""
    return PrivateKey.from_int(int.from_bytes(sm3(name.encode()), "big") % (N - 2) + 1)


def digest(text: str) -> bytes:
    """Return a digest for where an act names a document or a commitment."""
    return sm3(text.encode())


@cache
def year_bits(year: int) -> int:
    """Return a year's working days as the State Council's notice sets them."""
    return read_package(year)


def key_words(name: str) -> dict[str, int]:
    """Return the values with which an act brings a new key, which has no end."""
    public = key(name).public_key
    return {"key_x": public.x, "key_y": public.y, "valid_until": 0}


class Refused(Exception):
    """The contract refused an act."""

    def __init__(self, code: str, details: Mapping[str, object]) -> None:
        super().__init__(code, dict(details))
        self.code = code
        self.details = details


@dataclass
class Outcome:
    """What a transaction did."""

    event: ContractEvent
    gas: int
    block_number: int
    block_time: int


class City:
    """The contracts, and everybody's keys."""

    def __init__(self, rpc: Rpc, contracts: Mapping[str, bytes], sender: LocalAccount) -> None:
        self.rpc = rpc
        self.contracts = contracts
        self.sender = sender
        self.ids: dict[str, bytes] = {}
        self.gas: dict[str, int] = {}
        self.sent: list[tuple[SignedAct, Outcome]] = []
        #: Names of the keys that signed, in the order of their first signature.
        self.signers: dict[str, None] = {}
        #: Hash of the newest block when `build` ended.
        self.head = ""

    # reading

    def read(self, contract: str, function: str, *arguments: object) -> tuple[Any, ...]:
        """Call a view."""
        transaction = {
            "to": "0x" + self.contracts[contract].hex(),
            "data": "0x" + encode_call(contract, function, *arguments).hex(),
        }
        answer = self.rpc.call("eth_call", transaction, "latest")
        return decode_result(contract, function, bytes.fromhex(answer[2:]))

    def now(self) -> int:
        """Return the newest block's time in unix seconds."""
        return int(self.rpc.call("eth_getBlockByNumber", "latest", NO_BODIES)["timestamp"], 16)

    def nonce(self, contract: str, name: str) -> int:
        """Return the next nonce of a key at a contract."""
        return int(self.read(contract, "nonces", key(name).public_key.key_id)[0])

    def field(self, contract: str, function: str, id_: bytes | int, name: str) -> Any:
        """Return one value of a record by name."""
        outputs = load_artifact(contract).entry("function", function)["outputs"]
        names = [output["name"] for output in outputs]
        return self.read(contract, function, id_)[names.index(name)]

    def revision(self, name: str, target: bytes) -> int:
        """Return the current revision of what an act of that name changes; 0 if unknown."""
        act_type = BY_NAME[name]
        if act_type.contract == "Calendar":
            year = int(self.read("Calendar", "publications", target)[0])
            return int(self.field("Calendar", "calendarYears", year, "revision"))
        # A founder's department, person and key have one id.
        view = {"key": "keys", "department": "departments"}.get(
            act_type.target_kind, VIEWS[act_type.contract]
        )
        return int(self.field(act_type.contract, view, target, "revision"))

    # writing

    def sign(
        self,
        name: str,
        signers: Sequence[str],
        target: bytes = ZERO_ID,
        /,
        *,
        header: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> SignedAct:
        """Sign an act; `header` replaces values of its header."""
        contract = BY_NAME[name].contract
        fields: dict[str, Any] = {
            "chain_id": CHAIN_ID,
            "contract": self.contracts[contract],
            "key_id": key(signers[0]).public_key.key_id,
            "nonce": self.nonce(contract, signers[0]),
            "expires_at": self.now() + 3600,
            "target": target,
            "revision": 0
            if target == ZERO_ID or contract in ("Refreshes", "Oversight")
            else self.revision(name, target),
            **(header or {}),
        }
        act = make_act(name, values=values, **fields)
        self.signers.update(dict.fromkeys(signers))
        return sign_act(act, [key(signer) for signer in signers])

    def send(self, contract: str, data: bytes) -> Outcome:
        """Send a call in a transaction.

        Raises:
            Refused: the contract's error; then the transaction is on chain without effect.
        """
        address = "0x" + self.contracts[contract].hex()
        refusal: Refused | None = None
        try:
            self.rpc.call("eth_call", {"to": address, "data": "0x" + data.hex()}, "latest")
        except LedgerError as error:
            decoded = decode_revert(bytes.fromhex(str(error.details["data"])[2:]))
            if decoded is None:
                raise
            refusal = Refused(decoded[0], decoded[2])
        nonce = int(self.rpc.call("eth_getTransactionCount", self.sender.address, "latest"), 16)
        signed = self.sender.sign_transaction(
            {
                "chainId": CHAIN_ID,
                "nonce": nonce,
                "gasPrice": 0,
                "gas": GAS,
                "value": 0,
                "to": self.contracts[contract],
                "data": data,
            }
        )
        hash_ = self.rpc.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
        receipt = wait_until(lambda: self.rpc.call("eth_getTransactionReceipt", hash_))
        ok = int(receipt["status"], 16) == 1
        if refusal is not None:
            assert not ok
            assert receipt["logs"] == []
            raise refusal
        assert ok, "the call passes and the transaction does not"
        (log,) = receipt["logs"]
        assert log["address"] == address
        event = decode_event(
            [bytes.fromhex(t[2:]) for t in log["topics"]], bytes.fromhex(log["data"][2:])
        )
        assert event is not None
        number = receipt["blockNumber"]
        block = self.rpc.call("eth_getBlockByNumber", number, NO_BODIES)
        block_time = int(block["timestamp"], 16)
        return Outcome(event, int(receipt["gasUsed"], 16), int(number, 16), block_time)

    def bundle(self, *calls: tuple[str, bytes]) -> None:
        """Make several calls in one transaction, as anybody can: its init code makes them."""
        size = 53 * len(calls) + 1
        code, payload = b"", b""
        for contract, data in calls:
            length = b"\x63" + len(data).to_bytes(4, "big")
            place = b"\x63" + (size + len(payload)).to_bytes(4, "big")
            copy = length + place + b"\x60\x00\x39"
            arguments = b"\x60\x00\x60\x00" + length + b"\x60\x00\x60\x00"
            # A call that fails ends in the invalid jump to 0.
            call = b"\x73" + self.contracts[contract] + b"\x5a\xf1\x15\x60\x00\x57"
            code, payload = code + copy + arguments + call, payload + data
        assert len(code) == size - 1, len(code)
        transaction: dict[str, Any] = {
            "chainId": CHAIN_ID,
            "nonce": int(
                self.rpc.call("eth_getTransactionCount", self.sender.address, "latest"), 16
            ),
            "gasPrice": 0,
            "gas": GAS * len(calls),
            "value": 0,
            "data": code + b"\x00" + payload,
        }
        raw = bytes(self.sender.sign_transaction(transaction).raw_transaction)
        hash_ = self.rpc.call("eth_sendRawTransaction", "0x" + raw.hex())
        receipt = wait_until(lambda: self.rpc.call("eth_getTransactionReceipt", hash_))
        assert int(receipt["status"], 16) == 1
        assert len(receipt["logs"]) == len(calls)

    def record(self, signed: SignedAct, contract: str | None = None) -> Outcome:
        """Send an act to the contract that its type names, or to another one."""
        code = int.from_bytes(signed.data[52:56], "big")
        act_type = next((a for a in BY_NAME.values() if a.code == code), None)
        to = contract or (act_type.contract if act_type else "Registry")
        outcome = self.send(to, encode_act_call(signed))
        if act_type is not None:
            self.gas[act_type.name] = max(outcome.gas, self.gas.get(act_type.name, 0))
        self.sent.append((signed, outcome))
        return outcome

    def do(
        self, name: str, signers: Sequence[str], target: bytes = ZERO_ID, /, **values: Any
    ) -> bytes:
        """Sign and record an act; return the id of its target."""
        return bytes(self.record(self.sign(name, signers, target, **values)).event.values["target"])

    # the acts with usual values

    def department_values(self, name: str, **changes: Any) -> dict[str, Any]:
        """Return the words that describe a department."""
        return {
            "level": 3,
            "kind": 1,
            "region": 441500,
            "parent": ZERO_ID,
            "uscc": "",
            "uscc_override": 0,
            "name": name,
            **changes,
        }

    def register(self, name: str, /, **changes: Any) -> bytes:
        """Register a department with its head, key `<name> head`."""
        values = {**self.department_values(name), **key_words(f"{name} head"), **changes}
        signers = ("authority 1", "authority 2", f"{name} head")
        self.ids[name] = self.do("DepartmentRegistered", signers, **values)
        return self.ids[name]

    def enrol(self, person: str, head: str, roles: Role) -> bytes:
        """Enrol a person, who has the key of that name."""
        self.ids[person] = self.do(
            "PersonEnrolled", (head, person), roles=int(roles), **key_words(person)
        )
        return self.ids[person]

    def calendar_values(self, year: int = 2026, **changes: Any) -> dict[str, Any]:
        """Return the words of a year's working days."""
        return {
            "year": year,
            "working_days": year_bits(year),
            "source": digest(f"notice {year}"),
            **changes,
        }

    def publish_calendar(self, year: int) -> bytes:
        """Publish a year's working days."""
        name = f"calendar {year}"
        self.ids[name] = self.do("CalendarPublished", AUTHORITY[:1], **self.calendar_values(year))
        return self.ids[name]

    def entry_values(self, **changes: Any) -> dict[str, Any]:
        """Return the words of an entry's version."""
        return {
            "sharing_class": 2,
            "library": 2,
            "update_cycle": 5,
            "openness": 0,
            "mode": 1,
            "grading": 1,
            "items": ITEMS,
            "sensitive": 0b1000,
            "document": digest("entry document"),
            "secrecy_assessment": digest("secrecy"),
            "privacy_assessment": digest("privacy"),
            "basis": digest("conditions"),
            **changes,
        }

    def interface_values(self, **changes: Any) -> dict[str, Any]:
        """Return the words of an interface's version."""
        return {
            "entry": self.ids["entry"],
            "entry_version": 1,
            "rate_per_minute": 60,
            "max_rows": 100,
            "items": 0b0111,
            "document": digest("interface document"),
            "node": "node-1",
            **changes,
        }

    def request_values(self, **changes: Any) -> dict[str, Any]:
        """Return the words of a request."""
        return {
            "interface": self.ids["interface"],
            "valid_from": self.now(),
            "valid_until": self.now() + MONTH_S,
            "quota": 100,
            "interface_version": 1,
            "way": 1,
            "items": 0b0011,
            "legal_basis": "809-20",
            "scenario": "housing",
            "case": digest("case"),
            **changes,
        }

    def agreed_values(self, request: str = "filed", **changes: Any) -> dict[str, Any]:
        """Return the words that grant a request's term and item 0."""
        id_ = self.ids[request]
        get = {n: self.field("Requests", "requests", id_, n) for n in ("validFrom", "validUntil")}
        return {
            "items": 0b0001,
            "valid_from": get["validFrom"],
            "valid_until": get["validUntil"],
            "quota": 10,
            **changes,
        }

    def claim_values(self, **changes: Any) -> dict[str, Any]:
        """Return the words of a claim to a data element."""
        return {"entry": self.ids["entry"], "element": ELEMENT, "item": 0, **changes}

    def tested_values(self, **changes: Any) -> dict[str, Any]:
        """Return the words of a gateway's successful test."""
        return {
            "document": digest("interface document"),
            "test_result": 1,
            "log": self.ids["log"],
            "report": digest("report"),
            **changes,
        }

    def disposed_values(self, **changes: Any) -> dict[str, Any]:
        """Return the words of a gateway's telling that a month's key was destroyed."""
        return {
            "disposed_kind": 1,
            "period": 202_601,
            "record": 7,
            "record_leaf": digest("record"),
            **changes,
        }

    def refresh_values(self, **changes: Any) -> dict[str, Any]:
        """Return the words of a refresh of the entry's data."""
        today = day_at(self.now())
        return {
            "entry": self.ids["entry"],
            "from_day": today - 31,
            "until_day": today,
            "rows": 1000,
            **changes,
        }

    def oversight_values(self, **changes: Any) -> dict[str, Any]:
        """Return the words of a chief data officer's report."""
        yesterday = day_at(self.now()) - 1
        return {
            "from_day": yesterday - 30,
            "until_day": yesterday,
            "report_kind": 1,
            "report_digest": digest("report"),
            "findings": ZERO_ID,
            **changes,
        }

    def build(self) -> None:
        """Register two departments and go the whole way to a grant and a log."""
        for year in YEARS:
            self.publish_calendar(year)
        for name in ("civil affairs", "housing"):
            self.register(name)
            head = f"{name} head"
            self.enrol(f"{name} operator", head, Role.OPERATOR)
            self.enrol(f"{name} officer", head, Role.OFFICER)
        self.enrol("civil affairs both", "civil affairs head", Role.OPERATOR | Role.OFFICER)
        self.enrol("housing both", "housing head", Role.OPERATOR | Role.OFFICER)
        self.enrol("gateway", CITY_HEAD, Role.GATEWAY)
        provider = ("civil affairs operator", "civil affairs head")
        ids = self.ids
        ids["log"] = self.do(
            "LogRegistered",
            ("authority 1", "gateway"),
            gateway_key=key("gateway").public_key.key_id,
            origin=ORIGIN,
        )
        ids["entry"] = self.do("EntrySubmitted", provider, **self.entry_values())
        self.do("EntryPublished", ("authority 1",), ids["entry"], document=digest("entry document"))
        ids["claim"] = self.do("ElementClaimed", provider, **self.claim_values())
        ids["interface"] = self.do(
            "InterfaceRegistered", ("civil affairs operator",), **self.interface_values()
        )
        self.do("InterfaceTested", ("gateway",), ids["interface"], **self.tested_values())
        self.do(
            "InterfaceOnline",
            ("civil affairs officer",),
            ids["interface"],
            document=digest("interface document"),
        )
        requester = ("housing operator", "housing officer")
        ids["filed"] = self.do("RequestFiled", requester, **self.request_values())
        ids["grant"] = self.do("RequestFiled", requester, **self.request_values())
        self.do(
            "RequestAgreed", ("civil affairs officer",), ids["grant"], **self.agreed_values("grant")
        )
        self.head = self.rpc.call("eth_getBlockByNumber", "latest", NO_BODIES)["hash"]

    # checkpoints

    def anchor(
        self,
        size: int,
        root: bytes,
        *,
        log: bytes | None = None,
        signature: Signature | None = None,
        signer: str = "gateway",
        origin: str = ORIGIN,
    ) -> Outcome:
        """Anchor a checkpoint with the gateway's signature, or with another one."""
        if signature is None:
            note = sign_checkpoint(Checkpoint(origin, size, root), key(signer))
            signature = Signature.from_bytes(parse_note(note)[1][0].payload)
        data = encode_call(
            "Logs", "anchor", log or self.ids["log"], size, root, signature.r, signature.s
        )
        outcome = self.send("Logs", data)
        self.gas["anchor"] = max(outcome.gas, self.gas.get("anchor", 0))
        return outcome


def resigned(signed: SignedAct, *names: str) -> SignedAct:
    """Return the same bytes with the signatures of these keys, whoever they are."""
    return SignedAct(
        signed.data,
        tuple(ActSignature(key(n).public_key.key_id, key(n).sign(signed.data)) for n in names),
    )

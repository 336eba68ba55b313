"""A real chain (embedded engine), real contracts, and the ledger in front of them."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from crypto.canonical import canonical_json
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from ledger.chain.deploy import deploy_contracts
from ledger.chain.indexer import Indexer
from ledger.chain.relay import Relay
from ledger.chain.rpc import Rpc
from ledger.chain.sender import Sender
from ledger.db.engine import make_engine
from ledger.db.migrate import upgrade
from ledger.outbox.service import Accepted, Outbox
from protocol.acts import SignedAct, Value, make_act, sign_act
from protocol.calendar import plain_weekdays
from protocol.deployment import Deployment
from protocol.description import BY_NAME, Role
from protocol.documents import make_entry_document

RELAY_KEY = sm3(b"relay of these tests")
ORIGIN = "test.city/log"
#: How long a head can object here; the clock is the real one.
DELAY_S = 2


def key(name: str) -> PrivateKey:
    """Return the test key of that name."""
    return PrivateKey.from_int(int.from_bytes(sm3(name.encode())[:31], "big") + 1)


AUTHORITY = [key("authority 0"), key("authority 1")]


def wait_until(predicate: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait until the predicate holds; fail when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.05)


class Node:
    """The embedded engine as a process that can be stopped, killed and started again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ledger.chain.engines.embedded",
                "--directory",
                str(self._directory),
                "--port",
                str(self.port),
                "--block-interval-ms",
                "20",
            ],
            stdout=subprocess.PIPE,
            stderr=(self._directory.parent / "node.log").open("ab"),
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r":(\d+)$", line.strip())
        assert found is not None, (self._directory.parent / "node.log").read_text()
        self.port = int(found[1])

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None


#: A test that runs on a database of each kind.
on_both = pytest.mark.parametrize("city", ["sqlite", "postgresql"], indirect=True)


@dataclass
class City:
    """A deployment with its keys, and the ledger's parts on one database file."""

    node: Node
    rpc: Rpc
    deployment: Deployment
    directory: Path
    platform_key: PrivateKey
    #: Makes a database and returns its URL; a file in the directory without one.
    make_url: Callable[[], str] | None = None
    engine: Engine = field(init=False)
    database: Path = field(init=False)
    url: str = field(init=False)
    outbox: Outbox = field(init=False)
    sender: Sender = field(init=False)
    relay: Relay = field(init=False)
    indexer: Indexer = field(init=False)

    def open(self, name: str = "ledger.db") -> None:
        """Open the database file, as a process does when it starts."""
        self.database = self.directory / name
        made = self.make_url() if self.make_url is not None else None
        self.url = made or f"sqlite:///{self.database}"
        self.engine = make_engine(self.url)
        upgrade(self.engine)
        self.outbox = Outbox(self.engine, self.deployment, self.platform_key)
        self.reopen_chain()

    def reopen_chain(self) -> None:
        """Forget what sender, relay and indexer have in memory, as a restart does."""
        chain_id = self.deployment.chain_id
        self.sender = Sender(self.engine, self.rpc, chain_id=chain_id, private_key=RELAY_KEY)
        self.relay = Relay(self.engine, self.deployment, self.rpc, self.sender)
        self.indexer = Indexer(self.engine, self.deployment, self.rpc)

    def catch_up(self) -> None:
        """Index up to the head."""
        while self.indexer.step():
            pass

    def run(self) -> None:
        """Relay and index until nothing waits any more."""

        def is_quiet() -> bool:
            self.relay.step()
            self.catch_up()
            with self.engine.connect() as connection:
                waiting = connection.exec_driver_sql(
                    "SELECT (SELECT count(*) FROM outbox_acts WHERE status IN ('queued','sent'))"
                    " + (SELECT count(*) FROM transactions WHERE status = 'open')"
                ).scalar()
            return waiting == 0

        wait_until(is_quiet)

    def sign(
        self,
        name: str,
        keys: list[PrivateKey],
        values: dict[str, Value],
        *,
        target: bytes = bytes(32),
        revision: int | None = None,
        nonce: int | None = None,
        lifetime_s: int = 86400,
    ) -> SignedAct:
        """Sign an act with the next nonce and the target's present revision."""
        contract = BY_NAME[name].contract
        key_id = keys[0].public_key.key_id
        if revision is None:
            revision = 0 if target == bytes(32) else self.outbox.get_target(target).revision
        act = make_act(
            name,
            chain_id=self.deployment.chain_id,
            contract=self.deployment.contracts[contract],
            key_id=key_id,
            nonce=self.outbox.next_nonce(contract, key_id) if nonce is None else nonce,
            expires_at=int(time.time()) + lifetime_s,
            values=values,
            target=target,
            revision=revision,
        )
        return sign_act(act, keys)

    def accept(self, signed: SignedAct, *documents: bytes) -> Accepted:
        """Hand an act in."""
        return self.outbox.accept(signed.data, signed.signatures, documents)

    def register(self, name: str) -> bytes:
        """Hand in a department with a head, an operator and an officer; returns its id."""
        head = key(f"{name} head")
        values = department_values(head, name)
        signed = self.sign("DepartmentRegistered", [*AUTHORITY, head], values)
        department = self.accept(signed).act_id
        self.enrol(f"{name} operator", Role.OPERATOR, f"{name} head")
        self.enrol(f"{name} officer", Role.OFFICER, f"{name} head")
        return department

    def enrol(self, name: str, roles: Role, head: str = "head") -> bytes:
        """Hand in the enrolment of a person; returns the person's id."""
        new = key(name)
        signed = self.sign("PersonEnrolled", [key(head), new], _person_values(new, roles))
        return self.accept(signed).act_id

    def publish_calendar(self, year: int) -> bytes:
        """Hand in the publication of a year's working days; returns its id."""
        values = calendar_values(year)
        return self.accept(self.sign("CalendarPublished", AUTHORITY[:1], values)).act_id

    def status(self, act_id: bytes) -> str:
        return self.outbox.get_act(act_id).status


def _person_values(new: PrivateKey, roles: Role) -> dict[str, Value]:
    public = new.public_key
    return {"roles": int(roles), "key_x": public.x, "key_y": public.y, "valid_until": 0}


def calendar_values(year: int) -> dict[str, Value]:
    """Return the values of a year's publication: Monday to Friday."""
    return {"year": year, "working_days": plain_weekdays(year), "source": sm3(b"notice")}


def department_values(head: PrivateKey, name: str) -> dict[str, Value]:
    """Return the values of a department's registration."""
    return {
        "level": 3,
        "kind": 1,
        "region": 990100,
        "parent": bytes(32),
        "uscc": "",
        "uscc_override": 0,
        "name": name,
        "key_x": head.public_key.x,
        "key_y": head.public_key.y,
        "valid_until": 0,
    }


def entry_document(summary: str = "登记信息") -> bytes:
    """Return an entry document with items 0 and 1, of which 1 is sensitive."""
    return make_entry_document(
        name="婚姻登记信息",
        code="3010010001/0001",
        summary=summary,
        provider="民政局",
        items=[
            {
                "name": f"信息项{index}",
                "code": f"item{index}",
                "type": "C",
                "length": 18,
                "sensitive": index == 1,
            }
            for index in (0, 1)
        ],
        duty="婚姻登记",
    )


def entry_values(document: bytes) -> dict[str, Value]:
    """Return the values of an entry's submission."""
    return {
        "sharing_class": 1,
        "library": 1,
        "update_cycle": 2,
        "openness": 0,
        "mode": 1,
        "grading": 1,
        "items": 3,
        "sensitive": 2,
        "document": sm3(document),
        "secrecy_assessment": sm3(b"secrecy"),
        "privacy_assessment": sm3(b"privacy"),
        "basis": bytes(32),
    }


def interface_document() -> bytes:
    """Return an interface document for items 0 and 1."""
    schema = {"properties": {"item0": {"type": "string"}, "item1": {"type": "string"}}}
    return canonical_json(
        {
            "openapi": "3.1.0",
            "info": {"title": "婚姻登记查询", "version": "1"},
            "paths": {
                "/marriage": {
                    "get": {
                        "parameters": [{"in": "query", "name": "id", "required": True}],
                        "responses": {
                            "200": {
                                "description": "a record",
                                "content": {"application/json": {"schema": schema}},
                            }
                        },
                        "x-sanlian-items": {"0": ["/item0"], "1": ["/item1"]},
                        "x-sanlian-records": "",
                    }
                }
            },
        }
    )


def deploy(rpc: Rpc) -> Deployment:
    """Create the contracts."""
    stands = deploy_contracts(
        rpc,
        sm3(b"deployer of these tests"),
        head_key=key("authority head").public_key,
        authority_keys=[key(f"authority {n}").public_key for n in (0, 1, 2)],
        threshold=2,
        replacement_delay_s=DELAY_S,
    )
    return Deployment(
        chain_id=int(rpc.call("eth_chainId"), 16),
        contracts=stands.contracts,
        block=stands.block,
        example=True,
        platform_key=key("platform").public_key,
        gateway_key=key("gateway").public_key,
        origin=ORIGIN,
    )

"""A whole case: contracts on a real chain, a real log file, anchored, cosigned by two witnesses."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json
from crypto.merkle import leaf_hash
from crypto.sm2 import Signature
from crypto.sm3 import sm3
from ledger.audit.chain import ChainReader
from ledger.audit.evidence import HeldCosignature, build_evidence
from ledger.chain.artifacts import encode_act_call, encode_call
from ledger.log.reader import LogReader
from ledger.log.writer import LogWriter
from protocol.checkpoint import Checkpoint, block_statement, parse_note, sign_checkpoint
from protocol.consultation import consultation_body
from protocol.description import Role
from protocol.evidence import BlockCosignature
from protocol.httpsig import (
    CLOSING_PATH,
    CONSULTATION_PATH,
    DATA_PATH,
    NOT_SENT_PATH,
    OFFER_PATH,
    RESTRICTION_PATH,
    SEALED_PATHS,
    parse_answer,
    sign_answer,
    sign_request,
)
from protocol.observation import sign_observation
from protocol.restriction import restriction_body
from protocol.trust import TrustRoot
from tests.contracts.city import CHAIN_ID, ORIGIN, City, key, key_words

WITNESSES = ("witness 1", "witness 2")
FOREVER = 1 << 40
BODY = b'{"data":[],"salt":"' + b"0" * 64 + b'"}'


class Case:
    """What one test city, its gateway and its witnesses do."""

    def __init__(self, city: City, directory: Path) -> None:
        self.city = city
        self.url = f"sqlite:///{directory / 'gateway.db'}"
        self.chain = ChainReader(city.rpc, city.contracts)
        self.trust = TrustRoot(
            CHAIN_ID, city.contracts, tuple(key(name).public_key for name in WITNESSES), 2
        )
        self.log: LogWriter | None = None

    def found(self) -> None:
        """Make the departments, a grant without a near end, and the log."""
        city = self.city
        city.build()
        for text in (b"entry document", b"interface document"):
            city.send("Documents", encode_call("Documents", "put", sm3(text), 0, 1, text))
        city.enrol("civil affairs provider", "civil affairs head", Role.PROVIDER)
        requester = ("housing operator", "housing officer")
        city.ids["grant"] = city.do(
            "RequestFiled", requester, **city.request_values(valid_until=FOREVER)
        )
        city.do(
            "RequestAgreed",
            ("civil affairs officer",),
            city.ids["grant"],
            **city.agreed_values("grant"),
        )
        self.log = LogWriter(self.url, origin=ORIGIN, log_id=city.ids["log"], key=key("gateway"))

    def append(self, draft: dict[str, Any]) -> int:
        """Write a record and return its index."""
        assert self.log is not None
        return self.log.append(draft).result(20).index

    def block(self) -> dict[str, Any]:
        """Return the newest block as records name it."""
        _, header = self.chain.get_header(self.chain.head())
        return {"number": header.number, "hash": header.hash.hex()}

    def request(self, signer: str = "housing operator", **changes: Any) -> dict[str, Any]:
        """Return the member `request` of a record."""
        signed, _ = sign_request(
            key(signer),
            b"{}",
            **{
                "authority": "127.0.0.1:8441",
                "path": DATA_PATH,
                "created": int(time.time()),
                "nonce": secrets.token_hex(16),
                "grant": self.city.ids["grant"],
                "basis": "809-20",
                "scenario": "housing",
                **changes,
            },
        )
        return signed.to_record()

    def intent(self, **changes: Any) -> dict[str, Any]:
        """Return an intent as a gateway would write it at the newest block."""
        ids = self.city.ids
        return {
            "event": "intent",
            "request": self.request(),
            "department": ids["housing"].hex(),
            "source": "127.0.0.1",
            "block": self.block(),
            "grant_revision": self.city.revision("RequestAgreed", ids["grant"]),
            "provider": ids["civil affairs"].hex(),
            "entry": ids["entry"].hex(),
            "entry_version": 1,
            "interface": ids["interface"].hex(),
            "interface_version": 1,
            "items": f"{1:064x}",
            **changes,
        }

    def outcome(
        self,
        intent: int,
        *,
        signer: str = "civil affairs provider",
        answered: int | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """Return the outcome of a released answer."""
        leaf = leaf_hash(self.record(intent))
        created = int(time.time()) if answered is None else answered
        headers = sign_answer(key(signer), status=200, body=BODY, intent_leaf=leaf, created=created)
        answer = parse_answer(status=200, headers=headers.items(), body=BODY, intent_leaf=leaf)
        return {
            "event": "outcome",
            "intent": intent,
            "intent_leaf": leaf.hex(),
            "result": "released",
            "code": "",
            "items": f"{1:064x}",
            "rows": 0,
            "bytes": len(BODY),
            "latency_ms": 1,
            "response_digest": sm3(BODY).hex(),
            "provider_response": answer.to_record(),
            **changes,
        }

    def denial(self, code: str, request: dict[str, Any], department: bytes) -> dict[str, Any]:
        """Return a denial."""
        return {
            "event": "denied",
            "request": request,
            "department": department.hex(),
            "source": "127.0.0.1",
            "block": self.block(),
            "code": code,
        }

    def sealed(
        self, operation: str, signer: str, department: bytes, **changes: Any
    ) -> dict[str, Any]:
        """Return the record of a call about a sealed text of the entry's first version."""
        path = SEALED_PATHS[operation]
        return {
            "event": "sealed",
            "request": self.request(signer, path=path, grant=bytes(32), basis="-", scenario="-"),
            "department": department.hex(),
            "source": "127.0.0.1",
            "block": self.block(),
            "operation": operation,
            "act": self.city.ids["entry"].hex(),
            "word": "secrecy_assessment",
            "envelope": sm3(b"envelope").hex(),
            **changes,
        }

    def not_sent(
        self, signer: str, department: bytes, ranges: list[list[int]], **changes: Any
    ) -> dict[str, Any]:
        """Return the record of a statement of numbers that were not sent."""
        statement = {
            "reason": "not_sent",
            "salt": "cd" * 32,
            "sequences": ranges,
            "stream": "s",
        }
        signed, _ = sign_request(
            key(signer),
            canonical_json(statement),
            authority="127.0.0.1:8441",
            path=NOT_SENT_PATH,
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=bytes(32),
        )
        return {
            "event": "not_sent",
            "request": signed.to_record(),
            "department": department.hex(),
            "source": "127.0.0.1",
            "block": self.block(),
            "statement": {**statement, **changes},
        }

    def stated(
        self, event: str, signer: str, department: bytes, statement: dict[str, Any], **changes: Any
    ) -> dict[str, Any]:
        """Return the record of an offer or a closing under the grant."""
        statement = {"manifest": "ab" * 32, "salt": "cd" * 32, "rows": 1, "parts": 1, **statement}
        signed, _ = sign_request(
            key(signer),
            canonical_json(statement),
            authority="127.0.0.1:8441",
            path={"offered": OFFER_PATH, "closed": CLOSING_PATH}[event],
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=self.city.ids["grant"],
        )
        return {
            "event": event,
            "request": signed.to_record(),
            "department": department.hex(),
            "source": "127.0.0.1",
            "block": self.block(),
            "statement": {**statement, **changes},
        }

    def restricted(
        self, signer: str, department: bytes, side: str, networks: list[str], **changes: Any
    ) -> dict[str, Any]:
        """Return the record of a declaration of the networks of the grant."""
        salt = secrets.token_hex(32)
        signed, _ = sign_request(
            key(signer),
            restriction_body(networks, salt),
            **{
                "authority": "127.0.0.1:8441",
                "path": RESTRICTION_PATH,
                "created": int(time.time()),
                "nonce": secrets.token_hex(16),
                "grant": self.city.ids["grant"],
                **changes,
            },
        )
        return {
            "event": "restricted",
            "request": signed.to_record(),
            "department": department.hex(),
            "source": "127.0.0.1",
            "block": self.block(),
            "side": side,
            "networks": networks,
            "salt": salt,
        }

    def consulted(
        self, signer: str, department: bytes, operation: str, **changes: Any
    ) -> dict[str, Any]:
        """Return the record of an auditor's consultation."""
        salt = secrets.token_hex(32)
        periods, record = (["2026-01"], None) if operation == "search" else ([], 1)
        purpose = {"person": "p-7", "basis": "-", "case": "case-1", "scenario": "-"}
        purpose |= {name: changes.pop(name) for name in list(changes) if name in purpose}
        signed, _ = sign_request(
            key(signer),
            consultation_body(operation, periods, record, salt),
            authority="127.0.0.1:8441",
            path=changes.pop("path", CONSULTATION_PATH),
            created=int(time.time()),
            nonce=secrets.token_hex(16),
            grant=bytes(32),
            **purpose,
        )
        return {
            "event": "consulted",
            "request": signed.to_record(),
            "department": department.hex(),
            "source": "127.0.0.1",
            "block": self.block(),
            "operation": operation,
            "periods": periods,
            "record": record,
            "salt": salt,
            **changes,
        }

    def observed(self, signer: str, department: bytes, **changes: Any) -> dict[str, Any]:
        """Return the record of another platform's access record."""
        members = {
            "v": 1,
            "platform": "exchange-1",
            "record": secrets.token_hex(8),
            "time_ms": int(time.time() * 1000),
            "requester": "housing",
            "requester_key": None,
            "person": "p-1",
            "grant": None,
            "authorization": "AUTH-7",
            "provider": "civil",
            "resource": "PERSON-01",
            "items": ["NAME"],
            "result": "refused",
            "code": "NO-CONSENT",
            "request_digest": sm3(b"request").hex(),
            "response_digest": None,
            **changes,
        }
        signed = sign_observation(key(signer), members)
        return {
            "event": "observed",
            "observation": members,
            "public_key": key(signer).public_key.to_bytes().hex(),
            "signature": signed.signature.to_bytes().hex(),
            "department": department.hex(),
            "source": "127.0.0.1",
            "block": self.block(),
        }

    def released(self, intent: dict[str, Any] | None = None, **changes: Any) -> int:
        """Write an intent with its outcome and return the intent's index."""
        seq = self.append(intent or self.intent())
        self.append(self.outcome(seq, **changes))
        return seq

    def record(self, seq: int) -> bytes:
        """Return a record's bytes."""
        reader = LogReader.open(self.url)
        try:
            return reader.get_record(seq)
        finally:
            reader.close()

    def file_bundled(self) -> None:
        """Record a request in one transaction with another department's act and a document."""
        city = self.city
        city.register("weather")
        words: dict[str, Any] = key_words("weather operator")
        enrolled = city.sign(
            "PersonEnrolled",
            ("weather head", "weather operator"),
            roles=int(Role.OPERATOR),
            **words,
        )
        filed = city.sign(
            "RequestFiled",
            ("housing operator", "housing officer"),
            **city.request_values(valid_until=FOREVER),
        )
        city.bundle(
            ("Documents", encode_call("Documents", "put", sm3(b"?"), 0, 2, b"spoiled")),
            ("Registry", encode_act_call(enrolled)),
            ("Requests", encode_act_call(filed)),
        )
        city.ids["bundled"] = filed.act_id
        city.do(
            "RequestAgreed",
            ("civil affairs officer",),
            filed.act_id,
            **city.agreed_values("bundled"),
        )

    def anchor(self) -> None:
        """Anchor the log as it was and as it is, in one transaction with a document."""
        reader = LogReader.open(self.url)
        try:
            size = reader.size()
            anchors = []
            for one in (size - 1, size):
                note = sign_checkpoint(Checkpoint(ORIGIN, one, reader.root(one)), key("gateway"))
                signature = Signature.from_bytes(parse_note(note)[1][0].payload)
                words = (self.city.ids["log"], one, reader.root(one), signature.r, signature.s)
                anchors.append(("Logs", encode_call("Logs", "anchor", *words)))
        finally:
            reader.close()
        piece = encode_call("Documents", "put", sm3(b"?"), 1, 2, b"spoiled")
        self.city.bundle(("Documents", piece), *anchors)

    def cosignatures(
        self, first: int, last: int, names: Sequence[str] = WITNESSES
    ) -> list[HeldCosignature]:
        """Return the witnesses' cosignatures on blocks; every third block they slept."""
        held: list[HeldCosignature] = []
        for number in range(first, last + 1):
            if number % 3 == 0 and number != last:
                continue
            _, header = self.chain.get_header(number)
            statement = block_statement(
                chain_id=CHAIN_ID, number=number, block_hash=header.hash, time=header.timestamp
            )
            for name in names:
                one = key(name)
                signature = one.sign(statement)
                held.append(
                    HeldCosignature(
                        header.hash,
                        BlockCosignature(
                            number, header.timestamp, one.public_key.key_id, signature
                        ),
                    )
                )
        return held

    def evidence(self, seq: int, names: Sequence[str] = WITNESSES) -> bytes:
        """Build the evidence of a record."""
        reader = LogReader.open(self.url)
        try:
            return build_evidence(
                seq,
                log=reader,
                log_id=self.city.ids["log"],
                chain=self.chain,
                trust=self.trust,
                find_cosignatures=lambda a, b: self.cosignatures(a, b, names),
            )
        finally:
            reader.close()

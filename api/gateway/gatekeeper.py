"""What every signed call passes: its signature, its time, and the record of a refusal.

A call is admitted once its signature holds; whatever is refused after that leaves a record.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

from api.gateway.counting import RateLimiter, RejectedCounter
from api.gateway.state import Snapshot, StateSource, is_stale
from api.gateway.verifiers import Verifiers
from crypto.canonical import parse_canonical
from crypto.errors import (
    CryptoError,
    LedgerError,
    ProtocolError,
    RequestRefused,
    SanlianError,
    VerificationError,
)
from crypto.sm2 import PublicKey
from ledger.log.entries import Nonce
from ledger.log.writer import AccessLog
from protocol.example_keys import refuse_example_key
from protocol.httpsig import SignedRequest, read_head, read_request

MAX_BODY_SIZE = 64 * 1024
#: Refusals remembered, so that sending one signed request again and again fills no log.
MAX_REFUSALS_KEPT = 1024
#: Anybody can make keys: of the refusals of unknown ones so many a minute get records of their own.
MAX_STRANGERS_PER_MINUTE = 60
#: What anybody may send who saw a signed request once; so many a minute of a key get records.
MAX_REPEATED_PER_MINUTE = 60
_OF_ANYBODY = frozenset({"CLOCK_SKEW", "NONCE_REPLAYED"})
NOBODY = bytes(32)
_SALT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came in.

    Attributes:
        method: HTTP method.
        host: Host header.
        path: path.
        headers: all header lines.
        body: exact bytes of the body.
        source: address it came from.
    """

    method: str
    host: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back.

    Attributes:
        code: error code, empty for an answer that releases something.
        body: body to release.
        headers: headers to add, among them the receipt.
        detail: sentence for a problem.
        details: values for a problem.
    """

    code: str
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    detail: str = ""
    details: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request whose signature held, and the state that decides about it.

    Attributes:
        request: what was signed.
        source: address it came from.
        snapshot: the state.
        department: department of the key's person, zeros when the key is not known.
        time_ms: time of the decision.
    """

    request: SignedRequest
    source: str
    snapshot: Snapshot
    department: bytes
    time_ms: int

    @property
    def time_s(self) -> int:
        """Time of the decision in unix seconds."""
        return self.time_ms // 1000

    def draft(self, event: str, **members: object) -> dict[str, Any]:
        """Return a draft of a record about this request."""
        return {
            "event": event,
            "request": self.request.to_record(),
            "department": self.department.hex(),
            "source": self.source,
            "block": {"number": self.snapshot.number, "hash": self.snapshot.hash.hex()},
            **members,
        }


class Gatekeeper:
    """Checks signed calls and keeps their records: what data requests and evidence share.

    Args:
        log: the access log.
        state: source of the state.
        authority: host and port that requesters sign.
        clock_skew_s: allowed difference between a signature's time and ours.
        head_max_age_s: nothing is decided when the node was not seen for so long.
    """

    def __init__(
        self,
        log: AccessLog,
        state: StateSource,
        *,
        authority: str,
        clock_skew_s: int,
        head_max_age_s: int,
        is_example: bool,
    ) -> None:
        self.log = log
        self.state = state
        self.rejected = RejectedCounter()
        self._refusals: dict[tuple[bytes, str], str] = {}
        self._strangers = RateLimiter()
        self._repeated = RateLimiter()
        self._authority = authority.lower()
        self._clock_skew_s = clock_skew_s
        self._head_max_age_s = head_max_age_s
        self._is_example = is_example

    def admit(self, incoming: Incoming, *, max_body: int = MAX_BODY_SIZE) -> Admitted:
        """Check a call's signature; what fails is counted.

        Args:
            incoming: the call.
            max_body: largest body in bytes.

        Raises:
            SanlianError: the code to answer with; there is no receipt.
        """
        request = self._read(incoming, max_body)
        try:
            request.verify()
        except SanlianError as error:
            self.rejected.add(incoming.source, error.code, int(time.time()))
            raise
        return self._admitted(request, incoming.source)

    async def admit_beside(self, incoming: Incoming, verifiers: Verifiers) -> Admitted:
        """Do the same, with the signature checked beside the event loop.

        Raises:
            SanlianError: the code to answer with; there is no receipt.
        """
        request = self._read(incoming, MAX_BODY_SIZE)
        if not await verifiers.is_valid(request.public_key, request.base(), request.signature):
            self.rejected.add(incoming.source, "SIGNATURE_INVALID", int(time.time()))
            raise VerificationError("SIGNATURE_INVALID", "the request's signature does not hold")
        return self._admitted(request, incoming.source)

    def vouch(self, incoming: Incoming, check: Callable[[Admitted], None]) -> bytes:
        """Check the head of a call whose body is still to come; what fails is counted.

        Args:
            incoming: the call, without its body.
            check: refuses callers who may not make it, as unknown ones.

        Returns:
            The department whose key signed it just now.

        Raises:
            SanlianError: the code to answer with; there is no receipt.
        """
        if self.state.snapshot is None:
            raise _not_ready()
        try:
            self._require_authority(incoming)
            request = read_head(
                method=incoming.method,
                authority=self._authority,
                path=incoming.path,
                headers=incoming.headers,
            )
            request.verify()
            admitted = self._admitted(request, incoming.source)
            self.check_admissible(admitted)
            check(admitted)
        except SanlianError as error:
            self.rejected.add(incoming.source, error.code, int(time.time()))
            raise
        return admitted.department

    def _require_authority(self, incoming: Incoming) -> None:
        if incoming.host.lower() != self._authority:
            raise RequestRefused("AUTHORITY_MISMATCH", "the Host header names another gateway")

    def _read(self, incoming: Incoming, max_body: int) -> SignedRequest:
        """Return a call whose signature is still to be verified; what is malformed is counted."""
        if self.state.snapshot is None:
            raise _not_ready()
        try:
            self._require_authority(incoming)
            if len(incoming.body) > max_body:
                raise RequestRefused("BODY_TOO_LARGE", f"a body has at most {max_body} bytes")
            return read_request(
                method=incoming.method,
                authority=self._authority,
                path=incoming.path,
                headers=incoming.headers,
                body=incoming.body,
            )
        except SanlianError as error:
            self.rejected.add(incoming.source, error.code, int(time.time()))
            raise

    def _admitted(self, request: SignedRequest, source: str) -> Admitted:
        snapshot = self.state.snapshot
        if snapshot is None:
            raise _not_ready()
        department = department_of(snapshot, request.public_key)
        time_ms = time.time_ns() // 1_000_000
        return Admitted(request, source, snapshot, department, time_ms)

    def check_admissible(self, admitted: Admitted) -> None:
        """Check the key, the time of the signature and the age of the state.

        Raises:
            RequestRefused: EXAMPLE_KEY_REFUSED, CLOCK_SKEW, LEDGER_HALTED, HEAD_STALE.
        """
        self.check_fresh(admitted)
        try:
            refuse_example_key(admitted.request.public_key.key_id, is_example=self._is_example)
        except ProtocolError as error:
            raise RequestRefused(error.code, error.message) from error
        if admitted.snapshot.finding_code:
            raise RequestRefused("LEDGER_HALTED", "the ledger stopped at a finding")
        if is_stale(admitted.snapshot, self._head_max_age_s):
            raise RequestRefused("HEAD_STALE", "the chain's head was not seen for too long")

    def check_fresh(self, admitted: Admitted) -> None:
        """Check that the signature was made just now: of an older one anybody may be the sender.

        Raises:
            RequestRefused: CLOCK_SKEW.
        """
        if abs(admitted.request.created - admitted.time_s) > self._clock_skew_s:
            raise RequestRefused("CLOCK_SKEW", "the signature was not made just now")

    async def deny(
        self,
        admitted: Admitted,
        error: SanlianError,
        parameters: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Record a refusal and return the answer with its receipt.

        Whoever sends the very same signed request again and is refused for the same reason gets
        the receipt of the first refusal: anyone on the way could send it again for ever. Requests
        of keys that nobody registered are only counted beyond MAX_STRANGERS_PER_MINUTE, and what
        anybody may send again beyond MAX_REPEATED_PER_MINUTE of a key.

        Raises:
            SanlianError: the refusal, where it is counted; there is no receipt.
            LedgerError: LOG_BUSY, LOG_CLOSED, LOG_WRITE_FAILED.
        """
        same = (admitted.request.signature.to_bytes(), error.code)
        header = self._refusals.get(same)
        if header is None:
            if not self._gets_record(admitted, error.code):
                self.rejected.add(admitted.source, error.code, admitted.time_s)
                raise error
            draft = admitted.draft("denied", code=error.code, **(parameters or {}))
            receipt = await self.log.write(draft, time_ms=admitted.time_ms)
            header = receipt.to_header()
            while len(self._refusals) >= MAX_REFUSALS_KEPT:
                del self._refusals[next(iter(self._refusals))]
            self._refusals[same] = header
        return Answer(
            error.code,
            headers={"sanlian-receipt": header},
            detail=error.message,
            details=error.details,
        )

    def _gets_record(self, admitted: Admitted, code: str) -> bool:
        if admitted.department == NOBODY:
            return self._strangers.is_allowed(NOBODY, MAX_STRANGERS_PER_MINUTE, admitted.time_s)
        if code not in _OF_ANYBODY:
            return True
        key_id = admitted.request.public_key.key_id
        return self._repeated.is_allowed(key_id, MAX_REPEATED_PER_MINUTE, admitted.time_s)


def _not_ready() -> LedgerError:
    return LedgerError("GATEWAY_NOT_READY", "the ledger's state has not been read yet")


def read_incoming(scope: Scope, body: bytes) -> Incoming:
    """Return the request of an ASGI scope.

    Args:
        scope: of a request whose address of origin was found, see find_client.
        body: its body.
    """
    headers = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    ]
    hosts = [value for name, value in headers if name.lower() == "host"]
    client = scope.get("client")
    return Incoming(
        method=scope["method"],
        host=hosts[0] if len(hosts) == 1 else "",
        path=scope["path"],
        headers=headers,
        body=body,
        source=client[0] if client else "local",
    )


def department_of(snapshot: Snapshot, public_key: PublicKey) -> bytes:
    """Return the department of a key's person, zeros when the key is not known."""
    key = snapshot.store.find_key(public_key.key_id)
    person = snapshot.store.find_person(key.person) if key is not None else None
    return person.department if person is not None else NOBODY


def nonce_of(request: SignedRequest) -> Nonce:
    """Return the nonce of a signed call."""
    return Nonce(request.public_key.key_id, bytes.fromhex(request.nonce))


def is_signed_body(value: object, members: Iterable[str]) -> bool:
    """Return whether a value has exactly these members, and a salt of the right form."""
    return (
        isinstance(value, dict)
        and set(value) == set(members)
        and isinstance(value["salt"], str)
        and _SALT.fullmatch(value["salt"]) is not None
    )


def parse_body(body: bytes, members: Iterable[str]) -> dict[str, Any]:
    """Return a signed call's body with exactly these members, of which salt is one.

    Raises:
        RequestRefused: BODY_MALFORMED.
    """
    try:
        # How large it may be was checked when it was admitted.
        value: Any = parse_canonical(body, max_bytes=len(body))
    except CryptoError as error:
        raise RequestRefused("BODY_MALFORMED", "the body must be canonical JSON") from error
    if not isinstance(value, dict) or set(value) != set(members):
        raise RequestRefused("BODY_MALFORMED", "the body has other members")
    if not isinstance(value["salt"], str) or not _SALT.fullmatch(value["salt"]):
        raise RequestRefused("BODY_MALFORMED", "the salt must be 64 hex digits")
    return value

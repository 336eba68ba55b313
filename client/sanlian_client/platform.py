"""The platform's API: sending acts, asking for their status, reading what the chain holds."""

import base64
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from crypto.canonical import canonical_json
from crypto.errors import (
    CryptoError,
    LedgerError,
    OutcomeUnknown,
    ProtocolError,
    RequestRefused,
    VerificationError,
)
from crypto.sm2 import PublicKey, Signature
from protocol.acknowledgement import verify_acknowledgement
from protocol.acts import Act, SignedAct
from protocol.acts import act_id as id_of
from protocol.calendar import FIRST_YEAR, LAST_YEAR, calendar_problem
from protocol.deployment import Deployment
from protocol.documents import document_digest
from sanlian_client.transport import Transport

PAGE_SIZE = 200
NOUNS = (
    "departments",
    "persons",
    "keys",
    "calendar",
    "entries",
    "claims",
    "refreshes",
    "oversight-reports",
    "interfaces",
    "requests",
    "corrections",
    "disputes",
    "consents",
    "logs",
    "blocks",
)
#: Statuses of an act that will not change any more.
FINAL = ("recorded", "refused", "sign_again")
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class CalendarYear:
    """The published working days of a year, as the platform tells them.

    Attributes:
        id: id of the act that published it.
        year: the year.
        working_days: bit i is day i of the year.
        source: SM3 of the State Council's notice.
        revision: above 1 it was corrected.
    """

    id: bytes
    year: int
    working_days: int
    source: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The platform's signed promise that an act is durable with it.

    Attributes:
        act_id: 32-byte id of the act.
        received_at: unix seconds.
        public_key: the platform's key.
        signature: its signature.
    """

    act_id: bytes
    received_at: int
    public_key: PublicKey
    signature: Signature


@dataclass(frozen=True, slots=True)
class ActStatus:
    """Where an act stands.

    Attributes:
        act_id: 32-byte id.
        status: queued, sent, recorded, refused or sign_again.
        transaction_hash: 0x hex, or None.
        block_number: number of the block that recorded it, or None.
        code: error code when it was refused, or None.
        title: the refusal in words, or None.
    """

    act_id: bytes
    status: str
    transaction_hash: str | None
    block_number: int | None
    code: str | None
    title: str | None


class Platform:
    """A platform's API.

    Args:
        api_url: base URL of the api.
        gateway_url: base URL of the gateway, where it is used.
        deployment: the deployment as its authority handed it out; without it the platform is
            asked once and believed.
        timeout_s: most time for one exchange.
    """

    def __init__(
        self,
        api_url: str,
        gateway_url: str | None = None,
        *,
        deployment: Deployment | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._api = Transport(api_url, timeout_s=timeout_s)
        self.gateway_url = gateway_url
        self._deployment = deployment

    def close(self) -> None:
        """Close its connections."""
        self._api.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def deployment(self) -> Deployment:
        """Return the deployment: the one given, else the one that the platform names.

        Raises:
            LedgerError: DEPLOYMENT_MALFORMED, SERVER_UNREACHABLE, …
        """
        if self._deployment is None:
            self._deployment = Deployment.from_value(self._api.get_json("/v1/deployment"))
        return self._deployment

    def next_nonce(self, key_id: bytes, contract: str) -> int:
        """Return the nonce that a key's next act on a contract must carry.

        Args:
            key_id: 32-byte id of the actor's key.
            contract: name of the contract.
        """
        value = self._api.get_json(f"/v1/keys/{key_id.hex()}/nonce", {"contract": contract})
        return _integer(value, "nonce")

    def key(self, key_id: bytes) -> Any:
        """Return what the platform says of a key, as decoded JSON.

        Raises:
            RequestRefused: NOT_FOUND.
        """
        return self._api.get_json(f"/v1/keys/{key_id.hex()}")

    def target_revision(self, target: bytes, kind: str = "") -> int:
        """Return the revision of a target that an act on it must name.

        Args:
            target: its id.
            kind: its noun where the act type says it (protocol.description.ActType.target_kind).
        """
        query = {"kind": kind} if kind else {}
        return _integer(self._api.get_json(f"/v1/targets/{target.hex()}", query), "revision")

    def send_act(self, signed: SignedAct, documents: Sequence[bytes] = ()) -> Acknowledgement:
        """Hand an act to the platform; sending it again is harmless.

        Args:
            signed: the act with all its signatures.
            documents: the public documents that it names.

        Returns:
            The acknowledgement, whose signature holds.

        Raises:
            RequestRefused: a rule refused it, with the rule's code.
            OutcomeUnknown: the answer was lost or not usable: send the same act again, or ask for
                its status.
            VerificationError: ACKNOWLEDGEMENT_INVALID.
        """
        body = canonical_json(
            {
                "act": signed.data.hex(),
                "signatures": [
                    {
                        "key_id": one.key_id.hex(),
                        "r": f"{one.signature.r:064x}",
                        "s": f"{one.signature.s:064x}",
                    }
                    for one in signed.signatures
                ],
                "documents": [base64.b64encode(document).decode() for document in documents],
            }
        )
        deployment = self.deployment()
        answer = self._api.post("/v1/acts", body, {"content-type": "application/json"})
        problem = answer.problem() if answer.status not in (200, 202) else None
        # A write that failed may have persisted all the same.
        may_be_taken = problem is not None and problem.code == "DATABASE_UNAVAILABLE"
        if answer.status in (500, 502, 504) or may_be_taken:
            raise OutcomeUnknown(
                "OUTCOME_UNKNOWN",
                "the platform failed; the act may have been taken",
                act_id=signed.act_id.hex(),
            )
        if problem is not None:
            raise problem
        try:
            value = answer.json()
            raw = value["acknowledgement"]
            acknowledgement = Acknowledgement(
                act_id=signed.act_id,
                received_at=_integer(raw, "received_at"),
                public_key=PublicKey.from_bytes(bytes.fromhex(raw["public_key"])),
                signature=Signature.from_bytes(bytes.fromhex(raw["signature"])),
            )
        except (KeyError, TypeError, ValueError, CryptoError, LedgerError) as error:
            raise OutcomeUnknown(
                "OUTCOME_UNKNOWN",
                "the platform's answer is not an acknowledgement",
                act_id=signed.act_id.hex(),
            ) from error
        if acknowledgement.public_key != deployment.platform_key:
            raise VerificationError(
                "ACKNOWLEDGEMENT_INVALID", "the acknowledgement is not of this platform's key"
            )
        verify_acknowledgement(
            deployment.platform_key,
            acknowledgement.signature,
            chain_id=deployment.chain_id,
            act_id=signed.act_id,
            received_at=acknowledgement.received_at,
        )
        return acknowledgement

    def act_status(self, act_id: bytes) -> ActStatus:
        """Return where an act stands.

        Raises:
            RequestRefused: the platform does not know it, with its code.
        """
        value = self._api.get_json(f"/v1/acts/{act_id.hex()}")
        if not isinstance(value, dict) or not isinstance(value.get("status"), str):
            raise _malformed()
        error = value.get("error")
        source = error if isinstance(error, dict) else value
        block = value.get("block_number")
        return ActStatus(
            act_id=act_id,
            status=value["status"],
            transaction_hash=_text_or_none(value.get("transaction_hash")),
            block_number=block if isinstance(block, int) else None,
            code=_text_or_none(source.get("code")),
            title=_text_or_none(source.get("title")),
        )

    def wait_for(
        self, act_id: bytes, timeout_s: float = 60.0, *, sleep: Callable[[float], None] = time.sleep
    ) -> ActStatus:
        """Wait until an act is recorded.

        Raises:
            RequestRefused: it was refused or must be signed again, with the contract's code.
            OutcomeUnknown: ACT_PENDING when the time is over and it is still on its way.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                found = self.act_status(act_id)
            except LedgerError as error:
                # A platform that restarts answers again; until then nothing is known.
                if error.code != "SERVER_UNREACHABLE":
                    raise
                found = None
            if found is not None and found.status == "recorded":
                return found
            if found is not None and found.status in FINAL:
                code = found.code or found.status.upper()
                title = found.title or "the act was not recorded"
                raise RequestRefused(code, title, act_id=act_id.hex(), act_status=found.status)
            if time.monotonic() > deadline:
                raise OutcomeUnknown(
                    "ACT_PENDING", "the act is not recorded yet; ask again", act_id=act_id.hex()
                )
            sleep(_POLL_S)

    def find_log_id(self, origin: str) -> str:
        """Return the id in hex of the log with this origin.

        Raises:
            LedgerError: LOG_NOT_REGISTERED, and those of read_all.
        """
        for one in self.read_all("logs"):
            if one.get("origin") == origin and isinstance(one.get("id"), str):
                return str(one["id"])
        raise LedgerError("LOG_NOT_REGISTERED", "the log is not registered on chain yet")

    def read_all(self, noun: str, **filters: str) -> Iterator[dict[str, Any]]:
        """Yield all of one noun, page by page.

        Args:
            noun: departments, persons, keys, entries, claims, refreshes, oversight-reports,
                interfaces, requests, corrections, disputes, consents, logs or blocks.
            filters: query parameters that the API knows for it.
        """
        if noun not in NOUNS:
            raise LedgerError("NOUN_UNKNOWN", "the API does not list this", noun=noun)
        cursor: str | None = None
        while True:
            params = {**filters, "limit": str(PAGE_SIZE)}
            if cursor is not None:
                params["cursor"] = cursor
            page = self._api.get_json(f"/v1/{noun}", params)
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise _malformed()
            yield from page["items"]
            following = page.get("next_cursor")
            if not isinstance(following, str) or not following:
                return
            if following == cursor:
                raise _malformed()
            cursor = following

    def signed_act(self, act_id: bytes) -> Act:
        """Return the act with this id; the platform cannot pass another one for it.

        Raises:
            RequestRefused: the platform does not know it, with its code.
            LedgerError: RESPONSE_MALFORMED.
            VerificationError: RESPONSE_TAMPERED.
        """
        value = self._api.get_json(f"/v1/acts/{act_id.hex()}")
        try:
            act = Act.from_bytes(bytes.fromhex(value["act"]))
        except (KeyError, TypeError, ValueError, ProtocolError) as error:
            raise _malformed() from error
        if id_of(act) != act_id:
            raise VerificationError("RESPONSE_TAMPERED", "the platform answered with another act")
        return act

    def read(self, noun: str, identifier: str) -> dict[str, Any]:
        """Return one of a noun by its id in hex (blocks: by number).

        Raises:
            RequestRefused: there is none, with the API's code.
        """
        if noun not in NOUNS or not re.fullmatch(r"[0-9a-f]{1,64}", identifier):
            raise LedgerError("NOUN_UNKNOWN", "the API does not list this", noun=noun)
        value = self._api.get_json(f"/v1/{noun}/{identifier}")
        if not isinstance(value, dict):
            raise _malformed()
        return value

    def calendar_years(self) -> list[CalendarYear]:
        """Return all published years.

        Raises:
            LedgerError: RESPONSE_MALFORMED, SERVER_UNREACHABLE, …
        """
        return [_calendar_year(value) for value in self.read_all("calendar")]

    def get_calendar_year(self, year: int) -> CalendarYear:
        """Return a published year.

        Raises:
            RequestRefused: CALENDAR_UNKNOWN.
        """
        found = _calendar_year(self.read("calendar", str(year)))
        if found.year != year:
            raise _malformed()
        return found

    def find_calendar_year(self, year: int) -> CalendarYear | None:
        """Return a published year, None where it is not published."""
        try:
            return self.get_calendar_year(year)
        except RequestRefused as error:
            if error.code == "CALENDAR_UNKNOWN":
                return None
            raise

    def entry_differences(self, entry: bytes, *, old: int, new: int) -> dict[str, Any]:
        """Return what changed between two versions of an entry.

        Raises:
            RequestRefused: there is no such version.
        """
        value = self._api.get_json(
            f"/v1/entries/{entry.hex()}/differences", {"from": str(old), "to": str(new)}
        )
        if not isinstance(value, dict) or not isinstance(value.get("differences"), list):
            raise _malformed()
        return value

    def document(self, digest: bytes) -> bytes:
        """Return a public document, checked against its digest.

        Raises:
            RequestRefused: the platform does not have it.
            VerificationError: DOCUMENT_TAMPERED.
        """
        answer = self._api.get(f"/v1/documents/{digest.hex()}")
        if answer.status != 200:
            raise answer.problem()
        if document_digest(answer.body) != digest:
            raise VerificationError("DOCUMENT_TAMPERED", "the document is not the one asked for")
        return answer.body

    def post_json(self, path: str, value: dict[str, Any]) -> None:
        """Send JSON to the API and require that it was taken.

        Raises:
            RequestRefused: it was refused, with its code.
            OutcomeUnknown: the answer was lost.
        """
        answer = self._api.post(path, canonical_json(value), {"content-type": "application/json"})
        if not 200 <= answer.status < 300:
            raise answer.problem()


def _integer(value: object, name: str) -> int:
    number = value.get(name) if isinstance(value, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise _malformed()
    return number


def _calendar_year(value: dict[str, Any]) -> CalendarYear:
    year = _integer(value, "year")
    try:
        bits = bytes.fromhex(value["working_days"])
        found = CalendarYear(
            id=bytes.fromhex(value["id"]),
            year=year,
            working_days=int.from_bytes(bits, "big"),
            source=bytes.fromhex(value["source"]),
            revision=_integer(value, "revision"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed() from error
    if (
        not FIRST_YEAR <= year <= LAST_YEAR
        or calendar_problem(year, found.working_days)
        or len(found.id) != 32
    ):
        raise _malformed()
    return found


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _malformed() -> LedgerError:
    return LedgerError("RESPONSE_MALFORMED", "the server's answer does not have the known form")

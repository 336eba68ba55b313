"""HTTP with limits on time and size; no redirects, no proxies, no compression."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from crypto.canonical import parse_json
from crypto.errors import CryptoError, LedgerError, OutcomeUnknown, ProtocolError, RequestRefused
from protocol.httpsig import canonical_authority

MAX_ANSWER_SIZE = 16 * 1024 * 1024
_MAX_PROBLEM_SIZE = 64 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer.

    Attributes:
        status: HTTP status.
        headers: header lines in order, names in lower case.
        body: bytes of the body.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header that stands at most once.

        Raises:
            ProtocolError: HEADER_REPEATED.
        """
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise ProtocolError("HEADER_REPEATED", f"{name} stands twice", header=name)
        return values[0].strip(" \t") if values else None

    def json(self) -> Any:
        """Return the body's JSON value.

        Raises:
            LedgerError: RESPONSE_MALFORMED.
        """
        try:
            return parse_json(self.body, max_bytes=len(self.body))
        except CryptoError as error:
            raise LedgerError("RESPONSE_MALFORMED", "the server's answer is not JSON") from error

    def problem(self) -> RequestRefused:
        """Return the refusal that this answer carries (RFC 9457)."""
        code, title, details = f"HTTP_{self.status}", "the server refused the request", {}
        try:
            value = parse_json(self.body, max_bytes=_MAX_PROBLEM_SIZE)
        except CryptoError:
            value = None
        if isinstance(value, dict):
            if isinstance(value.get("code"), str):
                code = value["code"][:64]
            if isinstance(value.get("title"), str):
                title = value["title"][:500]
            details = {
                name: member
                for name, member in value.items()
                if name not in ("code", "title", "type", "status", "message")
            }
        return RequestRefused(code, title, **{**details, "status": self.status})


class Transport:
    """A connection to one server.

    Args:
        url: base URL, http or https, without query.
        timeout_s: most time for one whole exchange.
        max_answer_size: largest body in bytes.

    Raises:
        LedgerError: URL_MALFORMED.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 30.0, max_answer_size: int = MAX_ANSWER_SIZE
    ) -> None:
        parts = urlsplit(url)
        bad = LedgerError("URL_MALFORMED", "a server's address is http(s)://host[:port][/path]")
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query:
            raise bad
        if parts.fragment or parts.username is not None:
            raise bad
        try:
            self.authority = canonical_authority(
                parts.netloc, default_port=_DEFAULT_PORTS[parts.scheme]
            )
        except ProtocolError as error:
            raise bad from error
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._max_answer_size = max_answer_size
        self._client = httpx.Client(
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            headers={"accept-encoding": "identity", "user-agent": "sanlian-client"},
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """Read.

        Raises:
            LedgerError: SERVER_UNREACHABLE, RESPONSE_TOO_LARGE, RESPONSE_MALFORMED.
        """
        try:
            return self._exchange("GET", path, params, None, {})
        except httpx.HTTPError as error:
            raise _unreachable() from error

    def get_json(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Read JSON.

        Raises:
            LedgerError: SERVER_UNREACHABLE, RESPONSE_TOO_LARGE, RESPONSE_MALFORMED.
            RequestRefused: the server refused, with its code.
        """
        answer = self.get(path, params)
        if answer.status != 200:
            raise answer.problem()
        return answer.json()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body.

        Raises:
            LedgerError: SERVER_UNREACHABLE when nothing was sent.
            OutcomeUnknown: OUTCOME_UNKNOWN when it may have arrived but the answer was lost, or
                is too large or compressed.
        """
        try:
            return self._exchange("POST", path, None, body, headers)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.UnsupportedProtocol,
        ) as error:
            raise _unreachable() from error
        except (httpx.HTTPError, LedgerError) as error:
            raise OutcomeUnknown(
                "OUTCOME_UNKNOWN", "the answer was lost; what was sent may have taken effect"
            ) from error

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        deadline = time.monotonic() + self._timeout_s
        with self._client.stream(
            method, self.url + path, params=params, content=body, headers=headers
        ) as response:
            lines = tuple(
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in response.headers.raw
            )
            encodings = {value.lower() for name, value in lines if name == "content-encoding"}
            if encodings - {"identity"}:
                raise LedgerError("RESPONSE_MALFORMED", "the server's answer is compressed")
            pieces = bytearray()
            for piece in response.iter_raw():
                pieces += piece
                if len(pieces) > self._max_answer_size:
                    raise LedgerError("RESPONSE_TOO_LARGE", "the server's answer is too large")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the whole answer took too long")
            return Answer(response.status_code, lines, bytes(pieces))


def _unreachable() -> LedgerError:
    return LedgerError("SERVER_UNREACHABLE", "the server does not answer")

"""HTTP/1.1 to providers, as lean as a gateway's most frequent call has to be.

A general client costs more processor time than all else that a gateway does for a request but
checking signatures. This one knows a head and a body there, a head and a body back, connections
that are used again, and limits: of the time of a whole exchange, of the head and of the body.
Parsing is llhttp's (httptools), strict. It follows no redirects, keeps no cookies, uses no proxy of
the environment and decodes nothing; each address is checked when it is connected to.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httptools

from api.gateway.outbound import OutboundPolicy

MAX_HEAD_BYTES: Final = 32 * 1024
MAX_HEADERS: Final = 128
#: An idle connection is not used any more after so long: many servers close theirs at 15 s or 5 s.
IDLE_S: Final = 4.0
_READ_SIZE: Final = 64 * 1024


class ResponseTooLarge(Exception):
    """The answer's body is larger than allowed."""


class BrokenResponse(Exception):
    """The connection broke off, or what came is not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Response:
    """A provider's answer.

    Attributes:
        status: HTTP status.
        headers: all header lines, in their order.
        body: exact bytes of the body.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class ProviderClient:
    """Sends requests over connections that it keeps.

    Args:
        policy: which addresses are connected to.
        timeout_s: longest wait for a whole answer, connecting included.
        max_bytes: largest body.
        tls: for https; without it the system's authorities are trusted.
    """

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        timeout_s: float,
        max_bytes: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._tls = tls
        self._idle: dict[str, deque[_Connection]] = {}
        self._all: set[_Connection] = set()
        self._lookups: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def request(
        self,
        method: str,
        base_url: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> Response:
        """Send one request and return its whole answer.

        A connection that was kept and that the other side had closed meanwhile is replaced, for
        GET alone: another request may have been heard.

        Args:
            method: GET or POST.
            base_url: ``http(s)://host[:port]``, lower case, without a default port.
            target: path and query, as they are sent.
            headers: further headers, in ASCII.
            body: body of a POST.

        Raises:
            TimeoutError: no whole answer in time.
            OutboundRefused: the address is not connected to.
            ResponseTooLarge: the body is too large.
            BrokenResponse: see there.
            OSError: nobody answers there.
            ValueError: target or headers cannot stand in a head.
        """
        authority = base_url.partition("://")[2]
        lines = [f"{method} {target} HTTP/1.1", f"host: {authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method != "GET":
            lines.append(f"content-length: {len(body)}")
        text = "\r\n".join(lines)
        ends = len(lines) - 1
        if " " in target or text.count("\r") != ends or text.count("\n") != ends:
            raise ValueError("not the head of a request")
        message = text.encode("ascii") + b"\r\n\r\n" + body
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        while True:
            kept = self._take_idle(base_url, loop.time())
            if kept is None:
                connection = await self._connect(base_url, deadline - loop.time())
            else:
                connection = kept
            try:
                response = await connection.exchange(message, deadline)
            except BrokenResponse:
                if kept is not None and method == "GET" and not connection.has_heard:
                    continue
                raise
            if connection.is_reusable:
                self._keep(base_url, connection, loop.time())
            return response

    async def close(self) -> None:
        """Close all connections."""
        for lookup in list(self._lookups.values()):
            lookup.cancel()
        self._idle.clear()
        for connection in list(self._all):
            connection.abort()

    def _keep(self, base_url: str, connection: "_Connection", now: float) -> None:
        connection.idle_since = now
        idle = self._idle.setdefault(base_url, deque())
        idle.append(connection)
        # The one idle for longest stands first: what nobody takes any more is not held for ever.
        while idle and (not idle[0].is_open or now - idle[0].idle_since >= IDLE_S):
            idle.popleft().abort()

    def _take_idle(self, base_url: str, now: float) -> "_Connection | None":
        idle = self._idle.get(base_url)
        while idle:
            connection = idle.pop()  # the one used last is the least likely to be closed soon
            if connection.is_open and now - connection.idle_since < IDLE_S:
                return connection
            connection.abort()
        return None

    async def _connect(self, base_url: str, timeout_s: float) -> "_Connection":
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        is_tls = parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        tls: dict[str, Any] = {}
        if is_tls:
            if self._tls is None:
                self._tls = ssl.create_default_context()
            tls = {"ssl": self._tls, "server_hostname": host}
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        async with asyncio.timeout(timeout_s):
            addresses = await self._resolve(host, port)
            # One forbidden address among several refuses them all.
            for address in addresses:
                self._policy.check(address, port)
            for address in addresses:
                try:
                    _, connection = await loop.create_connection(
                        lambda: _Connection(self._all, self._max_bytes), address, port, **tls
                    )
                except TimeoutError:
                    raise
                except OSError as error:
                    failure = error
                else:
                    return connection
        raise failure or OSError("the name has no address")

    async def _resolve(self, host: str, port: int) -> list[str]:
        """Look a name up once, however many calls wait for it.

        The system has a few threads for all names: calls to one whose name server does not answer
        must not take them from the others.
        """
        place = (host, port)
        lookup = self._lookups.get(place)
        if lookup is None:
            lookup = self._lookups[place] = asyncio.create_task(resolve(host, port))
            lookup.add_done_callback(partial(self._end_lookup, place))
        return await asyncio.shield(lookup)

    def _end_lookup(self, place: tuple[str, int], lookup: "asyncio.Task[list[str]]") -> None:
        del self._lookups[place]
        if not lookup.cancelled():
            lookup.exception()  # whoever waited has it; nobody need have waited


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, itself where it is an address.

    Raises:
        OSError: the name cannot be resolved.
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class _Connection(asyncio.Protocol):
    """One connection, with one exchange at a time; it parses into itself."""

    def __init__(self, registry: "set[_Connection]", max_bytes: int) -> None:
        self._registry = registry
        self._max_bytes = max_bytes
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._waiter: asyncio.Future[Response] | None = None
        self._is_complete = False
        self._is_close_delimited = False
        self._in_body = False
        self._head_bytes = 0
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._size = 0
        self.idle_since = 0.0
        #: Whether any byte of the running exchange's answer has come.
        self.has_heard = False
        self.is_reusable = False

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed it."""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, message: bytes, deadline: float) -> Response:
        """Send a request and return its answer.

        Raises:
            TimeoutError, ResponseTooLarge, BrokenResponse: as ProviderClient.request.
        """
        if self._transport is None or self._transport.is_closing():
            raise BrokenResponse("the connection was closed")
        loop = asyncio.get_running_loop()
        self._reset()
        self.has_heard = self.is_reusable = False
        waiter: asyncio.Future[Response] = loop.create_future()
        self._waiter = waiter
        timer = loop.call_at(deadline, self._fail, TimeoutError())
        try:
            self._transport.write(message)
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None
            if not self.is_reusable:
                self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    def _reset(self) -> None:
        self._is_complete = self._is_close_delimited = self._in_body = False
        self._head_bytes = self._size = 0
        self._headers, self._body = [], []

    def _fail(self, error: BaseException | None) -> None:
        if error is not None and self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _finish(self, *, keep: bool) -> None:
        if self._waiter is None or self._waiter.done():
            return
        self.is_reusable = keep
        body, headers = b"".join(self._body), self._headers
        # An idle connection holds nothing of its last answer, which may be large.
        self._headers, self._body = [], []
        self._waiter.set_result(Response(self._parser.get_status_code(), headers, body))

    # --- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        self._registry.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange, if one is running."""
        self._registry.discard(self)
        if exc is None and self._is_close_delimited:
            self._finish(keep=False)
        self._fail(BrokenResponse("the connection was closed"))
        self._parser = None  # it refers to this object

    def data_received(self, data: bytes) -> None:
        """Parse what came; what comes without a request ends the connection."""
        if self._waiter is None or self._waiter.done():
            self.is_reusable = False
            self.abort()
            return
        self.has_heard = True
        try:
            for start in range(0, len(data), _READ_SIZE):
                piece = data[start : start + _READ_SIZE]
                self._head_bytes += 0 if self._in_body else len(piece)
                self._parser.feed_data(piece)
                # Of a piece that ends the head the rest belongs to the body.
                if not self._in_body and self._head_bytes > MAX_HEAD_BYTES:
                    raise BrokenResponse("the head is too large")
        except (ResponseTooLarge, BrokenResponse) as error:
            self._break(error)
        except httptools.HttpParserError as error:
            # What a callback raises arrives as the context of the parser's own error.
            cause = error.__context__
            is_ours = isinstance(cause, ResponseTooLarge | BrokenResponse)
            self._break(cause if is_ours else BrokenResponse("what came is not HTTP/1.1"))

    def _break(self, error: BaseException | None) -> None:
        """End the exchange and the connection; an answer that was whole already stays one."""
        self.is_reusable = False
        self._fail(error)

    # --- httptools ----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A head begins; behind a whole answer there must be none."""
        if self._is_complete:
            raise BrokenResponse("more than one answer")
        self._in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header line."""
        if len(self._headers) == MAX_HEADERS:
            raise BrokenResponse("too many headers")
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Find out how the body ends."""
        self._in_body = True
        names = {name.lower() for name, _ in self._headers}
        self._is_close_delimited = (
            self._parser.get_status_code() >= 200
            and "content-length" not in names
            and "transfer-encoding" not in names
        )

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self._size += len(data)
        if self._size > self._max_bytes:
            raise ResponseTooLarge("too many bytes")
        self._body.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it only announces one."""
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            if status == 101:
                raise BrokenResponse("an upgrade nobody asked for")
            self._reset()
            return
        self._is_complete = True
        self._finish(keep=self._parser.should_keep_alive() and self.is_open)

"""The processes of one platform: node, api, gateway; and how to see that one serves."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from urllib.error import HTTPError

from ledger.settings import Settings
from ledger.supervisor import Process, Supervisor, python_process

_TIMEOUT_S = 2
_MAX_HEALTH = 64 * 1024
_BLOCK_NUMBER = b'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}'


def http_ready(url: str) -> Callable[[], bool]:
    """Return a check that the URL answers with 200, or says that only the chain's state is old.

    Following a chain that went on meanwhile may take long, and starting again does not shorten it.
    """

    def is_ready() -> bool:
        try:
            status, body = _ask(url)
        except (OSError, HTTPException):
            return False
        return status == 200 or (status == 503 and _only_waits(body))

    return is_ready


def _ask(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - ours
            return answer.status, answer.read(_MAX_HEALTH)
    except HTTPError as error:
        with error:
            return error.code, error.read(_MAX_HEALTH)


def _only_waits(body: bytes) -> bool:
    """Tell whether an answer of /health complains of nothing but the age of the chain's state."""
    try:
        value = json.loads(body)
    except ValueError:
        return False
    if not isinstance(value, dict):
        return False
    return value.get("status") == "stale" or value.get("reasons") == ["HEAD_STALE"]


def node_ready(url: str) -> Callable[[], bool]:
    """Return a check that the URL answers JSON-RPC."""
    request = urllib.request.Request(  # noqa: S310 - ours
        url, data=_BLOCK_NUMBER, headers={"content-type": "application/json"}
    )

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - ours
                return b'"result"' in answer.read(4096)
        except (OSError, HTTPException):
            return False

    return is_ready


def gateway_ready(url: str, *, block: int = 0) -> Callable[[], bool]:
    """Return a check that a gateway serves data and has seen a block.

    Args:
        url: base URL of the gateway.
        block: number of the block.
    """

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=_TIMEOUT_S) as answer:  # noqa: S310 - ours
                health = json.loads(answer.read(4096))
        except (OSError, HTTPException, ValueError):
            return False
        return health.get("status") == "ok" and (health.get("block_number") or 0) >= block

    return is_ready


def environment(settings: Settings) -> dict[str, str]:
    """Return the settings as variables, so that a child sees what its parent saw."""
    fields = {
        name: value
        for name, value in settings.model_dump().items()
        if value not in (None, "") and value != type(settings).model_fields[name].default
    }
    return {f"SANLIAN_{name.upper()}": str(value) for name, value in fields.items()}


def platform_processes(settings: Settings) -> dict[str, Process]:
    """Describe the children of one platform, in the order in which they start."""
    home = str(settings.home)
    env = environment(settings)
    found: dict[str, Process] = {}
    if not settings.node_url:
        found["node"] = python_process(
            "node",
            "ledger.chain.engines.embedded",
            *("--directory", str(settings.home / "node"), "--port", str(settings.node_port)),
            is_ready=node_ready(settings.resolved_node_url),
            env=env,
        )
    for name, module, port in (
        ("api", "api", settings.api_port),
        ("gateway", "api.gateway", settings.gateway_port),
    ):
        url = f"http://{settings.host}:{port}/health"
        found[name] = python_process(
            name, module, "--home", home, is_ready=http_ready(url), env=env
        )
    return found


@contextmanager
def node_running(settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    """Use the node that answers, or run the embedded one for the time.

    Raises:
        LedgerError: PROCESS_FAILED when the embedded node does not start.
    """
    node = platform_processes(settings).get("node")
    if node is None or node.is_ready():
        yield
        return
    say("nothing answers at the node's address: the embedded node runs for the time")
    supervisor = Supervisor(settings.home / "processes", say=say)
    try:
        supervisor.start(node)
        yield
    finally:
        supervisor.stop()

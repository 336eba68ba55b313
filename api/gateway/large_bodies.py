"""Places in memory for batches of access records that are larger than other bodies.

Their senders are known before: all that a call signs stands in its head. When a body grows large,
the signature and the right to hand records in are checked there, and a department leaves some of
the places to others.
"""

from collections.abc import Callable, Sequence
from typing import Final

from starlette.types import Scope

from api.gateway.gatekeeper import Gatekeeper, read_incoming
from api.gateway.observations import require_observer
from api.gateway.sources import find_client
from crypto.errors import LedgerError
from protocol.httpsig import OBSERVATIONS_PATH
from protocol.networks import Network
from protocol.observation import MAX_BATCH_SIZE

#: Bodies above api.guard.MAX_BODY_BYTES that are in memory at a time.
MAX_LARGE_BODIES: Final = 8
MAX_OF_ONE_DEPARTMENT: Final = 6


class LargeBatches:
    """Gives places to the batches of known keys.

    Args:
        get_gatekeeper: checks calls; None before the gateway serves.
        proxies: see find_client.
    """

    limits: Final = {OBSERVATIONS_PATH: MAX_BATCH_SIZE}

    def __init__(
        self, get_gatekeeper: Callable[[], Gatekeeper | None], proxies: Sequence[Network]
    ) -> None:
        self._get_gatekeeper = get_gatekeeper
        self._proxies = proxies
        self._used: dict[bytes, int] = {}

    def enter(self, scope: Scope) -> Callable[[], None]:
        """Take a place for a call whose head holds, and return what gives it back.

        Raises:
            SanlianError: GATEWAY_NOT_READY, GATEWAY_BUSY; why the call's head does not hold.
        """
        gatekeeper = self._get_gatekeeper()
        if gatekeeper is None:
            raise LedgerError("GATEWAY_NOT_READY", "the access log is not open yet")
        found = {**scope, "client": find_client(scope, self._proxies)}
        department = gatekeeper.vouch(read_incoming(found, b""), require_observer)
        used = self._used.get(department, 0)
        if used >= MAX_OF_ONE_DEPARTMENT or sum(self._used.values()) >= MAX_LARGE_BODIES:
            raise LedgerError("GATEWAY_BUSY", "too many large batches at a time")
        self._used[department] = used + 1

        def leave() -> None:
            self._used[department] -= 1
            if not self._used[department]:
                del self._used[department]

        return leave

"""Files the act ParametersDisposed for each disposal that the log's records tell of.

A disposal needs the log for itself, so that it happens while the gateway is stopped, and its record
is durable before a key is gone. The act follows when the gateway runs again, as often as it takes.
"""

import asyncio
import logging
import time

from api.gateway.state import StateSource
from api.gateway.submit import ActSubmitter
from crypto.errors import SanlianError
from ledger.log.reader import LogReader
from protocol.disposals import disposal_values

INTERVAL_S = 1.0
#: An act that is not on the chain by then is filed again; the revision lets one of them count.
AGAIN_S = 60.0

_LOGGER = logging.getLogger(__name__)


class DisposalFiler:
    """Files a log's disposals in the order of their records.

    Only these acts change a registered log, so its revision tells how many are on the chain.

    Args:
        reader: the log.
        submitter: signs with the gateway's key and hands in.
        state: the chain's state.
        log_id: the log's id.
    """

    def __init__(
        self, reader: LogReader, submitter: ActSubmitter, state: StateSource, log_id: bytes
    ) -> None:
        self._reader = reader
        self._submitter = submitter
        self._state = state
        self._log_id = log_id

    async def run(self) -> None:
        """File what is not on the chain; ends when everything is. While it runs none is added."""
        while True:
            try:
                await self._run()
            except Exception:
                # Such as a database that is away: requests go on, and this does once it is back.
                _LOGGER.exception("disposals cannot be filed now")
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def _run(self) -> None:
        told = await asyncio.to_thread(lambda: list(self._reader.disposals()))
        waits_for, again_at = 0, 0.0
        while True:
            revision = self._revision()
            if revision > len(told):
                return
            if revision and (revision != waits_for or time.monotonic() >= again_at):
                waits_for, again_at = revision, time.monotonic() + AGAIN_S
                await self._file(told[revision - 1][1], revision)
            await asyncio.sleep(INTERVAL_S)

    def _revision(self) -> int:
        snapshot = self._state.snapshot
        log = snapshot.store.find_log(self._log_id) if snapshot is not None else None
        return 0 if log is None else log.revision

    async def _file(self, data: bytes, revision: int) -> None:
        values = disposal_values(data)
        try:
            await self._submitter.submit(
                "ParametersDisposed", values, target=self._log_id, revision=revision
            )
        except SanlianError as error:
            _LOGGER.warning(
                "the disposal of record %s cannot be filed now: %s %s",
                values["record"],
                error.code,
                error.details.get("reason", ""),
            )

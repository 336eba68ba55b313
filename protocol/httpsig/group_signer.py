"""Signs messages in the groups in which they come."""

import asyncio
from concurrent.futures import Executor

from crypto.sm2 import PrivateKey, Signer
from protocol.httpsig.group import MAX_GROUP, Unsigned, sign_all

#: Least time between two signatures: under load more messages share one; a lone one never waits.
INTERVAL_S = 0.003


class GroupSigner:
    """Signs with one signature what became ready while the previous one was made or is fresh.

    Who signs saves signatures by it, and who receives the messages saves as many checks. A key in
    memory signs at once, in the event loop; any other may take its time in the executor.

    Args:
        key: the key.
        executor: where a key that is not in memory signs; None for the event loop's own.
    """

    def __init__(self, key: Signer, executor: Executor | None = None) -> None:
        self._key = key
        self._executor = executor
        self._waiting: list[tuple[Unsigned, asyncio.Future[dict[str, str]]]] = []
        self._task: asyncio.Task[None] | None = None
        self._next_s = 0.0

    async def sign(self, message: Unsigned) -> dict[str, str]:
        """Return all headers of a message.

        Raises:
            SanlianError: the key cannot sign.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[str, str]] = loop.create_future()
        self._waiting.append((message, future))
        if self._task is None:
            # It runs once everything that is ready now has run, and has put its messages here.
            self._task = loop.create_task(self._run())
        return await future

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while self._waiting:
                if (pause := self._next_s - clock()) > 0:
                    await asyncio.sleep(pause)
                self._next_s = clock() + INTERVAL_S
                group = self._waiting[:MAX_GROUP]
                del self._waiting[:MAX_GROUP]
                await self._sign(group)
        finally:
            self._task = None

    async def _sign(self, group: list[tuple[Unsigned, asyncio.Future[dict[str, str]]]]) -> None:
        messages = [message for message, _ in group]
        try:
            if isinstance(self._key, PrivateKey):
                signed = sign_all(self._key, messages)
            else:
                loop = asyncio.get_running_loop()
                signed = await loop.run_in_executor(self._executor, sign_all, self._key, messages)
        except Exception as error:  # noqa: BLE001 - a defect too must not let anybody wait for ever
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), headers in zip(group, signed, strict=True):
            if not future.done():
                future.set_result(headers)

"""Keeping a signed statement once: whoever makes it again gets the first receipt."""

import asyncio
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.gateway.gatekeeper import Admitted, Answer, Gatekeeper
from api.gateway.other_logs import OtherLogs
from crypto.canonical import fast_canonical
from crypto.errors import LedgerError, RequestRefused, SanlianError
from ledger.log.entries import Known, Once
from protocol.httpsig import content_digest


async def keep_once(
    parts: tuple[Gatekeeper, OtherLogs],
    admitted: Admitted,
    draft: dict[str, Any],
    once: Once,
    *,
    differs: RequestRefused | None = None,
) -> Answer:
    """Record a statement, or find the record of the same one, and answer with its receipt.

    Args:
        parts: what records, and what reads this log and the others.
        admitted: the call.
        draft: draft of the record.
        once: what makes it the same statement.
        differs: the refusal where another one was made before.

    Raises:
        SanlianError: the code to answer with, where there is no receipt.
    """
    gatekeeper, logs = parts
    waiting = gatekeeper.log.append_many([(draft, once)], time_ms=admitted.time_ms)
    (written,) = await asyncio.wrap_future(waiting)
    if isinstance(written, RequestRefused):
        if differs is not None and written.code == "OBSERVATION_DIFFERS":
            written = differs
        return await gatekeeper.deny(admitted, written)
    if isinstance(written, SanlianError):
        raise written
    if isinstance(written, Known):
        try:
            (receipt,) = await asyncio.to_thread(logs.first_receipts, [written])
        except (SQLAlchemyError, OSError) as error:
            raise LedgerError(
                "LOG_WRITE_FAILED", "the receipt of the earlier statement cannot be read"
            ) from error
    else:
        receipt = written
    body = fast_canonical({"recorded": receipt.index})
    headers = {"sanlian-receipt": receipt.to_header(), "content-digest": content_digest(body)}
    return Answer("", body, headers)

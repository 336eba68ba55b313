"""Acts that leave the queue: recorded, refused, or to be signed again."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ledger.db import models as table


def leave_queue(session: Session) -> None:
    """Tell caches of the queue that it has changed."""
    session.execute(update(table.Head).values(outbox_epoch=table.Head.outbox_epoch + 1))


def refuse_act(session: Session, act: table.OutboxAct, code: str) -> None:
    """Mark an act as refused; later acts of its key on this contract must be signed again.

    Their nonces count on the one that was refused, which stays unused.
    """
    act.status = "refused"
    act.error_code = code
    for later in session.scalars(
        select(table.OutboxAct).where(
            table.OutboxAct.contract == act.contract,
            table.OutboxAct.key_id == act.key_id,
            table.OutboxAct.sequence > act.sequence,
            table.OutboxAct.status.in_(("queued", "sent")),
        )
    ):
        later.status = "sign_again"
        later.error_code = "NONCE_MISMATCH"
    leave_queue(session)


def record_act(
    session: Session, act_id: bytes, *, transaction_hash: bytes, block_number: int
) -> None:
    """Mark an act as recorded, if it came through this outbox; nothing overrides the chain."""
    act = session.scalars(select(table.OutboxAct).where(table.OutboxAct.act_id == act_id)).first()
    if act is not None:
        act.status = "recorded"
        act.error_code = None
        act.transaction_hash = transaction_hash
        act.block_number = block_number
        leave_queue(session)

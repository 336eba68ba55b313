"""Witnesses' signatures on blocks and checkpoints: checked, then kept."""

import time as clock

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from crypto.errors import CryptoError, ProtocolError, RequestRefused, VerificationError
from crypto.sm2 import PublicKey, Signature, verify
from ledger.db import models as table
from ledger.db.engine import read_transaction, write_transaction
from ledger.db.store import SqlStore
from ledger.db.store.keys import key_of
from ledger.db.store.registry import person_of
from protocol.checkpoint import (
    block_statement,
    key_hash,
    note_of,
    parse_note,
    verify_checkpoint,
    verify_cosignature,
)
from protocol.description import Role
from protocol.model import key_problem

_MAX_TIME = 1 << 53
_MARK = "— "


def accept_block_cosignature(
    engine: Engine,
    *,
    chain_id: int,
    number: int,
    block_hash: bytes,
    time: int,
    key_id: bytes,
    signature: bytes,
) -> None:
    """Check and keep a witness's signature on a block; the first one of a witness stays.

    Args:
        engine: the ledger's database.
        chain_id: chain id.
        number: number of the block.
        block_hash: its hash.
        time: when the witness saw it, unix seconds.
        key_id: the witness's key.
        signature: r ‖ s, 64 bytes, on protocol.checkpoint.block_statement.

    Raises:
        RequestRefused: WITNESS_UNKNOWN, BLOCK_UNKNOWN, BLOCK_BEFORE_GENESIS, BLOCK_DIFFERS.
        VerificationError: COSIGNATURE_INVALID.
        CryptoError: SIGNATURE_MALFORMED.
    """
    if not 0 <= number < _MAX_TIME or not 0 <= time < _MAX_TIME:
        raise ProtocolError("VALUE_INVALID", "number or time of the block is out of range")
    with read_transaction(engine) as connection, Session(connection) as session:
        witness = _witness(session, key_id)
        block = session.get(table.Block, number)
        if block is None:
            first = session.scalar(select(func.min(table.Block.number)))
            if first is not None and number < first:
                raise RequestRefused("BLOCK_BEFORE_GENESIS", "the ledger begins at a later block")
            raise RequestRefused("BLOCK_UNKNOWN", "this block has not been followed here")
        if block.hash != block_hash:
            raise RequestRefused("BLOCK_DIFFERS", "the block of this number has another hash here")
    statement = block_statement(chain_id=chain_id, number=number, block_hash=block_hash, time=time)
    parsed = Signature.from_bytes(signature)
    try:
        verify(witness, statement, parsed)
    except CryptoError as error:
        raise VerificationError(
            "COSIGNATURE_INVALID", "the witness's signature on the block does not hold"
        ) from error
    with write_transaction(engine) as connection, Session(connection) as session:
        if session.get(table.BlockCosignature, (number, key_id)) is None:
            session.add(
                table.BlockCosignature(
                    number=number,
                    key_id=key_id,
                    hash=block_hash,
                    time=time,
                    signature=signature,
                )
            )
            session.flush()


def accept_checkpoint_cosignature(engine: Engine, *, log_id: bytes, note: str, line: str) -> None:
    """Check and keep a witness's line on a checkpoint; the first one of a witness stays.

    Args:
        engine: the ledger's database.
        log_id: id of the log.
        note: the gateway's signed checkpoint.
        line: the witness's line, as protocol.checkpoint.cosign_checkpoint makes it.

    Raises:
        RequestRefused: LOG_UNKNOWN, WITNESS_UNKNOWN.
        ProtocolError: CHECKPOINT_MALFORMED.
        VerificationError: CHECKPOINT_INVALID.
    """
    line = line if line.endswith("\n") else line + "\n"
    with read_transaction(engine) as connection, Session(connection) as session:
        store = SqlStore(session)
        log = store.find_log(log_id)
        gateway = None if log is None else store.find_key(log.gateway_key)
        if log is None or gateway is None:
            raise RequestRefused("LOG_UNKNOWN", "no log with this id is registered")
        if not line.startswith(_MARK) or line.count("\n") != 1:
            raise ProtocolError("CHECKPOINT_MALFORMED", "a cosignature is one line of a note")
        checkpoint = verify_checkpoint(note, origin=log.origin, public_key=gateway.public_key)
        bare, own_lines = parse_note(note)
        gateway_line = next(
            x
            for x in own_lines
            if x.name == log.origin and x.key_hash == key_hash(log.origin, gateway.public_key)
        )
        whole = note_of(bare, gateway.public_key, Signature.from_bytes(gateway_line.payload)) + line
        _, lines = parse_note(whole)
        name, hashed = lines[-1].name, lines[-1].key_hash
        key_id = _witness_of_line(session, name, hashed)
        witness = _witness(session, key_id)
        time = verify_cosignature(whole, name=name, public_key=witness)
    if time >= _MAX_TIME:
        raise ProtocolError("CHECKPOINT_MALFORMED", "the time of the cosignature is out of range")
    key = (log_id, checkpoint.size, key_id)
    with write_transaction(engine) as connection, Session(connection) as session:
        if session.get(table.CheckpointCosignature, key) is None:
            session.add(
                table.CheckpointCosignature(
                    log=log_id,
                    size=checkpoint.size,
                    key_id=key_id,
                    root=checkpoint.root,
                    time=time,
                    line=line,
                )
            )
            session.flush()


def _now() -> int:
    return int(clock.time())


def _witness(session: Session, key_id: bytes) -> PublicKey:
    store = SqlStore(session)
    key = store.find_key(key_id)
    person = None if key is None else store.find_person(key.person)
    if (
        key is None
        or person is None
        or key_problem(store, key, person, _now()) is not None
        or not person.roles & Role.WITNESS
    ):
        raise RequestRefused("WITNESS_UNKNOWN", "this is not the key of a witness")
    return key.public_key


def _witness_of_line(session: Session, name: str, hashed: bytes) -> bytes:
    """Find the witness whose key the line's hash names."""
    store = SqlStore(session)
    rows = session.query(table.Key, table.Person).join(
        table.Person, table.Person.id == table.Key.person
    )
    for key, person in rows.filter(table.Person.roles.op("&")(int(Role.WITNESS)) != 0):
        if (
            person.roles & Role.WITNESS
            and key_problem(store, key_of(key), person_of(person), _now()) is None
            and key_hash(name, PublicKey.from_bytes(key.public_key)) == hashed
        ):
            return key.id
    raise RequestRefused("WITNESS_UNKNOWN", "no witness's key has made this line")

"""Makes the database again from the chain alone, and puts it in the old one's place.

What the chain does not hold is taken over from the old database when that can be read: acts that
were acknowledged, with their documents and transactions, and the witnesses' signatures.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, Table, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from crypto.errors import LedgerError
from ledger.chain.indexer import Indexer
from ledger.chain.rpc import Rpc
from ledger.db import models
from ledger.db.engine import make_engine, read_transaction, write_transaction
from ledger.db.migrate import upgrade
from ledger.db.state import find_head
from ledger.deployment import load_deployment
from ledger.search import index_document
from ledger.settings import Settings
from protocol.deployment import Deployment

_BATCH = 500
_SAY_EVERY_S = 2.0
#: Tables that follow from the chain; a rebuilt one equals the original row by row.
DERIVED: tuple[type[models.Base], ...] = (
    models.Block,
    models.Event,
    models.DocumentPiece,
    models.DocumentText,
    models.Authority,
    models.Department,
    models.Person,
    models.Key,
    models.Certificate,
    models.Proposal,
    models.Successor,
    models.CalendarYear,
    models.Entry,
    models.EntryVersion,
    models.Claim,
    models.Refresh,
    models.OversightReport,
    models.Interface,
    models.InterfaceVersion,
    models.Request,
    models.Correction,
    models.Dispute,
    models.Consent,
    models.Log,
    models.Anchor,
    models.Nonce,
)


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild did.

    Attributes:
        head: number of the last block in the new database.
        old_was_readable: whether the old database's own rows were taken over; True where there was
            no old database.
        carried_acts: number of acts taken over from the old outbox.
        differences: tables in which the old database said something else than the chain; only
            compared when both stood at the same block.
        backup: where the old database is now, None where there was none.
    """

    head: int
    old_was_readable: bool
    carried_acts: int
    differences: tuple[str, ...]
    backup: Path | None


def rebuild(settings: Settings, say: Callable[[str], None] = lambda _line: None) -> RebuildReport:
    """Make the ledger's database again; the api process must not run meanwhile.

    Args:
        settings: home directory, node and database.
        say: takes one line of news for the user.

    Raises:
        LedgerError: DATABASE_IN_USE, REBUILD_NEEDS_SQLITE, DEPLOYMENT_MISSING, or the node's.
        FatalFinding: the chain itself breaks a rule; the old database stays in its place.
    """
    url = make_url(settings.resolved_database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise LedgerError("REBUILD_NEEDS_SQLITE", "only a SQLite file is rebuilt in its place")
    path = Path(url.database)
    deployment = load_deployment(settings.home / "deployment.json")
    old = _open_old(path)
    new_path = path.with_name(path.name + ".rebuild")
    for leftover in _files_of(new_path):
        leftover.unlink(missing_ok=True)
    new = make_engine(f"sqlite:///{new_path}")
    try:
        upgrade(new)
        head = _follow(new, deployment, settings.resolved_node_url, say)
        readable, carried = True, 0
        differences: tuple[str, ...] = ()
        if old is not None:
            try:
                carried = _carry_over(old, new)
                differences = find_differences(old, new)
            except SQLAlchemyError:
                readable = False
        elif path.exists():
            readable = False
    finally:
        new.dispose()
        if old is not None:
            old.dispose()
    _fold(new_path)
    report = RebuildReport(head, readable, carried, differences, _swap(new_path, path))
    say(f"rebuilt to block {head}; {carried} acts of the outbox taken over")
    if not readable:
        say("the old database could not be read: acts that were not yet recorded are not known")
    if differences:
        say(f"the old database differed from the chain in: {', '.join(differences)}")
    if report.backup is not None:
        say(f"the old database is kept as {report.backup}")
    return report


def _files_of(path: Path) -> tuple[Path, ...]:
    return (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))


def _open_old(path: Path) -> Engine | None:
    """Return an engine on the old file, None where it is missing or damaged.

    Leaving WAL mode needs the file to itself: it fails while another process has it open.
    """
    if not path.exists():
        return None
    try:
        _fold(path)
        engine = make_engine(f"sqlite:///{path}")
        upgrade(engine)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise LedgerError(
                "DATABASE_IN_USE", "another process has the database open; stop it first"
            ) from error
        return None
    except (sqlite3.DatabaseError, LedgerError):
        return None
    return engine


def _fold(path: Path) -> None:
    """Bring everything into the one file, synced, without a log beside it."""
    connection = sqlite3.connect(path, timeout=2.0, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        if mode is None or mode[0] != "delete":
            raise sqlite3.OperationalError("database is locked")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        connection.close()


def _follow(
    engine: Engine, deployment: Deployment, node_url: str, say: Callable[[str], None]
) -> int:
    rpc = Rpc(node_url)
    indexer = Indexer(engine, deployment, rpc)
    said_at = time.monotonic()
    try:
        while True:
            latest = int(str(rpc.call("eth_blockNumber")), 16)
            more = indexer.step()
            with read_transaction(engine) as connection:
                head = find_head(connection)
            if head is not None:
                if time.monotonic() - said_at >= _SAY_EVERY_S:
                    said_at = time.monotonic()
                    say(f"block {head.number} of {latest}")
                if not more and head.number >= latest:
                    return head.number
    finally:
        rpc.close()


def find_differences(old: Engine, new: Engine) -> tuple[str, ...]:
    """Return the derived tables whose rows differ; empty when the two stand at other blocks."""
    with read_transaction(old) as one, read_transaction(new) as two:
        heads = find_head(one), find_head(two)
        if heads[0] is None or heads[1] is None or heads[0].hash != heads[1].hash:
            return ()
        differences = []
        for kind in DERIVED:
            table = kind.__table__
            assert isinstance(table, Table)  # noqa: S101 - mapped to a table, for the type checker
            query = select(table).order_by(*table.primary_key.columns)
            if one.execute(query).all() != two.execute(query).all():
                differences.append(table.name)
        documents = (
            select(models.Document.__table__)
            .where(models.Document.block_number.is_not(None))
            .order_by(models.Document.digest)
        )
        if one.execute(documents).all() != two.execute(documents).all():
            differences.append("documents")
        return tuple(differences)


def _carry_over(old: Engine, new: Engine) -> int:
    """Copy what only the old database knew; what the chain says wins."""
    with read_transaction(old) as source, write_transaction(new) as target:
        recorded = {
            row.act_id: row
            for row in target.execute(
                select(
                    models.Event.act_id, models.Event.transaction_hash, models.Event.block_number
                )
            )
        }
        known = set(target.scalars(select(models.Document.digest)))
        hashes = dict(target.execute(select(models.Block.number, models.Block.hash)).all())
        carried = 0
        for kind in (
            models.OutboxAct,
            models.RelayTransaction,
            models.Document,
            models.BlockCosignature,
            models.CheckpointCosignature,
        ):
            rows = []
            for found in source.execute(select(kind.__table__)).mappings():
                row = dict(found)
                if kind is models.OutboxAct:
                    carried += 1
                    event = recorded.get(row["act_id"])
                    if event is not None:
                        row.update(
                            status="recorded",
                            error_code=None,
                            transaction_hash=event.transaction_hash,
                            block_number=event.block_number,
                        )
                    elif row["status"] == "recorded":  # the chain does not know it: send it again
                        row.update(status="queued", transaction_hash=None, block_number=None)
                elif kind is models.Document:
                    if row["digest"] in known:
                        continue
                    row["block_number"] = None
                elif kind is models.BlockCosignature and hashes.get(row["number"]) != row["hash"]:
                    continue
                rows.append(row)
            for start in range(0, len(rows), _BATCH):
                target.execute(insert(kind), rows[start : start + _BATCH])
            if kind is models.Document:
                for row in rows:
                    index_document(target, row["digest"], row["data"])
        return carried


def _swap(new_path: Path, path: Path) -> Path | None:
    """Put the new file in the old one's place in one step; the old one stays as a backup."""
    backup: Path | None = None
    if path.exists():
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        backup = path.with_name(f"{path.name}.before-{stamp}")
        for number in range(1, 1000):
            if not backup.exists():
                break
            backup = path.with_name(f"{path.name}.before-{stamp}-{number}")
        os.link(path, backup)
        for beside in _files_of(path)[1:]:
            if beside.exists():
                beside.rename(backup.with_name(backup.name + beside.name.removeprefix(path.name)))
    new_path.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return backup

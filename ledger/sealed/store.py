"""The file of envelopes: ciphertext only, written by the gateway's process alone.

It is no part of the ledger: nothing is proven by it, it is not made again from the chain, and what
a department disposes of is erased from it. The access log keeps who handed in, fetched, disposed.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.pool import StaticPool

from crypto.errors import RequestRefused

#: Envelopes of one department for one word of an act: parties that come later need another one.
MAX_PER_WORD = 8
#: Envelopes of one department, and their bytes.
MAX_PER_DEPARTMENT = 20_000
MAX_BYTES_PER_DEPARTMENT = 512 * 1024 * 1024
BUSY_TIMEOUT_S = 5.0

metadata = MetaData()

envelopes = Table(
    "envelopes",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("department", LargeBinary(32), primary_key=True),
    Column("act", LargeBinary(32), primary_key=True),
    Column("word", String(32), primary_key=True),
    Column("kept_at", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_envelopes_act_word", envelopes.c.act, envelopes.c.word)
Index("ix_envelopes_department", envelopes.c.department)

disposals = Table(
    "disposals",
    metadata,
    Column("act", LargeBinary(32), primary_key=True),
    Column("word", String(32), primary_key=True),
    Column("department", LargeBinary(32), primary_key=True),
    Column("disposed_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a sealed text belongs to.

    Attributes:
        act: id of the act, 32 bytes.
        word: name of the word that holds its commitment.
    """

    act: bytes
    word: str


class SealedStore:
    """Keeps envelopes; safe to call from any thread.

    Args:
        path: SQLite file; made when it is missing, readable by its owner alone.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        self._lock = threading.Lock()
        self._engine = _open(path)
        metadata.create_all(self._engine)

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def keep(self, place: Place, department: bytes, digest: bytes, data: bytes, at_s: int) -> None:
        """Keep an envelope; the same one again changes nothing.

        Args:
            place: what it belongs to.
            department: id of the department that hands it in.
            digest: SM3 of its bytes.
            data: its bytes.
            at_s: unix seconds.

        Raises:
            RequestRefused: SEALED_LIMIT.
        """
        table = envelopes.c
        own = table.department == department
        there = own & (table.act == place.act) & (table.word == place.word)
        with self._lock, self._engine.begin() as connection:
            if connection.scalar(select(func.count()).where(there & (table.digest == digest))):
                return
            of_text = connection.scalar(select(func.count()).where(there)) or 0
            count, size = connection.execute(
                select(func.count(), func.coalesce(func.sum(table.size), 0)).where(own)
            ).one()
            if (
                of_text >= MAX_PER_WORD
                or count >= MAX_PER_DEPARTMENT
                or size + len(data) > MAX_BYTES_PER_DEPARTMENT
            ):
                raise RequestRefused(
                    "SEALED_LIMIT", "the department keeps as many envelopes as it may"
                )
            row = {
                "digest": digest,
                "department": department,
                "act": place.act,
                "word": place.word,
                "kept_at": at_s,
                "size": len(data),
                "bytes": data,
            }
            connection.execute(insert(envelopes), [row])

    def list(self, place: Place) -> list[tuple[bytes, bytes]]:
        """Return digest and bytes of the envelopes of a text, the newest first."""
        table = envelopes.c
        with self._lock, self._engine.begin() as connection:
            rows = connection.execute(
                select(table.digest, table.bytes)
                .where((table.act == place.act) & (table.word == place.word))
                .order_by(table.kept_at.desc(), table.digest)
            ).all()
        return [(row.digest, row.bytes) for row in rows]

    def is_disposed(self, place: Place) -> bool:
        """Return whether a department disposed of the text and no envelope of it is left."""
        table = disposals.c
        with self._lock, self._engine.begin() as connection:
            found = connection.scalar(
                select(func.count())
                .select_from(disposals)
                .where((table.act == place.act) & (table.word == place.word))
            )
        return bool(found)

    def dispose(self, place: Place, department: bytes, at_s: int) -> int:
        """Erase a department's envelopes of a text; return how many there were.

        Their pages are overwritten with zeros, and the write-ahead log is emptied.
        """
        table = envelopes.c
        with self._lock, self._engine.begin() as connection:
            erased = connection.execute(
                delete(envelopes).where(
                    (table.department == department)
                    & (table.act == place.act)
                    & (table.word == place.word)
                )
            ).rowcount
            key = {"act": place.act, "word": place.word, "department": department}
            there = [disposals.c[name] == value for name, value in key.items()]
            if erased and not connection.scalar(
                select(func.count()).select_from(disposals).where(*there)
            ):
                connection.execute(insert(disposals), [{**key, "disposed_at": at_s}])
        with self._lock, self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return erased


def _open(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        poolclass=StaticPool,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA trusted_schema=OFF")

    return engine

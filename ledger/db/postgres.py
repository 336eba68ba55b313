"""What every connection to PostgreSQL has: an end to waiting, and commits that reach the disk."""

import hashlib
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from crypto.errors import LedgerError

#: libpq's parameters; a host that is gone is noticed by both sides within half a minute.
CONNECT = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "sanlian",
}
SERVER_KEEPALIVE = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
#: What a commit must have reached, at least, before it is answered.
_DURABLE = frozenset({"on", "remote_apply"})


def is_supported(url: URL) -> bool:
    """Return whether a PostgreSQL URL names a database, for the driver that is installed."""
    return url.get_driver_name() == "psycopg" and bool(url.database)


def set_config(connection: psycopg.Connection[Any], **settings: str) -> None:
    """Change settings of a session."""
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def require_durable(connection: psycopg.Connection[Any]) -> None:
    """Let commits wait for the disk, and refuse a server that does not.

    Raises:
        LedgerError: DATABASE_UNSAFE.
    """
    for name in ("fsync", "full_page_writes"):
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
        if row is None or row[0] != "on":
            raise LedgerError(
                "DATABASE_UNSAFE", "the server can lose what it has committed", setting=name
            )
    row = connection.execute("SELECT current_setting('synchronous_commit')").fetchone()
    if row is None or row[0] not in _DURABLE:
        set_config(connection, synchronous_commit="on")


def lock_number(name: str) -> int:
    """Return the number of an advisory lock, a signed one of 64 bits."""
    digest = hashlib.sha256(f"sanlian lock {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)

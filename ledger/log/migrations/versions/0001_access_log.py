"""Access log: records, tree, checkpoints, nonces, quotas, observations, numbers, open intents,
kept envelopes.

Revision ID: 0001
Revises: -
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables; in PostgreSQL those that logs share are in a schema of their own."""
    part = context.config.attributes.get("part")
    if part != "shared":
        _create_log()
    if part != "log":
        _create_shared()


def _create_log() -> None:
    op.create_table(
        "records",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("leaf", sa.LargeBinary(32), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(32)),
        sa.Column("nonce", sa.LargeBinary(16)),
        sa.Column("grant_id", sa.LargeBinary(32)),
        sa.Column("intent_seq", sa.BigInteger()),
    )
    for name, column, condition in (
        ("uq_records_intent_seq", "intent_seq", "intent_seq IS NOT NULL"),
        ("ix_records_grant_id", "grant_id", "grant_id IS NOT NULL"),
        ("ix_records_key_id", "key_id", "key_id IS NOT NULL"),
        ("ix_records_restricted", "seq", "event = 'restricted'"),
        ("ix_records_offered", "seq", "event = 'offered'"),
        ("ix_records_disposals", "seq", "event IN ('disposed', 'kept_disposed')"),
    ):
        where = sa.text(condition)
        op.create_index(
            name,
            "records",
            [column],
            unique=name.startswith("uq_"),
            sqlite_where=where,
            postgresql_where=where,
        )
    op.create_table(
        "nodes",
        sa.Column("place", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
    )
    op.create_table(
        "open_intents",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("leaf", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "kept",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
    )


def _create_shared() -> None:
    op.create_table(
        "nonces",
        sa.Column("key_id", sa.LargeBinary(32), primary_key=True),
        sa.Column("nonce", sa.LargeBinary(16), primary_key=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quotas",
        sa.Column("grant_id", sa.LargeBinary(32), primary_key=True),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used >= 0", name="ck_quotas_used"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "observations",
        sa.Column("key_id", sa.LargeBinary(32), primary_key=True),
        sa.Column("record", sa.String(128), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("log", sa.String(30)),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "numbers",
        sa.Column("key_id", sa.LargeBinary(32), primary_key=True),
        sa.Column("stream", sa.String(64), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "not_sent",
        sa.Column("key_id", sa.LargeBinary(32), primary_key=True),
        sa.Column("stream", sa.String(64), primary_key=True),
        sa.Column("last", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )

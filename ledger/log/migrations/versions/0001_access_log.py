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
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("leaf", sa.LargeBinary(32), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(32)),
        sa.Column("nonce", sa.LargeBinary(16)),
        sa.Column("grant_id", sa.LargeBinary(32)),
        sa.Column("intent_seq", sa.BigInteger()),
        sa.UniqueConstraint("intent_seq", name="uq_records_intent_seq"),
    )
    op.create_index("ix_records_grant_id", "records", ["grant_id"])
    op.create_index("ix_records_key_id", "records", ["key_id"])
    op.create_index(
        "ix_records_restricted",
        "records",
        ["seq"],
        sqlite_where=sa.text("event = 'restricted'"),
        postgresql_where=sa.text("event = 'restricted'"),
    )
    op.create_index(
        "ix_records_offered",
        "records",
        ["seq"],
        sqlite_where=sa.text("event = 'offered'"),
        postgresql_where=sa.text("event = 'offered'"),
    )
    op.create_index(
        "ix_records_disposals",
        "records",
        ["seq"],
        sqlite_where=sa.text("event IN ('disposed', 'kept_disposed')"),
        postgresql_where=sa.text("event IN ('disposed', 'kept_disposed')"),
    )
    op.create_table(
        "nodes",
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("index", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
    )
    op.create_table(
        "open_intents",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("leaf", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "kept",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
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

"""Alembic environment: runs on the connection that ledger.db.migrate passes in."""

from alembic import context
from sqlalchemy import Connection

from ledger.log.store import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

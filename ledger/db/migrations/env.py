"""Alembic environment: runs on the connection that ledger.db.migrate passes in."""

from alembic import context
from sqlalchemy import Connection

from ledger.db.models import Base

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

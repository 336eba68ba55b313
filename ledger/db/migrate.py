"""Brings a database to the newest schema (Alembic, run in the process)."""

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from crypto.errors import LedgerError

#: Scripts of the ledger's own database.
LEDGER_MIGRATIONS = Path(str(files("ledger.db") / "migrations"))


def upgrade(
    engine: Engine, script_location: Path | str = LEDGER_MIGRATIONS, *, part: str = ""
) -> None:
    """Create or upgrade the schema.

    Args:
        engine: engine of the database; only one process may upgrade at a time.
        script_location: folder with ``env.py`` and ``versions/``; its ``env.py`` takes the open
            connection from ``config.attributes["connection"]``.
        part: ``config.attributes["part"]``, where the tables are in several schemas.

    Raises:
        LedgerError: DATABASE_SCHEMA when the database is newer than this program or damaged.
    """
    config = Config()
    config.set_main_option("script_location", str(script_location).replace("%", "%%"))
    try:
        with engine.connect() as connection:
            config.attributes.update(connection=connection, part=part)
            command.upgrade(config, "head")
    except (CommandError, SQLAlchemyError) as error:
        raise LedgerError(
            "DATABASE_SCHEMA", "the database cannot be brought to this program's schema"
        ) from error

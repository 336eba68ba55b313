"""Database of the ledger: outbox and read model, in SQLite by default."""

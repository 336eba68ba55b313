"""HTTP API of the ledger: reads, the way in for signed acts, and plain pages."""

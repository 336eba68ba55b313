"""Engines: what makes blocks. The rest of the ledger speaks JSON-RPC and knows none of them."""

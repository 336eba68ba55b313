"""Evidence for others, and the audit of the whole ledger: both from the chain and the log alone."""

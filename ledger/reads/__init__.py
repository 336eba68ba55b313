"""What the API reads: one module per noun. Values are JSON-able; ids and digests are hex."""

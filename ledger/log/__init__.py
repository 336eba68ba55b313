"""The access log: records, tree, checkpoints and the one writer (docs/protocol.md, 6)."""

"""The bytes of sanlian: acts, records, checkpoints, receipts, evidence and their verification.

Pure: no I/O, no web3, no database. docs/protocol.md is the text of what stands here.
"""

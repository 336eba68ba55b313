"""SM2, SM3, keys, Merkle tree and canonical encoding; no I/O."""

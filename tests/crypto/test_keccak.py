"""Keccak-256 against known digests and a second implementation."""

from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from crypto.keccak import keccak256


def test_known_digests() -> None:
    assert keccak256(b"").hex() == (
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    )
    # The selector of every ERC-20 token's transfer.
    assert keccak256(b"transfer(address,uint256)")[:4].hex() == "a9059cbb"


@given(st.binary(max_size=300))
def test_agrees_with_eth_hash(data: bytes) -> None:
    assert keccak256(data) == keccak(data)

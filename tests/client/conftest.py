"""Keys of the client's tests."""

import pytest

from crypto.sm2 import PrivateKey


@pytest.fixture(scope="session")
def gateway_key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(scope="session")
def requester_key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(scope="session")
def provider_key() -> PrivateKey:
    return PrivateKey.generate()

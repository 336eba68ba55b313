"""Whatever the OpenAPI description allows or forbids is answered as it says, and never with 5xx."""

from pathlib import Path

import httpx
import pytest

from tests.described import require_as_described

#: An act is bytes that are signed and that the rules of the ledger fit: no schema tells which ones.
ACTS = {"POST /v1/acts": ["positive_data_acceptance"]}
#: Here no chain is followed and no node answers.
AWAY = ("GET /health", "GET /v1/performance")


def test_the_api_answers_as_described(http: httpx.Client, tmp_path: Path) -> None:
    url = str(http.base_url)
    require_as_described(url, tmp_path, max_examples=4, without=ACTS, away=AWAY)


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2])
def test_the_api_answers_as_described_for_long(
    http: httpx.Client, tmp_path: Path, seed: int
) -> None:
    url = str(http.base_url)
    require_as_described(url, tmp_path, max_examples=80, seed=seed, without=ACTS, away=AWAY)

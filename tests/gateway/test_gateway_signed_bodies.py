"""Bodies of every kind behind a signature that holds: answered as described, never with 5xx.

A schema cannot sign, so schemathesis alone stops at the signature. Here it makes the bodies, and
the keys of the city sign them.
"""

import json
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from api.gateway.description import describe
from crypto.canonical import canonical_json
from crypto.errors import CryptoError
from crypto.sm2 import PrivateKey
from protocol.httpsig import DATA_PATH, RESTRICTION_PATH
from tests.gateway.conftest import World

DOCUMENT = describe()
PATHS = sorted(path for path, item in DOCUMENT["paths"].items() if "post" in item)
PARSED = schemathesis.openapi.from_dict(DOCUMENT)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANY_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def bodies(path: str) -> st.SearchStrategy[Any]:
    """Return bodies as described, bodies that break the description, and anything at all."""
    operation = PARSED[path]["POST"]
    described = [
        operation.as_strategy(generation_mode=mode).map(lambda case: case.body)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ]
    good = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    members = dict.fromkeys(good["properties"], ANY_JSON)
    return st.one_of(*described, st.fixed_dictionaries(members), ANY_JSON)


def encode(value: Any) -> bytes:
    """Return canonical JSON where there is one, else any form of the value."""
    if isinstance(value, bytes):
        return value
    try:
        return canonical_json(value)
    except (CryptoError, TypeError, ValueError, RecursionError):
        return json.dumps(value, default=str).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def grant(world: World, evidence: None) -> bytes:
    """A grant that counts."""
    made = world.city.grant(world.city.interface())
    world.state.publish()
    return made


def require_good(world: World, grant: bytes, path: str, value: Any, who: str) -> None:
    """Sign a body, send it, and compare the answer with the description."""
    body = encode(value)
    key = getattr(world.city, who)
    _, headers = sign(world, key, body, path, grant)
    answer = world.post(body, headers, path)
    assert answer.status_code < 500, (body, answer.text)
    responses = DOCUMENT["paths"][path]["post"]["responses"]
    described = responses.get(str(answer.status_code)) or responses["4XX"]
    content = described["content"][answer.headers["content-type"]]
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    jsonschema.validate(answer.json(), schema)
    # Whatever the body was: the signature held, so it left a record, but for a question about
    # what the department itself may see.
    is_told = path == "/v1/observations" and answer.status_code == 200
    if not is_told and path != "/v1/open-offers":
        assert "sanlian-receipt" in answer.headers, (body, answer.text)


def sign(
    world: World, key: PrivateKey, body: bytes, path: str, grant: bytes
) -> tuple[bytes, dict[str, str]]:
    """Return a signed call with the headers that its path asks for."""
    has_grant = path in {DATA_PATH, RESTRICTION_PATH}
    words = {} if path == DATA_PATH else dict.fromkeys(("person", "basis", "scenario", "case"), "-")
    named = grant if has_grant else bytes(32)
    return world.sign(named, body=body, key=key, path=path, **words)


@pytest.mark.parametrize("path", PATHS)
def test_signed_bodies(world: World, grant: bytes, path: str) -> None:
    run(world, grant, path, 25)


@pytest.mark.full
@pytest.mark.parametrize("path", PATHS)
def test_many_signed_bodies(world: World, grant: bytes, path: str) -> None:
    run(world, grant, path, 400)


def run(world: World, grant: bytes, path: str, examples: int) -> None:
    @seed(20260101)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(value=bodies(path), who=st.sampled_from(["system", "provider_key", "provider_officer"]))
    def each(value: Any, who: str) -> None:
        require_good(world, grant, path, value, who)

    each()

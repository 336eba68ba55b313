"""The expression for access records of the usual form accepts nothing that the checks refuse."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.canonical import plain_canonical
from crypto.errors import ProtocolError
from protocol.observation import _MEMBERS, _usual_text, check_observation, observation_text

USUAL: dict[str, Any] = {
    "v": 1,
    "platform": "exchange-1",
    "record": "r-1",
    "time_ms": 5,
    "requester": "housing",
    "requester_key": None,
    "person": "p-1",
    "grant": None,
    "authorization": "AUTH-7",
    "provider": "civil",
    "resource": "PERSON-01",
    "items": ["ADDRESS", "NAME"],
    "result": "released",
    "code": "",
    "request_digest": "01" * 32,
    "response_digest": "02" * 32,
}
#: What stands at some border of some member's form.
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    0.5,
    2**53 - 1,
    2**53,
    10**14,
    10**15,
    10**16,
    "",
    "a",
    "A B",
    'a"b',
    "a\\b",
    "\\",
    '"',
    "三链",
    "\x7f",
    "~",
    "!",
    " ",
    "\n",
    "a" * 64,
    "a" * 65,
    "a" * 128,
    "a" * 129,
    "0" * 64,
    "F" * 64,
    "f" * 64,
    "released",
    "refused",
    "failed",
    "other",
    "11010519491231002X",
    "13800138000",
    "23800138000",
    [],
    ["A"],
    ["A", "A"],
    ["B", "A"],
    ["A", "B"],
    ["A", 1],
    ["a" * 65],
    [str(i) for i in range(10, 74)],
    [str(i) for i in range(10, 75)],
    {},
    {"a": 1},
    'x","v":1,"x":"',
]
NAMES = [*_MEMBERS, "more", 'v":1,"w']


def _compare(changes: dict[str, Any]) -> None:
    """Replace, leave out or add members: what is taken as usual is what the checks accept."""
    value = {**USUAL, **changes}
    value = {name: one for name, one in value.items() if one is not ...}
    found = _usual_text(value)
    if found is not None:
        assert found == plain_canonical(check_observation(dict(value)))


@pytest.mark.parametrize("name", NAMES)
def test_no_single_change_is_taken_wrongly(name: str) -> None:
    for odd in (*ODD, ...):
        _compare({name: odd})
    # These two stand and fall together with another one.
    for odd in ODD:
        _compare({"grant": "0" * 64, "authorization": None, name: odd})
        _compare({"result": "refused", "response_digest": None, name: odd})


@given(changes=st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*ODD, ...]), max_size=4))
def test_no_changes_are_taken_wrongly(changes: dict[str, Any]) -> None:
    _compare(changes)


def test_the_usual_is_usual() -> None:
    found = _usual_text(USUAL)
    assert found is not None
    assert observation_text(USUAL).endswith(found)


@pytest.mark.parametrize("name", ["record", "resource", "code"])
def test_the_unusual_is_looked_at(name: str) -> None:
    value = {**USUAL, name: 'a"b\\'}
    assert _usual_text(value) is None
    assert observation_text(value).endswith(plain_canonical(value))
    with pytest.raises(ProtocolError, match="OBSERVATION_MALFORMED"):
        observation_text({**value, "v": 2})

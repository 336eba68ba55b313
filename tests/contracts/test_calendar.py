"""The contract Calendar: its arithmetic, its acts, and everything that it refuses."""

import json
import subprocess
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto.errors import LedgerError, ProtocolError
from crypto.keccak import keccak256
from ledger.chain.artifacts import decode_revert, encode_call
from ledger.chain.rpc import Rpc
from protocol.acts import ZERO_ID
from protocol.calendar import (
    date_of,
    day_at,
    day_of,
    due_day,
    first_day,
    is_working_day,
    place_of,
    plain_weekdays,
    working_days,
)
from protocol.deadlines import (
    ANSWER_CONDITIONAL,
    ANSWER_EXTENSION,
    ANSWER_UNCONDITIONAL,
    DEADLINES,
    PROVISION,
)
from tests.contracts.city import AUTHORITY, YEARS, City, Refused, digest, year_bits
from tests.contracts.test_rules import attempt, refused, value_refused
from tests.protocol.test_working_days import IDS, VECTORS

ROOT = Path(__file__).resolve().parents[2]
METER = "0x00000000000000000000000000000000005a0011"
PUBLISHED = {year: year_bits(year) for year in YEARS}
ONE = AUTHORITY[:1]
TWO = AUTHORITY[:2]
REASON = digest("reason")
BLOCK_GAS = 30_000_000


@pytest.fixture(scope="module")
def meter(rpc: Rpc) -> Callable[..., Any]:
    """Calls the calendar's arithmetic in the EVM."""
    command = ["node", "scripts/test_artifact.js", "contracts/test/CalendarMeter.sol"]
    made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    code = json.loads(made.stdout)["CalendarMeter"]["deployedBytecode"]
    rpc.call("anvil_setCode", METER, code)

    def call(signature: str, output: str, *arguments: object) -> Any:
        types = signature[signature.index("(") + 1 : -1]
        data = keccak256(signature.encode())[:4] + abi_encode(
            types.split(",") if types else [], arguments
        )
        answer = rpc.call("eth_call", {"to": METER, "data": "0x" + data.hex()}, "latest")
        return abi_decode([output], bytes.fromhex(answer[2:]))[0]

    return call


# Arithmetic


def test_each_day_from_2000_to_2199_has_its_place(meter: Callable[..., Any]) -> None:
    at = first_day(2000)
    while at < first_day(2200):
        count = min(10_000, first_day(2200) - at)
        found = meter("places(uint256,uint256)", "uint32[]", at, count)
        dates = [date_of(at + i) for i in range(count)]
        assert list(found) == [d.year * 1000 + d.timetuple().tm_yday - 1 for d in dates]
        at += count


@pytest.mark.parametrize("day", [0, 364, 365, 146_096, 146_097, 2**32 - 2, 2**32])
def test_days_far_away_have_their_place(meter: Callable[..., Any], day: int) -> None:
    year, index = place_of(day)
    expected = (year * 1000 + index) % 2**32
    assert meter("places(uint256,uint256)", "uint32[]", day, 1) == (expected,)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(words=st.lists(st.integers(0, 2**256 - 1), max_size=40))
def test_bits_are_counted(meter: Callable[..., Any], words: list[int]) -> None:
    words += [0, 1, 2**255, 2**256 - 1, 2**256 - 2, 2**128 - 1]
    assert list(meter("ones(uint256[])", "uint256[]", words)) == [w.bit_count() for w in words]


@pytest.mark.parametrize("word", [0, 1, 1 << 255, 2**256 - 1, year_bits(2026) % 2**256, 0b1010])
def test_bits_are_found(meter: Callable[..., Any], word: int) -> None:
    places = [i for i in range(256) if word >> i & 1]
    assert list(meter("all(uint256)", "uint256[]", word)) == places


def test_deadlines_are_the_same_in_both_languages(meter: Callable[..., Any], city: City) -> None:
    *numbers, today = meter("deadlines()", "uint32[9]")
    assert numbers == [one.working_days for one in DEADLINES]
    # A call sees the time of the block that would come next.
    assert today - day_at(city.now()) in (0, 1)


# Views


def view(city: City, name: str, *arguments: int) -> Any:
    """Call a view; its error comes as ProtocolError, as in Python."""
    try:
        return city.read("Calendar", name, *arguments)[0]
    except LedgerError as error:
        decoded = decode_revert(bytes.fromhex(str(error.details["data"])[2:]))
        if decoded is None:
            raise
        raise ProtocolError(decoded[0], decoded[1], **decoded[2]) from error


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_art_21_answers_within_1_and_10_working_days(built: City, row: tuple[date, ...]) -> None:
    start = day_of(row[0])
    count = ANSWER_UNCONDITIONAL.working_days
    assert date_of(view(built, "dueDay", start, count)) == row[1]
    count = ANSWER_CONDITIONAL.working_days
    assert date_of(view(built, "dueDay", start, count)) == row[2]
    count += ANSWER_EXTENSION.working_days
    assert date_of(view(built, "dueDay", start, count)) == row[3]


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_art_22_provision_within_20_working_days(built: City, row: tuple[date, ...]) -> None:
    found = view(built, "dueDay", day_of(row[0]), PROVISION.working_days)
    assert date_of(found) == row[3]


def same(city: City, name: str, function: Callable[..., Any], *arguments: int) -> None:
    """The contract and its twin give the same answer, or the same error."""

    def answer(call: Callable[[], Any]) -> object:
        try:
            return call()
        except ProtocolError as error:
            return error.code, error.details.get("year")

    found = answer(lambda: view(city, name, *arguments))
    assert found == answer(lambda: function(PUBLISHED, *arguments))


NEAR = st.integers(first_day(2025) - 40, first_day(2027) + 40)
FAR = st.one_of(NEAR, NEAR, st.integers(0, 2**32 - 1))


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(day=FAR, other=FAR, count=st.one_of(st.integers(0, 40), st.integers(0, 401)))
def test_chain_and_python_agree(built: City, day: int, other: int, count: int) -> None:
    same(built, "isWorkingDay", is_working_day, day)
    same(built, "dueDay", due_day, day, count)
    same(built, "workingDays", working_days, day, other)


def test_boundaries(built: City) -> None:
    first, last = first_day(2025), first_day(2027) - 1
    days = (0, first - 1, first, first + 255, first + 256, first + 364, first + 365, last, last + 1)
    for day in (*days, 2**32 - 2, 2**32 - 1):
        same(built, "isWorkingDay", is_working_day, day)
        for count in (0, 1, 2, 247, 248, 249, 400, 401):
            same(built, "dueDay", due_day, day, count)
        for other in days:
            same(built, "workingDays", working_days, day, other)


def test_an_unknown_year_reverts_with_the_year(city: City) -> None:
    last = day_of(date(2026, 12, 31))
    for call in (("isWorkingDay", last + 1), ("dueDay", last, 1), ("workingDays", last, last + 1)):
        with pytest.raises(ProtocolError) as caught:
            view(city, *call)
        assert (caught.value.code, caught.value.details) == ("CALENDAR_UNKNOWN", {"year": 2027})
    # The due day would fall into it.
    with pytest.raises(ProtocolError) as caught:
        view(city, "dueDay", last - 10, 20)
    assert caught.value.details == {"year": 2027}
    # Once the year is published, it does.
    city.do("CalendarPublished", ONE, **words(2027))
    found = view(city, "dueDay", last - 10, 20)
    assert place_of(found)[0] == 2027


def gas(city: City, name: str, *arguments: int) -> int:
    """Gas of a view inside a transaction, without the transaction's own."""
    data = encode_call("Calendar", name, *arguments)
    call = {"to": "0x" + city.contracts["Calendar"].hex(), "data": "0x" + data.hex()}
    own = 21_000 + sum(16 if byte else 4 for byte in data)
    return int(city.rpc.call("eth_estimateGas", call), 16) - own


def test_the_dearest_due_day_is_cheap(city: City) -> None:
    """400 working days from the end of a year go through three years."""
    city.do("CalendarPublished", ONE, **words(2027))
    usual = gas(city, "dueDay", day_of(date(2026, 2, 12)), 10)
    dearest = max(
        gas(city, "dueDay", day, 400)
        for day in range(first_day(2025) - 1, day_of(date(2026, 1, 31)), 7)
    )
    counted = gas(city, "workingDays", first_day(2025), first_day(2028) - 1)
    print(f"gas: dueDay {usual} usual, {dearest} dearest; workingDays {counted}")
    assert usual < 20_000
    assert dearest < 40_000
    assert counted < 40_000


def test_counting_over_all_years_that_can_be_published_is_bounded(city: City) -> None:
    """Each year costs two slots; 200 of them stay far below a block."""
    per_year = gas(city, "workingDays", first_day(2025) - 1, first_day(2027) - 1) / 2
    assert per_year * 200 < BLOCK_GAS / 10


# Acts


def words(year: int, **changes: Any) -> dict[str, Any]:
    """Return the words of a year that the package does not know."""
    values = {"working_days": plain_weekdays(year), "source": digest(f"notice {year}")}
    return {"year": year, **values, **changes}


def stored(city: City, year: int) -> tuple[int, int]:
    """Return working days and revision."""
    low, high, revision = city.read("Calendar", "calendarYears", year)
    return high << 256 | low, revision


def test_calendar_published(city: City) -> None:
    assert stored(city, 2024) == (0, 0)
    id_ = city.do("CalendarPublished", ONE, **words(2024))
    assert stored(city, 2024) == (plain_weekdays(2024), 1)
    assert city.read("Calendar", "publications", id_) == (2024,)
    assert view(city, "isWorkingDay", day_of(date(2024, 12, 31))) is True


def test_a_year_is_published_once(city: City) -> None:
    error = refused(lambda: city.do("CalendarPublished", AUTHORITY[1:2], **words(2026)))
    assert (error.code, error.details) == ("YEAR_TAKEN", {"year": 2026})
    assert stored(city, 2026) == (year_bits(2026), 1)


@pytest.mark.parametrize(
    "signer", ["civil affairs operator", "civil affairs head", "housing officer", "city head"]
)
def test_nobody_but_the_authority_publishes(city: City, signer: str) -> None:
    assert attempt(city, "CalendarPublished", (signer,), **words(2024)) == "ROLE_MISSING"
    assert stored(city, 2024) == (0, 0)


@pytest.fixture
def year_2198(city: City) -> City:
    """The city in a late year, so that all years can be published."""
    city.rpc.call("evm_setNextBlockTimestamp", first_day(2198) * 86_400)
    city.rpc.call("evm_mine")
    return city


@pytest.mark.parametrize("year", [2000, 2027])
def test_the_first_and_the_last_year_of_now(city: City, year: int) -> None:
    city.do("CalendarPublished", ONE, **words(year))
    assert stored(city, year)[1] == 1


@pytest.mark.parametrize("year", [2000, 2100, 2199])
def test_the_first_and_the_last_year_of_all(year_2198: City, year: int) -> None:
    year_2198.do("CalendarPublished", ONE, **words(year))
    last = first_day(year + 1) - 1
    assert view(year_2198, "isWorkingDay", last) is (date_of(last).weekday() < 5)
    with pytest.raises(ProtocolError):
        view(year_2198, "isWorkingDay", last + 1)


@pytest.mark.parametrize("year", [0, 1999, 2028, 2199, 2200, 65_535])
def test_no_year_that_no_notice_can_be_of(city: City, year: int) -> None:
    """The notice for a year comes in the year before; nobody takes later years in advance."""
    values = {**words(2026), "year": year}
    assert value_refused(city, "CalendarPublished", ONE, ZERO_ID, values)[::2] == (
        "VALUE_INVALID",
        "year",
    )


def test_a_year_opens_at_midnight_in_shanghai(city: City) -> None:
    midnight = first_day(2027) * 86_400 - 8 * 3600
    city.rpc.call("evm_setNextBlockTimestamp", midnight - 600)
    city.rpc.call("evm_mine")
    values = words(2028)
    assert attempt(city, "CalendarPublished", ONE, **values) == "VALUE_INVALID"
    city.rpc.call("evm_setNextBlockTimestamp", midnight)
    city.rpc.call("evm_mine")
    city.do("CalendarPublished", ONE, **values)


@pytest.mark.parametrize(
    ("year", "bits", "ok"),
    [
        (2024, plain_weekdays(2024) | 1 << 365, True),
        (2024, plain_weekdays(2024) | 1 << 366, False),
        (2023, plain_weekdays(2023) | 1 << 364, True),
        (2023, plain_weekdays(2023) | 1 << 365, False),
        (2023, plain_weekdays(2023) | 1 << 511, False),
        (2023, (1 << 200) - 1, True),
        (2023, (1 << 199) - 1, False),
        (2023, (1 << 300) - 1, True),
        (2023, (1 << 301) - 1, False),
        (2023, (1 << 365) - (1 << 65), True),
        (2023, 0, False),
    ],
)
def test_working_days_that_a_year_can_have(city: City, year: int, bits: int, ok: bool) -> None:  # noqa: FBT001
    values = words(year, working_days=bits)
    if ok:
        city.do("CalendarPublished", ONE, **values)
        assert stored(city, year) == (bits, 1)
        return
    found = value_refused(city, "CalendarPublished", ONE, ZERO_ID, values)
    assert found == ("VALUE_INVALID", "CalendarPublished", "working_days")


def test_a_publication_names_its_notice(city: City) -> None:
    values = words(2024, source=ZERO_ID)
    assert value_refused(city, "CalendarPublished", ONE, ZERO_ID, values)[2] == "source"


def test_calendar_corrected(city: City) -> None:
    id_ = city.ids["calendar 2026"]
    bits = year_bits(2026) ^ (1 << 364)
    day = first_day(2026) + 364
    assert view(city, "isWorkingDay", day) is True
    values = correction(working_days=bits)
    assert city.do("CalendarCorrected", TWO, id_, **values) == id_
    assert stored(city, 2026) == (bits, 2)
    assert view(city, "isWorkingDay", day) is False
    city.do("CalendarCorrected", AUTHORITY[1:], id_, **correction())
    assert stored(city, 2026) == (year_bits(2026), 3)


def correction(**changes: Any) -> Mapping[str, Any]:
    """Return the words of a correction of 2026."""
    values = {"working_days": year_bits(2026), "source": digest("corrected"), "reason": REASON}
    return {"year": 2026, **values, **changes}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("year", 2025),
        ("year", 0),
        ("working_days", 0),
        ("working_days", plain_weekdays(2026) | 1 << 365),
        ("source", ZERO_ID),
        ("reason", ZERO_ID),
    ],
)
def test_calendar_corrected_values(city: City, field: str, value: Any) -> None:
    values = correction(**{field: value})
    found = value_refused(city, "CalendarCorrected", TWO, city.ids["calendar 2026"], values)
    assert found == ("VALUE_INVALID", "CalendarCorrected", field)


def test_one_authority_person_corrects_nothing_alone(city: City) -> None:
    id_ = city.ids["calendar 2026"]
    found = attempt(city, "CalendarCorrected", ONE, id_, **correction())
    assert found == "SIGNATURE_COUNT"
    twice = (AUTHORITY[0], AUTHORITY[0])
    assert attempt(city, "CalendarCorrected", twice, id_, **correction()) == "SIGNER_REPEATED"
    for other in ("city head", "civil affairs officer", "gateway"):
        signers = (AUTHORITY[0], other)
        assert attempt(city, "CalendarCorrected", signers, id_, **correction()) == "ROLE_MISSING"
        signers = (other, AUTHORITY[0])
        assert attempt(city, "CalendarCorrected", signers, id_, **correction()) == "ROLE_MISSING"
    assert stored(city, 2026) == (year_bits(2026), 1)


def test_a_correction_is_of_a_publication(city: City) -> None:
    for target in (digest("nothing"), city.ids["entry"]):
        signed = city.sign(
            "CalendarCorrected", TWO, target, header={"revision": 0}, **correction(year=0)
        )
        assert refused(lambda signed=signed: city.record(signed)).code == "TARGET_UNKNOWN"


def test_acts_do_not_come_twice(city: City) -> None:
    publication = city.sign("CalendarPublished", ONE, **words(2024))
    city.record(publication)
    assert refused(lambda: city.record(publication)).code == "NONCE_MISMATCH"
    id_ = city.ids["calendar 2026"]
    signed = city.sign("CalendarCorrected", TWO, id_, **correction())
    city.record(signed)
    assert refused(lambda: city.record(signed)).code == "NONCE_MISMATCH"
    # Signed anew by the actor, it still names the revision that its signers saw.
    late = city.sign("CalendarCorrected", TWO, id_, header={"revision": 1}, **correction())
    assert refused(lambda: city.record(late)).code == "STALE_REVISION"


def test_gas_of_the_acts(city: City) -> None:
    city.do("CalendarPublished", ONE, **words(2024))
    city.do("CalendarCorrected", TWO, city.ids["calendar 2026"], **correction())
    print({name: used for name, used in city.gas.items() if name.startswith("Calendar")})
    assert city.gas["CalendarPublished"] < 1_000_000


def test_a_refusal_names_the_field_by_its_number(city: City) -> None:
    with pytest.raises(Refused) as caught:
        city.do("CalendarPublished", ONE, **words(2024, working_days=0))
    assert caught.value.details["index"] == 1

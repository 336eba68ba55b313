"""A year's working days drafted from the package or a file, shown, corrected and counted."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from client_rig import serve
from test_client_acts import Api

from crypto.canonical import canonical_json
from crypto.errors import LedgerError, ProtocolError, RequestRefused
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from protocol.calendar import days_of, plain_weekdays
from sanlian_client.calendar import differences, month_grid, read_csv, read_package
from sanlian_client.cli import main
from sanlian_client.drafts import Draft
from sanlian_client.platform import Platform
from sanlian_client.sealing import Sealed

SIGNERS = [PrivateKey.generate().public_key.key_id.hex() for _ in range(2)]
NOTICE = "国务院办公厅关于节假日安排的通知".encode()
HEADER = b"date,kind\n"


def rows_of(year: int) -> bytes:
    """Return the file that says the same as the package."""
    bits, plain = read_package(year), plain_weekdays(year)
    lines = [f"{day},休" for day in days_of(year, plain & ~bits)]
    lines += [f"{day.year}/{day.month}/{day.day},班" for day in days_of(year, bits & ~plain)]
    return HEADER + "\n".join(lines).encode()


# Files and the package


@pytest.mark.parametrize("year", [2020, 2024, 2025, 2026])
def test_package_and_file_say_the_same(year: int) -> None:
    assert read_csv(year, rows_of(year)) == read_package(year)


def test_a_file_as_office_programs_write_it() -> None:
    text = rows_of(2026).decode()
    for data in (
        text.encode("utf-8-sig"),
        text.encode("gb18030"),
        text.replace("\n", "\r\n").encode(),
        text.replace("休", "OFF").replace("班", " Work ").encode() + b"\n\n , \n",
    ):
        assert read_csv(2026, data) == read_package(2026)
    # A notice names whole holidays, weekends too.
    assert read_csv(2026, rows_of(2026) + b"\n2026-10-03,off") == read_package(2026)


def test_each_wrong_row_is_named() -> None:
    data = (
        HEADER
        + "2026-01-01,休\n"
        "2026-02-30,休\n"
        "tomorrow,休\n"
        "2026-02-16,节\n"
        "2026-02-16\n"
        "2026-01-01,off\n"
        "2026-01-06,班\n"
        "2025-12-31,休\n"
        "２０２６-02-17,休\n".encode()
    )
    with pytest.raises(LedgerError) as refused:
        read_csv(2026, data)
    assert refused.value.code == "CALENDAR_FILE_INVALID"
    rows = refused.value.details["rows"]
    assert isinstance(rows, list)
    assert [int(re.match(r"row (\d+): ", row)[1]) for row in rows] == list(range(3, 11))  # type: ignore[index]
    for row, word in zip(
        rows,
        ("date", "date", "none of", "columns", "twice", "Monday", "2025", "date"),
        strict=True,
    ):
        assert word in row


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"2026-01-01,off\n",
        HEADER,
        b"\xff\xff\xff",
        HEADER + b'2026-01-01,"off\n',
        HEADER + b"2026-01-01,off\n" * 500,
        b"x" * 70_000,
        HEADER + b"\n".join(f"{d},off".encode() for d in days_of(2026, (1 << 200) - 1)),
    ],
    ids=["empty", "header", "nothing", "encoding", "csv", "long", "large", "too few days"],
)
def test_a_file_that_is_no_calendar(data: bytes) -> None:
    with pytest.raises(LedgerError) as refused:
        read_csv(2026, data)
    assert refused.value.code == "CALENDAR_FILE_INVALID"


@pytest.mark.parametrize("year", [1999, 2003, 2027, 2150, 2200])
def test_the_package_does_not_guess_a_year(year: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        read_package(year)
    assert (refused.value.code, refused.value.details) == ("CALENDAR_UNKNOWN", {"year": year})


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_the_grid_shows_each_day_with_its_mark(year: int, language: str) -> None:
    bits, plain = read_package(year), plain_weekdays(year)
    text = "\n".join(month_grid(year, bits, language)[1:])
    off, worked = ("休", "班") if language == "zh" else ("off", "wrk")
    assert text.count(off) == (plain & ~bits).bit_count()
    assert text.count(worked) == (bits & ~plain).bit_count()
    days = re.sub(r"\d{4}-\d{2}", "", text)
    assert len(re.findall(r"\d+", days)) == (366 if year == 2024 else 365)
    assert max(len(line) for line in text.splitlines()) < 100


def test_differences_are_listed() -> None:
    bits = read_package(2026)
    assert differences(2026, bits, bits) == []
    found = differences(2026, bits, plain_weekdays(2026))
    assert len(found) == 25
    assert found[:3] == ["2026-01-01 休 off", "2026-01-02 休 off", "2026-01-04 班 work"]


# Commands


class CalendarApi(Api):
    """The small platform with published years."""

    def __init__(self, *years: int) -> None:
        super().__init__()
        self.years = {year: self.row(year) for year in years}

    def row(self, year: int, /, **changes: Any) -> dict[str, Any]:
        """Return a year as the api does."""
        return {
            "id": f"{year:064x}",
            "year": year,
            "working_days": f"{read_package(year):0128x}",
            "source": "05" * 32,
            "revision": 2,
            **changes,
        }

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        if not path.startswith("/v1/calendar"):
            return super().answer(method, path, headers, body)
        if path.startswith("/v1/calendar?"):
            page = {"items": list(self.years.values()), "next_cursor": None}
            return 200, {}, canonical_json(page)
        found = self.years.get(int(path.rsplit("/", 1)[1]))
        if found is None:
            return 404, {}, canonical_json({"code": "CALENDAR_UNKNOWN", "title": "no"})
        return 200, {}, canonical_json(found)


@contextmanager
def running(*years: int) -> Iterator[str]:
    """Serve a platform that knows these years."""
    with serve(CalendarApi(*years).answer) as url:
        yield url


def run(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(main, ["calendar", *arguments])


def draft_of(tmp_path: Path, *arguments: str, api: str, signers: int = 1) -> tuple[Result, Path]:
    """Run a command that drafts."""
    notice, path = tmp_path / "notice.pdf", tmp_path / "calendar.act"
    notice.write_bytes(NOTICE)
    command, year, *rest = arguments
    given = [part for one in SIGNERS[:signers] for part in ("--signer", one)]
    options = ["--source", str(notice), "--api", api, *given, *rest]
    return run(command, year, str(path), *options), path


def test_a_year_is_drafted_from_the_package(tmp_path: Path) -> None:
    with running() as url:
        done, path = draft_of(tmp_path, "draft", "2026", api=url)
    assert done.exit_code == 0, done.output
    assert "2026-12" in done.output
    assert "工作日数: 248" in done.output
    assert "2026-02-14 班 work" in done.output
    draft = Draft.from_bytes(path.read_bytes())
    assert done.output.splitlines()[-1] == draft.act_id.hex()
    assert draft.act.type.name == "CalendarPublished"
    assert draft.act.values == {
        "year": 2026,
        "working_days": read_package(2026),
        "source": sm3(NOTICE),
    }
    words = "\n".join(draft.words("en"))
    assert "working days: 248; Mondays to Fridays off 01-01 01-02 " in words
    assert "weekend days worked 01-04 02-14 02-28 05-09 09-20 10-10" in words
    assert "248 天" in "\n".join(draft.words("zh"))


def test_a_year_is_drafted_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "2027.csv"
    file.write_text("date,kind\n2027-01-01,休\n", encoding="utf-8")
    with running() as url:
        done, path = draft_of(
            tmp_path, "draft", "2027", "--from", str(file), "--lang", "en", api=url
        )
    assert done.exit_code == 0, done.output
    assert "working days: 260" in done.output
    bits = plain_weekdays(2027) & ~1
    assert Draft.from_bytes(path.read_bytes()).act.values["working_days"] == bits


def test_what_cannot_be_drafted(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("date,kind\n2027-13-01,休\n2028-01-01,休\n", encoding="utf-8")
    with running(2026) as url:
        for arguments, code in (
            (("draft", "2027"), "CALENDAR_UNKNOWN"),
            (("draft", "2026"), "YEAR_TAKEN"),
            (("draft", "2027", "--from", str(bad)), "CALENDAR_FILE_INVALID"),
            (("draft", "2027", "--from", str(tmp_path / "none.csv")), "FILE_MISSING"),
        ):
            done, path = draft_of(tmp_path, *arguments, api=url)
            assert (done.exit_code, not path.exists()) == (1, True), done.output
            assert done.stderr.splitlines()[-1].startswith(f"{code}: ")
        done, _ = draft_of(tmp_path, "draft", "2027", "--from", str(bad), api=url)
        assert [line[:6] for line in done.stderr.splitlines()[:2]] == ["row 2:", "row 3:"]
        done, path = draft_of(tmp_path, "draft", "2025", api=url, signers=2)
        assert (done.exit_code, path.exists()) == (2, False)
        assert run("draft", "2200", "x", "--source", "x", "--signer", "x").exit_code == 2


def test_an_empty_notice_is_no_source(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pdf"
    empty.write_bytes(b"")
    path = tmp_path / "x.act"
    done = run("draft", "2026", str(path), "--source", str(empty), "--signer", SIGNERS[0])
    assert done.stderr.startswith("FILE_NOT_READ: ")
    assert not path.exists()


def test_a_correction_shows_what_changes(tmp_path: Path) -> None:
    file, reason, sealed = (tmp_path / n for n in ("fix.csv", "reason.txt", "reason.sealed"))
    file.write_bytes(rows_of(2026) + b"\n2026-12-31,off")
    reason.write_text("次年通知调整了年末的假日", encoding="utf-8")
    options = ("--from", str(file), "--reason", str(reason), "--sealed", str(sealed))
    with running(2026) as url:
        done, path = draft_of(tmp_path, "correct", "2026", *options, api=url, signers=2)
    assert done.exit_code == 0, done.output
    assert "与已公布的不同: 1\n  2026-12-31 休 off" in done.output
    draft = Draft.from_bytes(path.read_bytes())
    assert [one.hex() for one in draft.signers] == SIGNERS
    act = draft.act
    assert (act.target, act.revision) == ((2026).to_bytes(32, "big"), 2)
    kept = Sealed.from_bytes(sealed.read_bytes())
    assert kept.document == reason.read_bytes()
    assert act.values["reason"] == kept.commitment


def test_what_is_not_published_is_not_corrected(tmp_path: Path) -> None:
    reason, sealed = tmp_path / "reason.txt", tmp_path / "reason.sealed"
    reason.write_text("-", encoding="utf-8")
    options = ("--reason", str(reason), "--sealed", str(sealed))
    with running(2026) as url:
        done, path = draft_of(tmp_path, "correct", "2024", *options, api=url, signers=2)
    assert (done.exit_code, path.exists(), sealed.exists()) == (1, False, False)
    assert done.stderr.startswith("CALENDAR_UNKNOWN: ")


def test_show_and_due() -> None:
    with running(2025, 2026) as url:
        shown = run("show", "2026", "--lang", "en", "--api", url)
        assert "working days: 248" in shown.output
        assert "revision: 2" in shown.output
        gone = run("show", "2027", "--api", url)
        assert (gone.exit_code, gone.stderr.split(":")[0]) == (1, "CALENDAR_UNKNOWN")
        due = run("due", "2026-02-12", "10", "--api", url, "--json")
        assert json.loads(due.stdout) == {
            "due": "2026-03-04",
            "late_from": "2026-03-05T00:00:00+08:00",
        }
        gone = run("due", "2026-12-20", "20", "--api", url)
        assert (gone.exit_code, gone.stderr.split(":")[0]) == (1, "CALENDAR_UNKNOWN")
        assert "2027" in gone.stderr
        for wrong in (("2026-02-30", "1"), ("2026-02-12", "401"), ("2026-02-12", "-1")):
            assert run("due", *wrong, "--api", url).exit_code == 2


@pytest.mark.parametrize(
    "change",
    [
        {"working_days": "00" * 64},
        {"working_days": "ff" * 64},
        {"working_days": "zz"},
        {"working_days": 7},
        {"year": 2025},
        {"year": -1},
        {"id": "05"},
        {"revision": None},
    ],
    ids=str,
)
def test_a_platform_that_answers_nonsense_is_not_believed(change: dict[str, Any]) -> None:
    api = CalendarApi(2026)
    api.years[2026] = api.row(2026, **change)
    with (
        serve(api.answer) as url,
        Platform(url) as platform,
        pytest.raises(LedgerError, match="RESPONSE_MALFORMED"),
    ):
        platform.get_calendar_year(2026)


def test_only_an_unknown_year_is_none() -> None:
    api = CalendarApi()
    with serve(api.answer) as url, Platform(url) as platform:
        assert platform.find_calendar_year(2026) is None
        with pytest.raises(RequestRefused):
            platform.get_calendar_year(2026)

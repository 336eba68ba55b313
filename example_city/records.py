"""The providers' records: real divisions; companies and insured persons made up from a seed.

Nobody in them exists: names of persons are 测试 with a serial number, and identity numbers begin
with 000000, which is no division of GB/T 2260.
"""

import json
import random
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

from example_city.uscc import ALPHABET, check_character

COMPANIES = 200
INSURED = 300
_SEED = 441500
_PLACES = ("城区", "海丰县", "陆河县", "陆丰市")
_TRADES = ("海产", "电子", "珠宝", "服装", "物流", "新能源", "食品", "建材")
_STATES = ("存续", "存续", "存续", "存续", "注销", "吊销")
_KINDS = ("企业职工基本养老保险", "城乡居民基本养老保险", "失业保险", "工伤保险")


def load_divisions() -> list[dict[str, Any]]:
    """Return the administrative divisions of 汕尾市 (GB/T 2260; data/divisions.json)."""
    text = files("example_city").joinpath("data/divisions.json").read_text("utf-8")
    divisions: list[dict[str, Any]] = json.loads(text)["divisions"]
    return divisions


def make_companies() -> list[dict[str, Any]]:
    """Return the made-up company registrations, the same at every call."""
    rng = random.Random(_SEED)  # noqa: S311 - example data, nothing secret
    companies: list[dict[str, Any]] = []
    for number in range(1, COMPANIES + 1):
        body = "".join(rng.choice(ALPHABET[:10]) for _ in range(9))
        first17 = f"9144150{rng.choice('02')}{body}"
        companies.append(
            {
                "uscc": first17 + check_character(first17),
                "name": f"汕尾示例{rng.choice(_TRADES)}第{number}有限公司",
                "legal_person": f"测试{number:04d}",
                "capital_cny": rng.randrange(10, 5001) * 10_000,
                "founded": (date(2005, 1, 1) + timedelta(rng.randrange(7300))).isoformat(),
                "state": rng.choice(_STATES),
                "place": f"汕尾市{rng.choice(_PLACES)}示例路{number}号",
                "scope": f"{rng.choice(_TRADES)}批发、零售",
            }
        )
    return companies


def identity_number(birth: date, serial: int) -> str:
    """Return a number in the form of GB 11643-1999 with a division that does not exist."""
    first17 = f"000000{birth:%Y%m%d}{serial:03d}"
    total = sum(int(c) * pow(2, 17 - i, 11) for i, c in enumerate(first17))
    return first17 + "10X98765432"[total % 11]


def make_insured() -> list[dict[str, Any]]:
    """Return the made-up social insurance records, the same at every call."""
    rng = random.Random(_SEED + 1)  # noqa: S311 - example data, nothing secret
    employers = [company["name"] for company in make_companies()]
    insured: list[dict[str, Any]] = []
    for number in range(1, INSURED + 1):
        birth = date(1960, 1, 1) + timedelta(rng.randrange(16_000))
        insured.append(
            {
                "id_number": identity_number(birth, number),
                "name": f"测试{number:04d}",
                "kind": rng.choice(_KINDS),
                "state": rng.choice(("参保缴费", "参保缴费", "暂停缴费", "终止参保")),
                "employer": rng.choice(employers),
                "months_paid": rng.randrange(0, 361),
                "base_cny": rng.randrange(30, 251) * 100,
            }
        )
    return insured

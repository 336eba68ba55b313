"""The program of the table contracts, opcode by opcode, against formulas written plainly."""

import importlib.util
import itertools
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from evm import OPCODES, Run
from sm2_textbook import multiply_generator
from test_sm_table import COLUMNS, columns_of, degenerate_key

from crypto.sm2 import N, P

ROOT = Path(__file__).parents[2]


def load_generator() -> ModuleType:
    """Return scripts/sm2_comb.py, which is no package."""
    spec = importlib.util.spec_from_file_location("sm2_comb", ROOT / "scripts" / "sm2_comb.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sm2_comb"] = module
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()
PROGRAM = b"".join(GENERATOR.assemble().code())

Xyzz = tuple[int, int, int, int]


def entries_of(d: int) -> list[tuple[int, int]]:
    """Return the 128 points of the table of dG."""
    points = []
    for j in range(128):
        k = (1 << 224) + sum((1 if j >> tooth & 1 else -1) << 32 * tooth for tooth in range(7))
        point = multiply_generator(k * d)
        assert point is not None
        points.append(point)
    return points


TABLE_G = entries_of(1)


def code_of(d: int) -> bytes:
    """Return program and tables for the key dG."""
    entries = itertools.chain(TABLE_G, entries_of(d))
    return PROGRAM + b"".join(
        (P - x).to_bytes(32, "big") + y.to_bytes(32, "big") for x, y in entries
    )


def run(code: bytes, s: int, t: int) -> tuple[int, int]:
    """Return x and zz as the opcodes give them."""
    result = Run(code, s.to_bytes(32, "big") + t.to_bytes(32, "big")).result()
    return int.from_bytes(result[:32], "big"), int.from_bytes(result[32:], "big")


def entry(table: list[tuple[int, int]], column: int) -> tuple[int, int]:
    """Return the affine point of a column, which is an odd combination of the teeth."""
    sign = 1 if column > 0 else -1
    teeth, j = sign * column, 0
    for tooth in range(7):
        # What is left is this tooth's +1 or -1 and multiples of the next one's power.
        digit = 1 if (teeth >> 32 * tooth) % 2**32 == 1 else -1
        teeth -= digit << 32 * tooth
        j |= (digit == 1) << tooth
    assert teeth == 1 << 224
    x, y = table[j]
    return x, y if sign > 0 else P - y


def double(point: Xyzz) -> Xyzz:
    """dbl-2008-s-1 for a = -3, https://hyperelliptic.org/EFD/g1p/auto-shortw-xyzz-3.html."""
    x, y, zz, zzz = point
    u = 2 * y
    v = u * u
    w = u * v
    s = x * v
    m = 3 * (x * x - zz * zz)
    x3 = m * m - 2 * s
    return x3 % P, (m * (s - x3) - w * y) % P, v * zz % P, w * zzz % P


def add(point: Xyzz, other: tuple[int, int]) -> Xyzz:
    """madd-2008-s, the same source: nobody looks whether the points are equal or opposite."""
    x1, y1, zz1, zzz1 = point
    x2, y2 = other
    p = x2 * zz1 - x1
    r = y2 * zzz1 - y1
    pp = p * p
    ppp = p * pp
    q = x1 * pp
    x3 = r * r - ppp - 2 * q
    return x3 % P, (r * (q - x3) - y1 * ppp) % P, zz1 * pp % P, zzz1 * ppp % P


def plain(table: list[tuple[int, int]], s: int, t: int) -> tuple[int, int]:
    """Return x and zz of the comb as docs/sm-on-chain.md has it."""
    of_s, of_t = columns_of(s), columns_of(t)
    total: Xyzz = (*entry(TABLE_G, of_s[-1]), 1, 1)
    total = add(total, entry(table, of_t[-1]))
    for i in reversed(range(COLUMNS - 1)):
        total = add(double(total), entry(TABLE_G, of_s[i]))
        total = add(total, entry(table, of_t[i]))
    return total[0], total[2]


# --- what the program is ------------------------------------------------------------------------


def test_the_generated_file_is_fresh() -> None:
    command = [sys.executable, "scripts/sm2_comb.py", "--check"]
    subprocess.run(command, cwd=ROOT, check=True)


def test_every_opcode_is_pure_and_every_jump_fixed() -> None:
    """No storage, no call, no creation, no end of the contract; and it always ends."""
    runs = [Run(code_of(5), bytes((i,)) * 64) for i in (1, 2, 3, 77)]
    for one in runs:
        one.result()
    executed = set().union(*(one.executed for one in runs))
    # From the first byte on, by the length of each opcode: nothing else can be executed.
    at, starts = 0, set()
    while at < len(PROGRAM):
        opcode = PROGRAM[at]
        assert opcode in OPCODES or 0x60 <= opcode <= 0x9F
        starts.add(at)
        at += opcode - 0x5E if 0x60 <= opcode <= 0x7F else 1
    assert at == len(PROGRAM)
    assert executed == starts
    # Each jump follows its PUSH2, and all but one lead forward: the loop counts i to 0.
    jumps = set().union(*(one.jumps for one in runs))
    for origin, target in jumps:
        assert PROGRAM[origin - 3] == 0x61
        assert int.from_bytes(PROGRAM[origin - 2 : origin], "big") == target
        assert target < len(PROGRAM)
    assert sum(target < origin for origin, target in jumps) == 1
    assert PROGRAM[-1] == 0xF3  # RETURN: the tables behind it are never run
    assert max(one.highest for one in runs) < 32


def test_gas_does_not_depend_on_the_numbers_but_for_signs() -> None:
    source = random.Random(1)  # noqa: S311 - scalars of a test
    code = code_of(9)
    found = []
    for _ in range(20):
        one = Run(code, source.randrange(N).to_bytes(32, "big") * 2)
        one.result()
        found.append(one.gas)
    # A minus costs a PUSH or DUP and a SUB, 64 times at most.
    assert max(found) - min(found) <= 64 * 6
    assert max(found) < 34_000


def test_a_schedule_with_other_operands_does_not_assemble() -> None:
    for wrong in ("p p y y =u =v", "p y =h", "p x zz =x-zz"):
        asm = GENERATOR.Assembler(stack=GENERATOR.BEFORE_DOUBLE.split())
        with pytest.raises((GENERATOR.ScheduleError, IndexError)):
            asm.run(wrong)


# --- what it computes ---------------------------------------------------------------------------


def scalar_pairs(source: random.Random, count: int) -> list[tuple[int, int]]:
    edges = [1, 2, 3, 255, 2**32 - 1, 2**32, 2**224, 2**255, N - 1, N - 2, (N + 1) // 2]
    pairs = list(itertools.product(edges, edges))
    return pairs + [(source.randrange(1, N), source.randrange(1, N)) for _ in range(count)]


def assert_as_the_formulas(keys: int, count: int) -> None:
    source = random.Random(keys)  # noqa: S311 - scalars of a test
    for d in [source.randrange(1, N) for _ in range(keys)]:
        code, table = code_of(d), entries_of(d)
        for s, t in scalar_pairs(source, count):
            found = run(code, s, t)
            assert found == plain(table, s, t)
            point = multiply_generator(s + t * d)
            if found[1]:
                assert point is not None
                assert found[0] == point[0] * found[1] % P


def test_random_keys_and_numbers_at_the_edges() -> None:
    assert_as_the_formulas(keys=2, count=50)


@pytest.mark.full
@pytest.mark.timeout(1_200)
def test_thousands_of_numbers() -> None:
    assert_as_the_formulas(keys=6, count=250)


@pytest.mark.parametrize("sign", [1, -1], ids=["equal", "opposite"])
@pytest.mark.parametrize("table", ["G", "key"])
def test_a_degenerate_addition_gives_zero_for_ever(table: str, sign: int) -> None:
    source = random.Random(f"{table}{sign}")  # noqa: S311 - scalars of a test
    first = COLUMNS - 2 if table == "G" else COLUMNS - 1
    for column in (first, 20, 9, 1, 0):
        s, t = source.randrange(1, N), source.randrange(1, N)
        d = degenerate_key(s, t, column, table, sign)
        code = code_of(d)
        assert run(code, s, t)[1] == 0
        assert plain(entries_of(d), s, t)[1] == 0
        other = run(code, s, (t + 1) % N)
        assert other[1] != 0
        assert other == plain(entries_of(d), s, (t + 1) % N)


@pytest.mark.parametrize("d", [2, 3, pow(2, -1, N), 2**32, 2**224, N - 2])
def test_keys_whose_columns_collide_with_those_of_the_generator(d: int) -> None:
    code, table = code_of(d), entries_of(d)
    zeros = 0
    small = (1, 2, 3, 2**32, 2**224, N - 1, N - 2)
    for s, t in itertools.product(small, small):
        found = run(code, s, t)
        assert found == plain(table, s, t)
        point = multiply_generator(s + t * d)
        if point is None:
            assert found[1] == 0
        elif found[1]:
            assert found[0] == point[0] * found[1] % P
        zeros += found[1] == 0
    assert zeros < 49

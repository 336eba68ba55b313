"""Writes contracts/sm/SM2Comb.sol: the program at the start of each key's table contract.

    python scripts/sm2_comb.py [--check]

It computes sG + tQ from two tables of multiples; what it computes and why that is right:
docs/sm-on-chain.md. The stack is scheduled here and not by a compiler, which moves values about for
a quarter of the gas. A schedule is a row of words:

    name    a value's copy: DUP where the stack holds it, PUSH where it is a constant
    =name   the operation that gives the value, see FORMULAS
    ^name   SWAP of the top with the value's uppermost place below it

The stack is followed by name: a schedule that gives an operation other operands than FORMULAS says,
or leaves another stack than the next part expects, does not assemble. So the program is right where
FORMULAS are, and they are short.

`--check` writes nothing and fails when the file is not what this program makes.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "contracts" / "sm" / "SM2Comb.sol"

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
COLUMNS = 32
ENTRY = 64
TABLE = 128 * ENTRY
TEETH = sum(1 << 32 * tooth for tooth in range(7))

OPCODES = {
    "ADD": (0x01, 3),
    "MUL": (0x02, 5),
    "SUB": (0x03, 3),
    "MOD": (0x06, 5),
    "ADDMOD": (0x08, 8),
    "MULMOD": (0x09, 8),
    "AND": (0x16, 3),
    "XOR": (0x18, 3),
    "SHL": (0x1B, 3),
    "SHR": (0x1C, 3),
    "CALLDATALOAD": (0x35, 3),
    "CODECOPY": (0x39, 9),
    "RETURNDATASIZE": (0x3D, 2),
    "POP": (0x50, 2),
    "MLOAD": (0x51, 3),
    "MSTORE": (0x52, 3),
    "JUMP": (0x56, 8),
    "JUMPI": (0x57, 10),
    "JUMPDEST": (0x5B, 1),
    "RETURN": (0xF3, 0),
}

#: Constants by name. Decimal numbers name themselves.
CONSTANTS = {
    "p": P,
    "n": N,
    # -3 modulo p.
    "m3": P - 3,
    "ones": (2**256 - 1) % N,
    "half": pow(2, -1, N),
    "low32": 2**32 - 1,
    "teeth": TEETH,
    # 2^32 is 2 modulo 2^31 - 1: a bit of tooth l counts 2^l.
    "gather": 2**31 - 1,
    # The top tooth of a column is its sign.
    "plus": 1 << 224,
    "minus1": 2**256 - 1,
    # Each operation turns the sign of y: the parity of their number goes into the signs.
    "parity_s": 0x55555555 << 224,
    "parity_t": 0xAAAAAAAA << 224,
}

#: Value: operation, then what it takes, the top of the stack first. Addition and multiplication
#: take their first two in either order.
FORMULAS = {
    "argument0": ("CALLDATALOAD", "0"),
    "argument32": ("CALLDATALOAD", "32"),
    # k' = (k + 2^256 - 1) / 2 modulo n; see "Recoding".
    "k+": ("ADDMOD", "k", "ones", "n"),
    "k'": ("MULMOD", "k+", "half", "n"),
    # The teeth of a column whose sign is minus are turned.
    "signs": ("SHR", "224", "k'"),
    "turned": ("XOR", "signs", "low32"),
    "flips": ("MUL", "turned", "teeth"),
    "digits": ("XOR", "flips", "k'"),
    "s": ("XOR", "parity_s", "digits"),
    "t": ("XOR", "parity_t", "digits"),
    # Where the entry of column i stands.
    "column_s": ("SHR", "i", "s"),
    "column_t": ("SHR", "i", "t"),
    "bits": ("AND", "teeth", "column"),
    "index": ("MOD", "bits", "gather"),
    "place": ("SHL", "6", "index"),
    "entry_G": ("ADD", "table_G", "place"),
    "entry_Q": ("ADD", "table_Q", "place"),
    "nx2": ("MLOAD", "0"),
    "y2": ("MLOAD", "32"),
    "sign": ("AND", "plus", "column"),
    # The first entry as a point with ZZ = ZZZ = 1.
    "x2": ("SUB", "p", "nx2"),
    "-y2": ("SUB", "p", "y2"),
    # (x, y, zz, zzz) + (x2, +-y2), the sign of the new y turned.
    "b": ("MULMOD", "y2", "zzz", "p"),
    "-b": ("SUB", "p", "b"),
    "r": ("ADDMOD", "+-b", "y", "p"),
    "a": ("MULMOD", "nx2", "zz", "p"),
    "h": ("ADDMOD", "a", "x", "p"),
    "hh": ("MULMOD", "h", "h", "p"),
    "hhh": ("MULMOD", "h", "hh", "p"),
    "q": ("MULMOD", "x", "hh", "p"),
    "-3q": ("MULMOD", "q", "m3", "p"),
    "rr": ("MULMOD", "r", "r", "p"),
    "rr+hhh": ("ADDMOD", "rr", "hhh", "p"),
    "x-q": ("ADDMOD", "rr+hhh", "-3q", "p"),
    "x'": ("ADDMOD", "x-q", "q", "p"),
    "r(x-q)": ("MULMOD", "r", "x-q", "p"),
    "y*hhh": ("MULMOD", "y", "hhh", "p"),
    "y'": ("ADDMOD", "r(x-q)", "y*hhh", "p"),
    "zz'": ("MULMOD", "zz", "hh", "p"),
    "zzz'": ("MULMOD", "zzz", "hhh", "p"),
    # Twice (x, y, zz, zzz), the sign of the new y turned.
    "u": ("ADDMOD", "y", "y", "p"),
    "v": ("MULMOD", "u", "u", "p"),
    "w": ("MULMOD", "u", "v", "p"),
    "d": ("MULMOD", "x", "v", "p"),
    "-3d": ("MULMOD", "d", "m3", "p"),
    "-zz": ("SUB", "p", "zz"),
    "x-zz": ("ADDMOD", "-zz", "x", "p"),
    "x+zz": ("ADDMOD", "zz", "x", "p"),
    "xx-zzzz": ("MULMOD", "x-zz", "x+zz", "p"),
    "m": ("MULMOD", "xx-zzzz", "3", "p"),
    "mm": ("MULMOD", "m", "m", "p"),
    "x-d": ("ADDMOD", "mm", "-3d", "p"),
    "2x": ("ADDMOD", "x-d", "d", "p"),
    "m(x-d)": ("MULMOD", "m", "x-d", "p"),
    "y*w": ("MULMOD", "y", "w", "p"),
    "2y": ("ADDMOD", "m(x-d)", "y*w", "p"),
    "2zz": ("MULMOD", "zz", "v", "p"),
    "2zzz": ("MULMOD", "zzz", "w", "p"),
    # Downwards.
    "i-1": ("ADD", "minus1", "i"),
}
COMMUTATIVE = {"ADD", "MUL", "ADDMOD", "MULMOD", "AND", "XOR"}


class ScheduleError(Exception):
    """A schedule does not compute what FORMULAS say."""


@dataclass
class Line:
    """Some opcodes, and the stack behind them."""

    code: bytes
    text: str
    stack: tuple[str, ...]


@dataclass
class Assembler:
    """Opcodes, with the name of each value on the stack."""

    stack: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    jumps: dict[int, str] = field(default_factory=dict)
    _code: bytes = b""
    _text: list[str] = field(default_factory=list)

    def size(self) -> int:
        """Bytes so far."""
        return sum(len(line.code) for line in self.lines) + len(self._code)

    def end_line(self, comment: str = "") -> None:
        """Close a line of the listing."""
        if not self._code:
            return
        text = " ".join(self._text) + (f"  {comment}" if comment else "")
        self.lines.append(Line(self._code, text, tuple(self.stack)))
        self._code, self._text = b"", []

    def emit(self, code: bytes, text: str) -> None:
        """Add opcodes without looking at the stack."""
        self._code += code
        self._text.append(text)

    def op(self, name: str) -> None:
        """Add an operation without looking at the stack."""
        self.emit(bytes((OPCODES[name][0],)), name)

    def push(self, value: int, name: str) -> None:
        """Put a constant on the stack."""
        if value == 0:
            # Two gas and one byte: no call was made that could have returned anything.
            self.op("RETURNDATASIZE")
        else:
            data = value.to_bytes((value.bit_length() + 7) // 8, "big")
            self.emit(bytes((0x5F + len(data),)) + data, f"PUSH {name}")
        self.stack.append(name)

    def copy(self, name: str) -> None:
        """Put a value on the stack once more."""
        depth = self._depth(name)
        if depth is not None and depth <= 16:
            self.emit(bytes((0x7F + depth,)), f"DUP{depth}")
            self.stack.append(name)
        elif name in CONSTANTS or name.isdecimal():
            self.push(CONSTANTS[name] if name in CONSTANTS else int(name), name)
        else:
            raise ScheduleError(f"{name} is out of reach in {self.stack}")

    def swap(self, name: str) -> None:
        """Swap the top with a value below it."""
        top = self.stack.pop()
        depth = self._depth(name)
        if depth is None or depth > 16:
            raise ScheduleError(f"{name} is out of reach in {self.stack}")
        self.emit(bytes((0x8F + depth,)), f"SWAP{depth}")
        self.stack[-depth] = top
        self.stack.append(name)

    def apply(self, name: str) -> None:
        """Make a value of FORMULAS from the top of the stack."""
        operation, *wanted = FORMULAS[name]
        self.take(operation, *wanted)
        self.stack.append(name)

    def take(self, operation: str, *wanted: str) -> None:
        """Add an operation that takes these values, the top first."""
        found = [self.stack.pop() for _ in wanted]
        ways = [list(wanted)]
        if operation in COMMUTATIVE:
            ways.append([wanted[1], wanted[0], *wanted[2:]])
        if found not in ways:
            raise ScheduleError(f"{operation} takes {wanted}, not {found}")
        self.op(operation)

    def rename(self, names: dict[str, str]) -> None:
        """Give values of the stack other names."""
        self.stack = [names.get(name, name) for name in self.stack]

    def begin(self, heading: str) -> None:
        """Begin a part of the listing."""
        self.lines.append(Line(b"", heading, tuple(self.stack)))

    def run(self, schedule: str) -> None:
        """Assemble a schedule, one line for each value that is made."""
        for word in schedule.split():
            if word.startswith("="):
                self.apply(word[1:])
                self.end_line(f"= {word[1:]}")
            elif word.startswith("^"):
                self.swap(word[1:])
            else:
                self.copy(word)

    def label(self, name: str) -> None:
        """Mark where jumps to this label arrive."""
        self.labels[name] = self.size()
        self.op("JUMPDEST")
        self.end_line(f"{name}:")

    def push_label(self, name: str) -> None:
        """Put a label on the stack; its two bytes are known at the end."""
        self.emit(b"\x61" + bytes(2), f"PUSH {name}")
        self.jumps[self.size() - 2] = name
        self.stack.append(name)

    def code(self) -> list[bytes]:
        """Return the opcodes of each line."""
        whole = bytearray(b"".join(line.code for line in self.lines))
        for at, label in self.jumps.items():
            whole[at : at + 2] = self.labels[label].to_bytes(2, "big")
        cut, at = [], 0
        for line in self.lines:
            cut.append(bytes(whole[at : at + len(line.code)]))
            at += len(line.code)
        return cut

    def expect(self, stack: str) -> None:
        """Check the whole stack, the top last."""
        if self.stack != stack.split():
            raise ScheduleError(f"{self.stack} is not {stack}")

    def _depth(self, name: str) -> int | None:
        for depth, held in enumerate(reversed(self.stack), 1):
            if held == name:
                return depth
        return None


#: The sum with the entry in memory, after r. It leaves x' in the place of zz, zz' in that of y,
#: zzz' in that of x; zzz, which must be on top before r, gives its place to y'.
ADD = """
    p x p zz 0 =nx2 =a =h
    p p h h =hh hh ^h =hhh
    p hh p p r r =rr hhh =rr+hhh ^x =q
    p p q m3 =-3q
    p p ^zzz hhh =zzz'
    ^rr+hhh =x-q
    p p x-q p ^q =x'
    ^zz p ^hh =zz'
    ^y ^r =r(x-q) ^y =y*hhh =y'
"""

#: Twice the point. It leaves 2x in the place of zz; x, which must be on top, gives its place to
#: 2zz.
DOUBLE = """
    p 3 p p zz x =x+zz p zz p =-zz x =x-zz =xx-zzzz =m
    p p y y =u p p u u =v
    ^x v =d
    p p d m3 =-3d p m m =mm =x-d
    p x-d p ^d =2x
    ^zz ^m =m(x-d)
    p p v p ^u =w ^y w =y*w =2y
    ^w p ^v ^zzz =2zzz ^v =2zz
"""

#: The stack before each part, the top last. Each part moves one value at its end so that what the
#: next one wants on top is there; after three parts all are back in their places.
BEFORE_G = "s t i p zz y x zzz"
BEFORE_Q = "s t i p x zz y zzz"
BEFORE_DOUBLE = "s t i p zzz y zz x"


def _digits(asm: Assembler, at: int, digits: str) -> None:
    argument = f"argument{at}"
    asm.begin(f"{digits} as digits.")
    asm.run(f"n half n ones {at} ={argument}")
    asm.rename({argument: "k"})
    asm.run(f"=k+ =k' low32 k' 224 =signs =turned teeth =flips =digits parity_{digits} ={digits}")


def _fetch(asm: Assembler, table: str, digits: str) -> None:
    """Copy the entry of column i to memory; the column stays on top."""
    asm.run(f"{digits} i =column_{digits}")
    asm.rename({f"column_{digits}": "column"})
    asm.run(f"64 gather column teeth =bits =index 6 =place table_{table} =entry_{table} 0")
    asm.take("CODECOPY", "0", f"entry_{table}", "64")
    asm.end_line("64 bytes to memory")


def _take_sign(asm: Assembler, name: str, label: str) -> None:
    """Negate the value below the column unless the column's sign is plus."""
    asm.run("^column plus =sign")
    asm.push_label(label)
    asm.take("JUMPI", label, "sign")
    asm.end_line("where the sign is plus")
    asm.run(f"p =-{name}")
    asm.rename({f"-{name}": f"+-{name}"})
    asm.label(label)


def _add(asm: Assembler, table: str, digits: str, turn: str, after: str) -> None:
    asm.begin(f"Add the multiple of {table} that column i of {digits} names.")
    asm.run("p")
    _fetch(asm, table, digits)
    asm.run("p zzz 32 =y2 =b")
    _take_sign(asm, "b", f"plus_{table}")
    asm.run(f"y =r {ADD} {turn}")
    asm.rename({"x'": "x", "y'": "y", "zz'": "zz", "zzz'": "zzz"})
    asm.end_line()
    asm.expect(after)


def build(table_at: int) -> Assembler:
    """Return the program, for tables that begin at this offset of the code."""
    CONSTANTS["table_G"] = table_at
    CONSTANTS["table_Q"] = table_at + TABLE
    asm = Assembler()
    _digits(asm, 0, "s")
    _digits(asm, 32, "t")

    asm.begin("Column 31 of s gives the first point, with ZZ = ZZZ = 1.")
    asm.run(f"{COLUMNS - 1}")
    asm.rename({f"{COLUMNS - 1}": "i"})
    asm.run("p")
    _fetch(asm, "G", "s")
    asm.run("0 =nx2 p =x2 ^column 1 ^column")
    asm.rename({"x2": "x", "1": "zz"})
    asm.run("32 =y2")
    _take_sign(asm, "y2", "plus_1")
    asm.run("1")
    asm.rename({"+-y2": "y", "1": "zzz"})
    asm.push_label("enter")
    asm.take("JUMP", "enter")
    asm.end_line()
    asm.expect(BEFORE_Q)

    # Only the jump from the end of the loop arrives here.
    asm.stack = BEFORE_DOUBLE.split()
    asm.label("next")
    asm.begin("Double.")
    asm.run(f"{DOUBLE} ^2zzz")
    asm.rename({"2x": "x", "2y": "y", "2zz": "zz", "2zzz": "zzz"})
    asm.end_line()
    asm.expect(BEFORE_G)
    _add(asm, "G", "s", "^zzz'", BEFORE_Q)
    asm.label("enter")
    _add(asm, "Q", "t", "^x'", BEFORE_DOUBLE)

    asm.begin("The next column, or the end after column 0.")
    asm.run("i minus1 =i-1 ^i")
    asm.push_label("next")
    asm.take("JUMPI", "next", "i")
    asm.end_line()
    asm.rename({"i-1": "i"})
    asm.expect(BEFORE_DOUBLE)

    asm.begin("Return x and zz.")
    asm.run("x 0")
    asm.take("MSTORE", "0", "x")
    asm.run("zz 32")
    asm.take("MSTORE", "32", "zz")
    asm.run("64 0")
    asm.take("RETURN", "0", "64")
    asm.end_line()
    return asm


_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

// Generated by scripts/sm2_comb.py; change that.

/// @title The program of a key's table contract
/// @notice X and ZZ of sG + tQ, from the tables of multiples that stand behind the program in the
/// same code. Why it is right: docs/sm-on-chain.md.
/// @dev Called with s and t, 32 bytes each and below n; returns X and ZZ, where ZZ = 0 says that an
/// addition degenerated and nothing is known. It reads no storage and calls nobody.
library SM2Comb {{
    /// @dev Bytes of the program; the tables follow.
    uint256 internal constant SIZE = {size};

    /// @dev Each line: opcodes, what they give, and the stack behind them with its top last.
    bytes private constant PROGRAM =
"""

_TAIL = """\

    /// @notice Write the program to memory.
    /// @dev Whole words: some bytes behind it are overwritten too.
    /// @param to Where
    /// @return end Where it ends
    function write(uint256 to) internal pure returns (uint256 end) {
        bytes memory program = PROGRAM;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, SIZE) { i := add(i, 32) } {
                mstore(add(to, i), mload(add(program, add(i, 32))))
            }
        }
        return to + SIZE;
    }
}
"""


def assemble() -> Assembler:
    """Return the program with its tables right behind it."""
    size = build(0x1000).size()
    return build(size)


def render(asm: Assembler) -> str:
    """Return the text of contracts/sm/SM2Comb.sol."""
    rows = []
    for line, code in zip(asm.lines, asm.code(), strict=True):
        if not code:
            rows += ["", f"        // {line.text}"]
            continue
        stack = " ".join(line.stack)
        rows.append(f'        hex"{code.hex()}" // {line.text} | {stack}'.rstrip())
    last = max(i for i, row in enumerate(rows) if row.lstrip().startswith("hex"))
    rows[last] = rows[last].replace('" //', '"; //')
    return _HEAD.format(size=asm.size()) + "\n".join(rows[1:]) + "\n" + _TAIL


def main() -> int:
    """Write the file, or check it."""
    text = render(assemble())
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("contracts/sm/SM2Comb.sol is not fresh: run `make abi`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

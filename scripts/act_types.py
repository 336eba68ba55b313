"""Writes what is made from protocol/description.py, or checks it.

    python scripts/act_types.py            write
    python scripts/act_types.py --check    exit 1 and name each stale file

Made: contracts/acts/ActTypes.sol and the tables of act types in docs/protocol.md.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from protocol.acts import HEADER_SIZE, MAX_WORDS
from protocol.description import ACT_TYPES, WORD, ActType, Field, Role
from protocol.model.errors import rule_errors

ROOT = Path(__file__).resolve().parent.parent
SOLIDITY = ROOT / "contracts" / "acts" / "ActTypes.sol"
PROTOCOL = ROOT / "docs" / "protocol.md"
BEGIN = "<!-- generated: act types -->\n"
END = "<!-- end generated -->\n"

THRESHOLD_SIGNER = "AUTHORITY*m"
NO_NEW_KEY = 0xFF
MAX_TEXTS = 3
TEXT_KINDS = {"ascii": 1, "utf8": 2}


def placed_fields(act_type: ActType) -> Iterator[tuple[int, Field]]:
    """Yield each field with its offset from the start of the act's own words."""
    start = 0
    for word in act_type.words:
        offset = start
        for field in word:
            yield offset, field
            offset += field.size
        start += max(1, -(-(offset - start) // WORD)) * WORD


def upper_snake(name: str) -> str:
    """Return RequestFiled as REQUEST_FILED."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def layout(act_type: ActType) -> int:
    """Return the word from which ActBase knows an act type's form; see HEADING for its bytes."""
    unused = bytearray(MAX_WORDS)
    texts = bytearray()
    new_key_word = NO_NEW_KEY
    for offset, field in placed_fields(act_type):
        end = offset + field.size
        # The last field of a word decides; a text of several words fills them all.
        unused[(end - 1) // WORD] = -end % WORD
        if field.kind in TEXT_KINDS:
            texts += offset.to_bytes(2, "big") + bytes((field.size, TEXT_KINDS[field.kind]))
        if field.name == "key_x":
            new_key_word = offset // WORD
    if len(texts) > 4 * MAX_TEXTS:
        raise ValueError(f"{act_type.name} has more than {MAX_TEXTS} texts")
    head = (
        act_type.word_count,
        len(act_type.signers),
        int(act_type.signers[0] == THRESHOLD_SIGNER),
        new_key_word,
    )
    return int.from_bytes(bytes(head) + bytes(unused) + texts.ljust(4 * MAX_TEXTS, b"\0"), "big")


HEADING = f"""\
// SPDX-License-Identifier: Apache-2.0
// Made by scripts/act_types.py from protocol/description.py. Do not edit.
pragma solidity ^0.8.24;

/// @title Act types
/// @notice Codes, layouts and fields of the act types, and the role bits.
/// @dev `NAME` is a code. `NAME_FIELD` places a field: 2 bytes code of its act type, 1 byte number
/// of the field from 0, 2 bytes offset in the act, 1 byte size, in the low 6 bytes. `NAME_LAYOUT`:
/// byte 0 number of words; 1 number of signers; 2 whether the first stands for the authority's
/// threshold; 3 word of the new key's x, 0xff if the act brings none; 4 to 19 number of unused
/// bytes at the end of each word; then up to {MAX_TEXTS} texts of 4 bytes: 2 offset from the first
/// word, 1 size, 1 kind ({TEXT_KINDS["ascii"]} ASCII, {TEXT_KINDS["utf8"]} UTF-8).
"""


def solidity() -> str:
    """Return the text of ActTypes.sol."""
    lines = [HEADING + "library ActTypes {"]
    lines += [f"    uint256 internal constant ROLE_{r.name} = {r.value};" for r in Role]
    for act_type in ACT_TYPES:
        name = upper_snake(act_type.name)
        lines.append("")
        lines.append(f"    uint32 internal constant {name} = 0x{act_type.code:04x};")
        lines.append(f"    uint256 internal constant {name}_LAYOUT =")
        lines.append(f"        0x{layout(act_type):064x};")
        for number, (offset, field) in enumerate(placed_fields(act_type)):
            handle = (
                act_type.code.to_bytes(2, "big")
                + bytes((number,))
                + (HEADER_SIZE + offset).to_bytes(2, "big")
                + bytes((field.size,))
            )
            constant = f"{name}_{field.name.upper()}"
            lines.append(f"    uint256 internal constant {constant} = 0x{handle.hex()};")
    for contract in dict.fromkeys(a.contract for a in ACT_TYPES):
        lines.append("")
        lines.append(f"    /// @notice The layout of an act type that {contract} accepts")
        lines.append("    /// @param code Code of the act type")
        lines.append("    /// @return layout Zero for any other code")
        lines.append(
            f"    function {contract.lower()}Layout(uint32 code) "
            "internal pure returns (uint256 layout) {"
        )
        for act_type in ACT_TYPES:
            if act_type.contract == contract:
                name = upper_snake(act_type.name)
                lines.append(f"        if (code == {name}) return {name}_LAYOUT;")
        lines.append("        return 0;")
        lines.append("    }")
    lines.append("}")
    return "\n".join(lines) + "\n"


def _field_text(field: Field) -> str:
    return f"`{field.name}` {field.size} {field.kind}: {field.meaning}"


def _error_names(act_type: ActType) -> str:
    names = ("".join(map(str.capitalize, c.split("_"))) for c in rule_errors(act_type.name))
    return ", ".join(f"`{name}`" for name in sorted(names))


def tables() -> str:
    """Return the tables of docs/protocol.md: one per contract, then the fields."""
    parts: list[str] = []
    for contract in dict.fromkeys(a.contract for a in ACT_TYPES):
        acts = [a for a in ACT_TYPES if a.contract == contract]
        parts.append(f"\n**{contract}**\n")
        parts.append("| code | act | signers | states of the target | effect |")
        parts.append("|---|---|---|---|---|")
        parts += [
            f"| `{a.code:04x}` | {a.name} | {'; '.join(a.signers)} | {a.states} | {a.effect} |"
            for a in acts
        ]
        parts.append("\n| act | errors of its own rules |\n|---|---|")
        parts += [f"| {a.name} | {_error_names(a)} |" for a in acts]
        parts.append("\n| act | word | fields: name, bytes, kind, meaning |\n|---|---|---|")
        for act_type in acts:
            start = 0
            if not act_type.words:
                parts.append(f"| {act_type.name} | - | - |")
            for word in act_type.words:
                count = max(1, -(-sum(f.size for f in word) // WORD))
                span = f"{start}" if count == 1 else f"{start} to {start + count - 1}"
                fields = "; ".join(map(_field_text, word))
                parts.append(f"| {act_type.name} | {span} | {fields} |")
                start += count
    return "\n".join(parts).lstrip("\n") + "\n"


def protocol() -> str:
    """Return docs/protocol.md with its tables made anew."""
    text = PROTOCOL.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PROTOCOL.name} lacks the marks of its generated part")
    return before + BEGIN + "\n" + tables() + "\n" + END + after


def main(arguments: list[str]) -> int:
    """Write or check the files; return the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: act_types.py [--check]", file=sys.stderr)
        return 2
    stale = False
    for path, text in ((SOLIDITY, solidity()), (PROTOCOL, protocol())):
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if arguments:
            print(f"{path.relative_to(ROOT)} is stale: run scripts/act_types.py", file=sys.stderr)
            stale = True
        else:
            path.write_text(text, encoding="utf-8")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

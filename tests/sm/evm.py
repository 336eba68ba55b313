"""The few opcodes of a table's program, run in Python on numbers."""

from dataclasses import dataclass, field

WORD = 2**256


class OutOfRange(Exception):
    """The program did what it must not: another opcode, jump, or place in memory."""


@dataclass
class Run:
    """A program with its data, and what running it used."""

    code: bytes
    argument: bytes
    gas: int = 0
    opcodes: set[str] = field(default_factory=set)
    jumps: set[tuple[int, int]] = field(default_factory=set)
    executed: set[int] = field(default_factory=set)
    highest: int = 0

    def result(self) -> bytes:
        """Run to the end and return what the program returns; stack faults are IndexErrors."""
        stack: list[int] = []
        memory = bytearray(64)
        at = 0
        while True:
            opcode = self.code[at]
            self.executed.add(at)
            at += 1
            self.highest = max(self.highest, len(stack))
            if 0x60 <= opcode <= 0x7F:
                size = opcode - 0x5F
                stack.append(int.from_bytes(self.code[at : at + size], "big"))
                at += size
                self.gas += 3
                continue
            if 0x80 <= opcode <= 0x8F:
                stack.append(stack[-(opcode - 0x7F)])
                self.gas += 3
                continue
            if 0x90 <= opcode <= 0x9F:
                other = -(opcode - 0x8E)
                stack[-1], stack[other] = stack[other], stack[-1]
                self.gas += 3
                continue
            name, gas, takes = OPCODES.get(opcode, ("", 0, 0))
            if not name:
                raise OutOfRange(f"opcode {opcode:#x} at {at - 1}")
            self.opcodes.add(name)
            self.gas += gas
            a, b, c = ([stack.pop() for _ in range(takes)] + [0, 0, 0])[:3]
            match name:
                case "ADD":
                    stack.append((a + b) % WORD)
                case "MUL":
                    stack.append(a * b % WORD)
                case "SUB":
                    stack.append((a - b) % WORD)
                case "MOD":
                    stack.append(a % b if b else 0)
                case "ADDMOD":
                    stack.append((a + b) % c if c else 0)
                case "MULMOD":
                    stack.append(a * b % c if c else 0)
                case "AND":
                    stack.append(a & b)
                case "XOR":
                    stack.append(a ^ b)
                case "SHL":
                    stack.append((b << a) % WORD if a < 256 else 0)
                case "SHR":
                    stack.append(b >> a if a < 256 else 0)
                case "CALLDATALOAD":
                    stack.append(int.from_bytes(self.argument[a : a + 32].ljust(32, b"\0"), "big"))
                case "CODECOPY":
                    if a or c != 64 or b + c > len(self.code):
                        raise OutOfRange(f"copies {c} bytes of {b} to {a}")
                    self.gas += 6
                    memory[:] = self.code[b : b + c]
                case "RETURNDATASIZE":
                    stack.append(0)
                case "MLOAD":
                    if a not in (0, 32):
                        raise OutOfRange(f"loads {a}")
                    stack.append(int.from_bytes(memory[a : a + 32], "big"))
                case "MSTORE":
                    if a not in (0, 32):
                        raise OutOfRange(f"stores {a}")
                    memory[a : a + 32] = b.to_bytes(32, "big")
                case "JUMP" | "JUMPI":
                    if name == "JUMP" or b:
                        if self.code[a] != 0x5B:
                            raise OutOfRange(f"jumps to {a}")
                        self.jumps.add((at - 1, a))
                        at = a
                case "RETURN":
                    if (a, b) != (0, 64):
                        raise OutOfRange(f"returns {b} bytes of {a}")
                    return bytes(memory)


#: Yellow paper, appendix H: name, gas without copied words, how many values it takes.
OPCODES = {
    0x01: ("ADD", 3, 2),
    0x02: ("MUL", 5, 2),
    0x03: ("SUB", 3, 2),
    0x06: ("MOD", 5, 2),
    0x08: ("ADDMOD", 8, 3),
    0x09: ("MULMOD", 8, 3),
    0x16: ("AND", 3, 2),
    0x18: ("XOR", 3, 2),
    0x1B: ("SHL", 3, 2),
    0x1C: ("SHR", 3, 2),
    0x35: ("CALLDATALOAD", 3, 1),
    0x39: ("CODECOPY", 3, 3),
    0x3D: ("RETURNDATASIZE", 2, 0),
    0x51: ("MLOAD", 3, 1),
    0x52: ("MSTORE", 3, 2),
    0x56: ("JUMP", 8, 1),
    0x57: ("JUMPI", 10, 2),
    0x5B: ("JUMPDEST", 1, 0),
    0xF3: ("RETURN", 0, 2),
}

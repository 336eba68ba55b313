"""Signature checks of keys whose table stands in contract code."""

import dataclasses
import itertools
import random
import re
from pathlib import Path
from typing import Any

import pytest
from eth_abi import decode, encode
from sm2_textbook import Case, G, add, find_y, make_case, multiply, multiply_generator, negate
from sm_node import SENDER, SM_ADDRESS, Node, Refused

from crypto import sm2
from crypto.keccak import keccak256
from crypto.sm2 import N, P, PrivateKey, PublicKey, Signature, digest_e
from crypto.sm3 import sm3

VERIFY = "verify(bytes32,uint256,uint256,uint256,uint256)"
# A check with a table takes less, one without more.
TABLE_GAS = 40_000
COLUMNS = 32


def words(case: Case) -> tuple[int, int, int, int, int]:
    return case.e, case.r, case.s, case.x, case.y


def verdicts(node: Node, cases: list[Case]) -> list[bool]:
    return node.verify_many([words(case) for case in cases])


def table_of(node: Node, x: int, y: int) -> str:
    found: str = node.call("tableOf(uint256,uint256)", "address", x, y)
    return found


def build(node: Node, x: int, y: int) -> str:
    receipt = node.rpc("eth_getTransactionReceipt", node.build_table(x, y))
    assert receipt["status"] == "0x1"
    table = table_of(node, x, y)
    assert int(table, 16) != 0
    return table


def verify_gas(node: Node, case: Case) -> int:
    data = keccak256(VERIFY.encode())[:4] + b"".join(v.to_bytes(32, "big") for v in words(case))
    gas: int = node.call_meter("warmGas", ["address", "bytes"], "uint256", SM_ADDRESS, data)
    return gas


def assert_accepted(node: Node, cases: list[Case]) -> None:
    """Both implementations accept the cases, and refuse each with another e."""
    assert all(verdicts(node, cases))
    wrong = [dataclasses.replace(case, e=(case.e + 1) % N) for case in cases]
    assert not any(verdicts(node, wrong))
    for case in cases:
        e = case.e.to_bytes(32, "big")
        assert sm2._is_valid_digest(PublicKey(case.x, case.y), e, Signature(case.r, case.s))


def sign_many(key: PrivateKey, count: int) -> list[Case]:
    public = key.public_key
    cases = []
    for i in range(count):
        message = f"share request {i}".encode()
        signature = key.sign(message)
        e = int.from_bytes(digest_e(public, message), "big")
        cases.append(Case(e, signature.r, signature.s, public.x, public.y))
    return cases


def alter(cases: list[Case], source: random.Random) -> list[Case]:
    """Ten altered cases of each, all of the same key."""
    altered = []
    for case in cases:
        for field in ("e", "r", "s"):
            for _ in range(2):
                value = getattr(case, field) ^ 1 << source.randrange(256)
                altered.append(dataclasses.replace(case, **{field: value}))
        altered.append(dataclasses.replace(case, r=case.s, s=case.r))
        altered.append(dataclasses.replace(case, s=N - case.s))
        altered.append(dataclasses.replace(case, r=N - case.r))
        altered.append(dataclasses.replace(case, s=(N - case.r - case.s) % N))
    return altered


@pytest.fixture(scope="module")
def signed(node: Node) -> list[Case]:
    """A hundred signatures by each of ten keys, which have tables."""
    cases = []
    for _ in range(10):
        key = PrivateKey.generate()
        build(node, key.public_key.x, key.public_key.y)
        cases += sign_many(key, 100)
    return cases


# --- building -----------------------------------------------------------------------------------


def test_table_is_what_the_textbook_gives(node: Node) -> None:
    d = PrivateKey.generate().public_key.x % N
    key = PrivateKey.from_int(d).public_key
    assert int(table_of(node, key.x, key.y), 16) == 0
    table = build(node, key.x, key.y)
    code = bytes.fromhex(node.rpc("eth_getCode", table, "latest")[2:])
    text = (Path(__file__).parents[2] / "contracts" / "sm" / "SM2Comb.sol").read_text()
    program = bytes.fromhex("".join(re.findall(r'hex"([0-9a-f]+)"', text)))
    wanted = program
    for scalar in (1, d):
        for j in range(128):
            k = 1 << 224
            for tooth in range(7):
                k += (1 if j >> tooth & 1 else -1) << 32 * tooth
            point = multiply_generator(k * scalar)
            assert point is not None
            wanted += (P - point[0]).to_bytes(32, "big") + point[1].to_bytes(32, "big")
    assert code == wanted + key.key_id


def test_building_again_changes_nothing(node: Node, signed: list[Case]) -> None:
    case = signed[0]
    table = table_of(node, case.x, case.y)
    assert build(node, case.x, case.y) == table


def test_calling_a_table_changes_nothing(node: Node, signed: list[Case]) -> None:
    case = signed[0]
    table = table_of(node, case.x, case.y)
    code = node.rpc("eth_getCode", table, "latest")
    for data in ("0x", "0x01", "0x" + "ff" * 64, "0x" + code[2:2000]):
        # Any numbers give some x and zz; a table has no other entry.
        assert len(node.rpc("eth_call", {"to": table, "data": data}, "latest")) == 2 + 128
        node.rpc(
            "eth_sendTransaction", {"from": SENDER, "to": table, "data": data, "gasPrice": "0x0"}
        )
        node.rpc("evm_mine")
    assert node.rpc("eth_getCode", table, "latest") == code
    assert int(node.rpc("eth_getTransactionCount", table, "latest"), 16) == 1


def test_a_caller_with_too_little_gas_gets_no_answer(node: Node, signed: list[Case]) -> None:
    """The table's call may run out of gas on its own; that must not become an answer."""
    case = signed[0]
    data = keccak256(VERIFY.encode())[:4] + b"".join(v.to_bytes(32, "big") for v in words(case))
    answers = set()
    for gas in range(24_000, 70_000, 500):
        sent = {"to": SM_ADDRESS, "data": "0x" + data.hex(), "gas": hex(gas)}
        answer = node.request(
            {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [sent, "latest"]}
        )
        answers.add(answer.get("result", "refused"))
    assert answers == {"refused", "0x" + "1".rjust(64, "0")}


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (0, 0),
        (G[0], G[1]) if G else (0, 0),
        (G[0], P - G[1]) if G else (0, 0),
        (G[0], G[1] ^ 1) if G else (0, 0),
        (P, find_y(0) or 0),
        (5, 7),
    ],
    ids=["zeros", "G", "minus G", "off the curve", "not reduced", "of another curve"],
)
def test_no_table_for(node: Node, x: int, y: int) -> None:
    with pytest.raises(Refused) as refused:
        node.call("buildTable(uint256,uint256)", "address", x, y)
    error = keccak256(b"PublicKeyInvalid(uint256,uint256)")[:4]
    assert refused.value.data == error + x.to_bytes(32, "big") + y.to_bytes(32, "big")


# --- signatures ---------------------------------------------------------------------------------


def test_thousand_signatures(node: Node, signed: list[Case]) -> None:
    assert len(signed) == 1000
    assert all(verdicts(node, signed))
    assert verify_gas(node, signed[0]) < TABLE_GAS


def test_ten_thousand_altered_signatures(node: Node, signed: list[Case]) -> None:
    altered = alter(signed, random.Random(5))  # noqa: S311 - picks bits to flip
    assert len(altered) == 10_000
    assert not any(verdicts(node, altered))
    # The signature of one key under another, which has a table too.
    others = [
        dataclasses.replace(a, x=b.x, y=b.y) for a, b in zip(signed, signed[100:], strict=False)
    ]
    assert not any(verdicts(node, others))


@pytest.mark.full
def test_many_keys_without_tables(node: Node) -> None:
    cases = list(
        itertools.chain.from_iterable(sign_many(PrivateKey.generate(), 5) for _ in range(200))
    )
    assert all(verdicts(node, cases))
    assert not any(verdicts(node, alter(cases, random.Random(6))))  # noqa: S311


def test_values_out_of_range(node: Node, signed: list[Case]) -> None:
    case = signed[0]
    cases = []
    for field in ("r", "s"):
        outside = (0, N, N + 1, getattr(case, field) + N, P, 2**256 - 1)
        cases += [dataclasses.replace(case, **{field: v}) for v in outside if v < 2**256]
    cases.append(Case(case.e, 0, 0, case.x, case.y))
    assert not any(verdicts(node, cases))


def test_t_of_zero(node: Node, signed: list[Case]) -> None:
    key = signed[0]
    for s in (1, 2, 12345, N - 1):
        point = multiply_generator(s)
        assert point is not None
        r = N - s
        assert verdicts(node, [Case((r - point[0]) % N, r, s, key.x, key.y)]) == [False]


def test_opposite_key_has_its_own_table(node: Node, signed: list[Case]) -> None:
    case = dataclasses.replace(signed[0], y=P - signed[0].y)
    assert verdicts(node, [case]) == [False]
    build(node, case.x, case.y)
    assert verdicts(node, [case, signed[0]]) == [False, True]


def test_leading_zeros(node: Node) -> None:
    d = 31337
    key = multiply_generator(d)
    assert key is not None
    build(node, *key)
    small = (1, 2, 255, 2**32 - 1, 2**32, 2**64 + 1, 2**224 - 1, N - 1, N - 2)
    pairs = [(s, t) for s, t in itertools.product(small, small) if s != t]
    assert_accepted(node, [make_case(s, t, key, multiply_generator(s + t * d)) for s, t in pairs])


@pytest.mark.parametrize("start", [N, 0, P - N - 10], ids=["from n on", "small", "near p - n"])
def test_x1_beyond_n(node: Node, start: int) -> None:
    source = random.Random(start)  # noqa: S311 - scalars of a test
    points = ((x, find_y(x)) for x in itertools.count(start))
    cases = []
    for x, y in itertools.islice(((x, y) for x, y in points if y is not None), 3):
        s, t = source.randrange(1, N), source.randrange(1, N)
        key = multiply(pow(t, -1, N), add((x, y), negate(multiply(s, G))))
        assert key is not None
        build(node, *key)
        cases.append(make_case(s, t, key, (x, y)))
        assert verify_gas(node, cases[-1]) < TABLE_GAS
    assert_accepted(node, cases)


# --- one call for an act ------------------------------------------------------------------------


MESSAGE_TYPES = ["bytes32", "bytes", "uint256", "uint256", "uint256", "uint256"]


@pytest.mark.parametrize("has_table", [True, False])
def test_verify_message_says_what_digest_and_verify_say(node: Node, *, has_table: bool) -> None:
    key = PrivateKey.generate()
    public = key.public_key
    if has_table:
        build(node, public.x, public.y)
    selector = keccak256(f"verifyMessage({','.join(MESSAGE_TYPES)})".encode())[:4]
    for length in (0, 1, 22, 23, 31, 32, 33, 87, 128, 640):
        message = bytes(range(length % 251)) + bytes(length - length % 251)
        signature = key.sign(message)
        right = (public.key_id, message, signature.r, signature.s, public.x, public.y)
        other = PrivateKey.generate().public_key
        for arguments, valid in (
            (right, True),
            ((right[0], message + b"\0", *right[2:]), False),
            ((other.key_id, *right[1:]), False),
            ((*right[:4], other.x, other.y), False),
            ((*right[:2], signature.s, signature.r, *right[4:]), False),
            ((*right[:2], 0, signature.s, *right[4:]), False),
            ((*right[:2], signature.r, N - signature.r, *right[4:]), False),
            ((*right[:4], public.x, public.y ^ 1), False),
        ):
            data = "0x" + (selector + encode(MESSAGE_TYPES, arguments)).hex()
            answer = node.rpc("eth_call", {"to": SM_ADDRESS, "data": data}, "latest")
            e, found = decode(["bytes32", "bool"], bytes.fromhex(answer[2:]))
            # The digest is right also where the signature is none.
            assert e == sm3(bytes(arguments[0]) + bytes(arguments[1]))
            assert found is valid


def test_gas_of_an_act_is_within_the_target(node: Node) -> None:
    key = PrivateKey.generate()
    public, message = key.public_key, bytes(87)
    build(node, public.x, public.y)
    signature = key.sign(message)
    e = int.from_bytes(digest_e(public, message), "big")
    case = (e, signature.r, signature.s, public.x, public.y)
    types = ["address", "bytes32", "bytes", "uint256[5]"]
    gas = node.call_meter("actGas", types, "uint256", SM_ADDRESS, public.key_id, message, case)
    assert gas <= 80_000


# --- additions that degenerate ------------------------------------------------------------------


def columns_of(k: int) -> list[int]:
    """Return the multiple that each column of the comb adds, the lowest first."""
    recoded = (k + 2**256 - 1) * pow(2, -1, N) % N
    digits = [1 if recoded >> i & 1 else -1 for i in range(256)]
    columns = [sum(digits[i + 32 * j] << 32 * j for j in range(8)) for i in range(COLUMNS)]
    assert sum(c << i for i, c in enumerate(columns)) % N == k
    return columns


def degenerate_key(s: int, t: int, column: int, table: str, sign: int) -> int:
    """Return d such that for the key dG the sum so far meets what the column adds next."""
    of_s, of_t = columns_of(s), columns_of(t)
    above_s = sum(c << i for i, c in enumerate(of_s[column + 1 :], 1))
    above_t = sum(c << i for i, c in enumerate(of_t[column + 1 :], 1))
    if table == "G":
        # above_s + above_t d = sign of_s
        return (sign * of_s[column] - above_s) * pow(above_t, -1, N) % N
    # above_s + of_s + above_t d = sign of_t d
    return (above_s + of_s[column]) * pow(sign * of_t[column] - above_t, -1, N) % N


@pytest.mark.parametrize("sign", [1, -1], ids=["equal", "opposite"])
@pytest.mark.parametrize("table", ["G", "key"])
def test_degenerate_additions_fall_back(node: Node, table: str, sign: int) -> None:
    source = random.Random(f"{table}{sign}")  # noqa: S311 - scalars of a test
    first = COLUMNS - 2 if table == "G" else COLUMNS - 1
    accepted = []
    for column in (first, 24, 16, 15, 8, 1, 0):
        s, t = source.randrange(1, N), source.randrange(1, N)
        d = degenerate_key(s, t, column, table, sign)
        key = multiply_generator(d)
        assert key is not None
        build(node, *key)
        total = multiply_generator(s + t * d)
        case = make_case(s, t, key, total)
        # More than the table alone takes: the complete formulas decided.
        if total is None:
            assert (table, sign, column) == ("key", -1, 0)
            any_e = [dataclasses.replace(case, e=(case.r - v) % N) for v in range(3)]
            assert not any(verdicts(node, any_e))
        else:
            accepted.append(case)
        assert verify_gas(node, case) > 3 * TABLE_GAS
        # With another t the same key needs none.
        usual = make_case(s, t + 1, key, multiply_generator(s + (t + 1) * d))
        assert verify_gas(node, usual) < TABLE_GAS
        accepted.append(usual)
    assert len(accepted) >= 13
    assert_accepted(node, accepted)


@pytest.mark.parametrize("d", [2, 3, 4, pow(2, -1, N), 2**32, 2**224, N - 2])
def test_keys_that_are_special_multiples_of_the_generator(node: Node, d: int) -> None:
    key: Any = multiply_generator(d)
    build(node, *key)
    scalars = (1, 2, 3, 5, 2**128, 2**255 + 1, N - 2, N - 1)
    accepted, refused = [], []
    for s, t in itertools.product(scalars, scalars):
        if s == t:
            continue  # r = 0
        total = multiply_generator(s + t * d)
        (refused if total is None else accepted).append(make_case(s, t, key, total))
    assert_accepted(node, accepted)
    assert not any(verdicts(node, refused))

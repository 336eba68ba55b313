"""The Sm contract against the standard, libcrypto, and textbook arithmetic at the edges."""

import dataclasses
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from sm2_textbook import Case, G, add, find_y, make_case, multiply, multiply_generator, negate
from sm_node import Node, Refused

from crypto import sm2
from crypto.keccak import keccak256
from crypto.second_opinion import is_valid_for_gmssl
from crypto.sm2 import N, P, PrivateKey, PublicKey, Signature, digest_e, z_a
from crypto.sm3 import sm3

VERIFY = "verify(bytes32,uint256,uint256,uint256,uint256)"
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sm.json").read_bytes())


def verdicts(node: Node, cases: list[Case]) -> list[bool]:
    found: list[bool] = node.call_each(VERIFY, "bool", [case.arguments for case in cases])
    assert all(verdict in {True, False} for verdict in found)
    return found


def is_valid_for_libcrypto(case: Case) -> bool:
    e = case.e.to_bytes(32, "big")
    return sm2._is_valid_digest(PublicKey(case.x, case.y), e, Signature(case.r, case.s))


def with_wrong_e(case: Case) -> Case:
    return dataclasses.replace(case, e=(case.e + 1) % N)


def assert_accepted(node: Node, cases: list[Case]) -> None:
    """Both implementations accept the cases, and refuse each with another e."""
    assert all(verdicts(node, cases))
    assert not any(verdicts(node, [with_wrong_e(case) for case in cases]))
    assert all(is_valid_for_libcrypto(case) for case in cases)


@pytest.fixture(scope="module")
def signed() -> list[Case]:
    """Two hundred signatures of libcrypto, by twenty keys."""
    cases = []
    for _ in range(20):
        key = PrivateKey.generate()
        for i in range(10):
            message = f"share request {i}".encode()
            signature = key.sign(message)
            e = int.from_bytes(digest_e(key.public_key, message), "big")
            cases.append(Case(e, signature.r, signature.s, key.public_key.x, key.public_key.y))
    return cases


# --- SM3 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS["sm3"], ids=["abc", "64 bytes", "empty"])
def test_sm3_of_the_standard(node: Node, vector: dict[str, str]) -> None:
    digest = node.call("sm3(bytes)", "bytes32", bytes.fromhex(vector["message_hex"]))
    assert digest.hex() == vector["digest_hex"]


def test_sm3_of_every_length(node: Node) -> None:
    source = random.Random(3)  # noqa: S311 - messages, not keys
    messages = [source.randbytes(length) for length in range(201)]
    messages += [source.randbytes(length) for length in (1_000, 4_096, 65_535)]
    messages += [b"\xff" * length for length in (55, 56, 63, 64, 119, 120, 128)]
    found = node.call_each("sm3(bytes)", "bytes32", [(message,) for message in messages])
    assert found == [sm3(message) for message in messages]


def test_digest_is_of_both_parts(node: Node) -> None:
    key = PrivateKey.from_int(7).public_key
    messages = [bytes(range(length)) for length in (0, 1, 22, 23, 24, 31, 32, 33, 128, 200)]
    calls = [(key.key_id, message) for message in messages]
    found = node.call_each("digest(bytes32,bytes)", "bytes32", calls)
    assert found == [digest_e(key, message) for message in messages]


# --- key ids ------------------------------------------------------------------------------------


def test_key_id_is_z_a(node: Node) -> None:
    keys = [PrivateKey.generate().public_key for _ in range(30)]
    keys += [PrivateKey.from_int(d).public_key for d in (1, 2, 3, N - 2)]
    vector = VECTORS["sm2"][0]
    keys.append(PublicKey(int(vector["public_key_x_hex"], 16), int(vector["public_key_y_hex"], 16)))
    found = node.call_each("keyId(uint256,uint256)", "bytes32", [(k.x, k.y) for k in keys])
    assert found == [key.key_id for key in keys]
    assert found[-1].hex() == "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"


def not_points() -> list[tuple[int, int]]:
    assert G is not None
    low = next(x for x in itertools.count(1) if find_y(x) is not None)
    low_y = find_y(low)
    assert low_y is not None
    return [
        (0, 0),
        (G[0], G[1] + 1),
        (G[0] + 1, G[1]),
        (G[1], G[0]),
        (G[0], 0),
        (0, G[1]),
        # The same residues, not reduced.
        (low + P, low_y),
        (P, find_y(0) or 0),
        (2**256 - 1, 2**256 - 1),
        (G[0], G[1] ^ 1 << 255),
    ]


@pytest.mark.parametrize(("x", "y"), not_points())
def test_key_id_of_no_point_is_refused(node: Node, x: int, y: int) -> None:
    with pytest.raises(Refused) as refused:
        node.call("keyId(uint256,uint256)", "bytes32", x, y)
    error = keccak256(b"PublicKeyInvalid(uint256,uint256)")[:4]
    assert refused.value.data == error + x.to_bytes(32, "big") + y.to_bytes(32, "big")


# --- signatures ---------------------------------------------------------------------------------


def test_example_of_the_standard(node: Node) -> None:
    vector = VECTORS["sm2"][0]
    case = Case(
        *(
            int(vector[name], 16)
            for name in ("e_hex", "r_hex", "s_hex", "public_key_x_hex", "public_key_y_hex")
        )
    )
    assert_accepted(node, [case])
    key = PublicKey(case.x, case.y)
    assert node.call("digest(bytes32,bytes)", "bytes32", key.key_id, b"message digest") == (
        case.e.to_bytes(32, "big")
    )


def test_signatures_of_libcrypto(node: Node, signed: list[Case]) -> None:
    assert len(signed) == 200
    assert_accepted(node, signed)


def test_three_implementations_agree(node: Node) -> None:
    """The contract, libcrypto, and gmssl as a second opinion from code of other origin."""
    source = random.Random(13)  # noqa: S311 - picks bits to flip
    valid = refused = 0
    for i in range(12):
        key = PrivateKey.generate()
        message = f"catalogue entry {i}".encode() * (i + 1)
        signature = key.sign(message)
        altered = [
            Signature(signature.r ^ 1 << source.randrange(250), signature.s),
            Signature(signature.r, signature.s ^ 1 << source.randrange(250)),
            Signature(signature.s, signature.r),
            Signature(signature.r, N - signature.s),
        ]
        public = key.public_key
        tried = [
            (message, signature),
            (message + b" ", signature),
            *((message, a) for a in altered),
        ]
        for text, candidate in tried:
            e = digest_e(public, text)
            case = Case(int.from_bytes(e, "big"), candidate.r, candidate.s, public.x, public.y)
            found = verdicts(node, [case])[0]
            assert found == is_valid_for_libcrypto(case)
            assert found == is_valid_for_gmssl(public, text, candidate)
            valid += found
            refused += not found
    assert (valid, refused) == (12, 60)


def test_altered_signatures(node: Node, signed: list[Case]) -> None:
    source = random.Random(5)  # noqa: S311 - picks bits to flip
    altered = []
    for case in signed:
        for field in ("e", "r", "s"):
            value = getattr(case, field) ^ 1 << source.randrange(256)
            altered.append(dataclasses.replace(case, **{field: value}))
        altered.append(dataclasses.replace(case, r=case.s, s=case.r))
        altered.append(dataclasses.replace(case, y=P - case.y))
        altered.append(dataclasses.replace(case, s=N - case.s))
    for case, other in itertools.pairwise(signed[::10]):
        altered.append(dataclasses.replace(case, x=other.x, y=other.y))
    assert not any(verdicts(node, altered))


def test_values_out_of_range(node: Node, signed: list[Case]) -> None:
    case = signed[0]
    for field in ("r", "s"):
        outside = (0, N, N + 1, getattr(case, field) + N, P, 2**256 - 1)
        cases = [dataclasses.replace(case, **{field: value}) for value in outside if value < 2**256]
        assert len(cases) >= 5
        assert not any(verdicts(node, cases))
    assert not any(verdicts(node, [Case(case.e, 0, 0, case.x, case.y)]))


def test_t_of_zero(node: Node) -> None:
    # r + s = n: sG alone would decide, for any key. e is chosen so that only step B5 refuses.
    key = PrivateKey.from_int(99).public_key
    for s in (1, 2, 12345, N - 1):
        point = multiply(s, G)
        assert point is not None
        r = N - s
        case = Case((r - point[0]) % N, r, s, key.x, key.y)
        assert verdicts(node, [case]) == [False]


@pytest.mark.parametrize(("x", "y"), not_points())
def test_key_that_is_no_point(node: Node, signed: list[Case], x: int, y: int) -> None:
    assert verdicts(node, [dataclasses.replace(signed[0], x=x, y=y)]) == [False]


def test_point_of_another_curve(node: Node) -> None:
    # On y² = x³ + ax + b' the same formulas hold; a signature that fits there must not count.
    key = (5, 7)
    s, t = 3, 11
    r = t - s
    total = add(multiply(s, G), multiply(t, key))
    assert total is not None
    assert verdicts(node, [Case((r - total[0]) % N, r, s, *key)]) == [False]


def test_wrong_user_id(node: Node) -> None:
    key = PrivateKey.generate()
    signature = key.sign(b"message", user_id=b"another user id")
    public = key.public_key
    right = int.from_bytes(sm3(z_a(public, b"another user id") + b"message"), "big")
    wrong = int.from_bytes(digest_e(public, b"message"), "big")
    cases = [Case(e, signature.r, signature.s, public.x, public.y) for e in (right, wrong)]
    assert verdicts(node, cases) == [True, False]


def test_e_is_taken_modulo_n(node: Node, signed: list[Case]) -> None:
    source = random.Random(9)  # noqa: S311 - scalars of a test
    cases = []
    for e in (N, N + 5, 2**256 - 1, 0, 1):
        # x1 = r - e mod n: take a known point and a key that fits, (R - sG) / t.
        point = multiply(source.randrange(1, N), G)
        assert point is not None
        r = (e + point[0]) % N
        s = source.randrange(1, N)
        t = (r + s) % N
        key = multiply(pow(t, -1, N), add(point, negate(multiply(s, G))))
        assert key is not None
        cases.append(Case(e, r, s, *key))
    assert all(verdicts(node, cases))
    assert not any(verdicts(node, [dataclasses.replace(case, e=case.e ^ 2) for case in cases]))
    assert all(is_valid_for_libcrypto(case) for case in cases)


def points_with_x(start: int, count: int) -> list[tuple[int, int]]:
    found = ((x, find_y(x)) for x in itertools.count(start))
    return list(itertools.islice(((x, y) for x, y in found if y is not None), count))


@pytest.mark.parametrize(
    "start",
    [N, 0, P - N - 10, (N + P) // 2],
    ids=["x1 from n on", "x1 small", "x1 around p - n", "x1 between n and p"],
)
def test_x1_beyond_n(node: Node, start: int) -> None:
    """x1 in [n, p), which chance does not meet, and its neighbours."""
    source = random.Random(start)  # noqa: S311 - scalars of a test
    cases = []
    for point in points_with_x(start, 6):
        s, t = source.randrange(1, N), source.randrange(1, N)
        key = multiply(pow(t, -1, N), add(point, negate(multiply(s, G))))
        case = make_case(s, t, key, point)
        assert (case.r - case.e - point[0]) % N == 0
        cases.append(case)
    assert_accepted(node, cases)


def test_residue_decides_only_where_the_point_has_it(node: Node) -> None:
    # v below p - n where x1 is neither v nor v + n.
    case = make_case(17, 23, multiply_generator(29), multiply_generator(17 + 23 * 29))
    cases = [dataclasses.replace(case, e=(case.r - v) % N) for v in (0, 1, P - N - 1, P - N)]
    assert not any(verdicts(node, cases))


# --- additions that degenerate ------------------------------------------------------------------


SCALARS = (1, 2, 3, 4, 5, 7, 2**128, 2**254, 2**255 + 1, N - 2, N - 1)


@pytest.mark.parametrize(
    "d", [1, 2, 3, 4, 5, 6, 8, pow(2, -1, N), pow(3, -1, N), 2 * pow(3, -1, N) % N]
)
def test_keys_that_are_small_multiples_of_the_generator(node: Node, d: int) -> None:
    accepted, refused = [], []
    for sign in (1, -1):
        key = multiply_generator(sign * d)
        for s, t in itertools.product(SCALARS, SCALARS):
            if s == t:
                continue  # r = 0
            total = multiply_generator(s + t * sign * d)
            case = make_case(s, t, key, total)
            at_infinity = total is None
            (refused if at_infinity else accepted).append(case)
    assert_accepted(node, accepted)
    assert not any(verdicts(node, refused))
    # Any e: infinity has no x1.
    for case in refused:
        assert not any(
            verdicts(node, [dataclasses.replace(case, e=(case.r - v) % N) for v in range(3)])
        )


def test_degenerate_additions_inside_the_chain(node: Node) -> None:
    """Keys for which the sum so far meets what is added next, with either sign."""
    digits = range(4)
    source = random.Random(11)  # noqa: S311 - scalars of a test
    every = itertools.product(digits, digits, digits, digits, (1, -1))
    cases, at_infinity = [], 0
    for first_s, first_t, next_s, next_t, sign in source.sample(list(every), 300):
        # 4 (first_s G + first_t P) = sign (next_s G + next_t P), solved for P = dG.
        below = (4 * first_t - sign * next_t) % N
        if below == 0:
            continue
        d = (sign * next_s - 4 * first_s) * pow(below, -1, N) % N
        if d == 0:
            continue
        key = multiply_generator(d)
        # The two digits stand at the top, in the middle, and at the very end.
        for shift in (252, 128, 0):
            low = source.randrange(2**shift) if shift else 0
            s = (first_s * 4 + next_s << shift) + low
            t = (first_t * 4 + next_t << shift) + (low >> 1)
            if not (0 < s < N and 0 < t < N and s != t):
                continue
            total = multiply_generator(s + t * d)
            case = make_case(s, t, key, total)
            if total is None:
                at_infinity += 1
                assert verdicts(node, [case]) == [False]
            else:
                cases.append(case)
    assert len(cases) > 300
    assert at_infinity > 20
    assert_accepted(node, cases)


# --- the artifact -------------------------------------------------------------------------------


def opcodes_of(artifact: dict[str, Any]) -> set[int]:
    code = bytes.fromhex(artifact["deployedBytecode"][2:])
    at, opcodes = 0, set()
    while at < len(code):
        opcodes.add(code[at])
        at += code[at] - 0x5E if 0x60 <= code[at] <= 0x7F else 1
    return opcodes


def test_contract_has_no_storage(artifact: dict[str, Any]) -> None:
    assert {entry["type"] for entry in artifact["abi"]} == {"function", "error"}
    changing = {
        entry["name"]
        for entry in artifact["abi"]
        if entry["type"] == "function" and entry["stateMutability"] not in {"pure", "view"}
    }
    assert changing == {"buildTable"}
    # SLOAD, SSTORE, CREATE, CALLCODE, DELEGATECALL, SELFDESTRUCT, PUSH0, MCOPY, TLOAD, TSTORE.
    forbidden = {0x54, 0x55, 0xF0, 0xF2, 0xF4, 0xFF, 0x5F, 0x5E, 0x5C, 0x5D}
    assert not opcodes_of(artifact) & forbidden


def test_contract_fits(artifact: dict[str, Any]) -> None:
    assert len(artifact["deployedBytecode"]) // 2 - 1 <= 22 * 1024

"""One signature for several messages: what stands in a group holds, and nothing else does."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import CryptoError, ProtocolError, SanlianError, VerificationError
from crypto.second_opinion import is_valid_for_gmssl
from crypto.sm2 import PrivateKey, Signature, Signer
from crypto.sm3 import sm3
from protocol.httpsig import (
    Group,
    GroupSigner,
    ProviderAnswer,
    Unsigned,
    parse_answer,
    parse_forward,
    prepare_answer,
    prepare_forward,
    sign_all,
)

KEY = PrivateKey.from_int(4711)
NOW = 1_790_000_000


def answers(count: int) -> list[tuple[bytes, bytes, Unsigned]]:
    """Return body, leaf and message of so many answers."""
    made = []
    for number in range(count):
        body, leaf = b'{"data":%d}' % number, sm3(b"%d" % number)
        message = prepare_answer(
            KEY.public_key, status=200, body=body, intent_leaf=leaf, created=NOW
        )
        made.append((body, leaf, message))
    return made


def parse(headers: dict[str, str], body: bytes, leaf: bytes) -> ProviderAnswer:
    """Parse an answer as the gateway does."""
    return parse_answer(status=200, headers=headers.items(), body=body, intent_leaf=leaf)


@given(st.integers(1, 40))
def test_each_of_a_group_stands_alone(count: int) -> None:
    made = answers(count)
    signed = sign_all(KEY, [message for _, _, message in made])
    assert len({headers["signature"] for headers in signed}) == 1
    for (body, leaf, _), headers in zip(made, signed, strict=True):
        answer = parse(headers, body, leaf)
        assert (answer.group is None) == (count == 1)
        again = ProviderAnswer.from_record(answer.to_record(), intent_leaf=leaf)
        assert again == answer
        again.verify()


def test_what_is_signed_is_what_the_protocol_says() -> None:
    made = answers(3)
    headers = sign_all(KEY, [message for _, _, message in made])[2]
    leaves = [sm3(b"\x00" + message.base) for _, _, message in made]
    left = sm3(b"\x01" + leaves[0] + leaves[1])
    root = sm3(b"\x01" + left + leaves[2])
    text = b"sanlian/group/v1\n3\n" + root.hex().encode() + b"\n"
    assert headers["sanlian-group"] == f"2;3;{left.hex()}"
    answer = parse(headers, made[2][0], made[2][1])
    assert is_valid_for_gmssl(KEY.public_key, text, answer.signature)


def test_nothing_else_is_in_the_group() -> None:
    made = answers(5)
    signed = sign_all(KEY, [message for _, _, message in made])
    (body, leaf, _), headers = made[1], signed[1]
    group = Group.from_header(headers["sanlian-group"])
    answer = parse(headers, body, leaf)
    others = [
        replace(group, index=0),
        replace(group, index=2),
        replace(group, size=6),
        replace(group, index=7),
        replace(group, path=group.path[:-1]),
        replace(group, path=(*group.path, bytes(32))),
        replace(group, path=(bytes(32), *group.path[1:])),
        Group.from_header(signed[2]["sanlian-group"]),
        None,
    ]
    for other in others:
        with pytest.raises(VerificationError, match=r"SIGNATURE_INVALID|does not"):
            replace(answer, group=other).verify()
    with pytest.raises(VerificationError):
        replace(answer, status=201).verify()
    with pytest.raises(VerificationError):
        parse({**headers, "sanlian-group": signed[2]["sanlian-group"]}, body, leaf)
    # A group that held once is remembered; a message that is not in it still is not.
    for _ in range(2):
        with pytest.raises(SanlianError):
            parse(headers, made[2][0], made[2][1])
    wrong = replace(answer, signature=Signature(answer.signature.r, answer.signature.s ^ 1))
    with pytest.raises(VerificationError):
        wrong.verify()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0;1;" + "00" * 32,
        "0;2;",
        "00;2;" + "00" * 32,
        "0;2;" + "0A" * 32,
        "0;1025;" + "00" * 32,
        "0;2;" + ",".join(["00" * 32] * 11),
        "-1;2;" + "00" * 32,
        "0;2;" + "00" * 32 + ",",
        "0;2;" + "00" * 32 + "\n",
    ],
)
def test_a_malformed_header_is_refused(text: str) -> None:
    body, leaf, message = answers(1)[0]
    headers = sign_all(KEY, [message])[0]
    with pytest.raises(ProtocolError, match="sanlian-group"):
        parse({**headers, "sanlian-group": text}, body, leaf)


def test_forwarded_calls_in_a_group() -> None:
    call = {"method": "GET", "authority": "provider.example", "path": "/records", "body": b""}
    leaves = [sm3(b"%d" % number) for number in range(4)]
    signed = sign_all(
        KEY,
        [
            prepare_forward(KEY.public_key, **call, query=f"n={n}", intent_leaf=leaf, created=NOW)  # type: ignore[arg-type]
            for n, leaf in enumerate(leaves)
        ],
    )
    for n, headers in enumerate(signed):
        found = parse_forward(**call, query=f"n={n}", headers=headers.items())  # type: ignore[arg-type]
        assert found.intent_leaf == leaves[n]
        with pytest.raises(VerificationError):
            parse_forward(**call, query="n=9", headers=headers.items())  # type: ignore[arg-type]


class SlowKey:
    """A key that is not in memory: it counts how often it signs, and fails when told to."""

    public_key = KEY.public_key

    def __init__(self) -> None:
        self.count = 0
        self.fails: Exception | None = None

    def sign(self, message: bytes, *, user_id: bytes = b"1234567812345678") -> Signature:
        """Sign, or fail."""
        self.count += 1
        if self.fails is not None:
            raise self.fails
        return KEY.sign(message, user_id=user_id)


@pytest.mark.parametrize("key", [KEY, SlowKey()])
def test_the_signer_makes_groups(key: Signer) -> None:
    made = answers(20)

    async def sign() -> list[dict[str, str]]:
        signer = GroupSigner(key)
        first = await signer.sign(made[0][2])
        rest = await asyncio.gather(*(signer.sign(message) for _, _, message in made[1:]))
        return [first, *rest]

    signed = asyncio.run(sign())
    assert len({headers["signature"] for headers in signed}) == 2
    for (body, leaf, _), headers in zip(made, signed, strict=True):
        parse(headers, body, leaf)


@pytest.mark.parametrize("failure", [CryptoError("TOKEN_FAILED", "gone"), RuntimeError("defect")])
def test_a_key_that_fails_fails_everybody_and_may_come_back(failure: Exception) -> None:
    key = SlowKey()
    made = answers(3)

    async def sign() -> None:
        signer = GroupSigner(key)
        key.fails = failure
        results = await asyncio.gather(
            *(signer.sign(message) for _, _, message in made), return_exceptions=True
        )
        assert all(result is failure for result in results)
        key.fails = None
        await signer.sign(made[0][2])

    asyncio.run(sign())

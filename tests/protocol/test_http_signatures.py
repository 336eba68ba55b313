"""Signed HTTP calls: one form, and nothing that was altered, doubled or spelt otherwise."""

from collections.abc import Callable
from typing import Any

import pytest

from crypto.errors import ProtocolError, SanlianError, VerificationError
from crypto.sm3 import sm3
from protocol.example_keys import example_key
from protocol.httpsig import (
    EVIDENCE_TAG,
    SignedRequest,
    canonical_authority,
    parse_answer,
    parse_content_digest,
    parse_forward,
    parse_request,
    sign_answer,
    sign_forward,
    sign_request,
)
from protocol.records import REQUEST_MEMBERS

KEY, OTHER = example_key("02/system"), example_key("03/provider")
BODY = b'{"parameters":{},"salt":"00"}'
AUTHORITY, PATH, NOW = "gateway.example:8441", "/v1/data", 1_800_000_000
LEAF = sm3(b"intent")

MALFORMED = "SIGNATURE_MALFORMED"

Lines = list[tuple[str, str]]


def signed(**others: Any) -> tuple[SignedRequest, Lines]:
    arguments: dict[str, Any] = {
        "authority": AUTHORITY,
        "path": PATH,
        "created": NOW,
        "nonce": "00" * 16,
        "grant": sm3(b"grant"),
        "person": "clerk-7",
        "basis": "LAW-1",
        "scenario": "S-1",
        **others,
    }
    request, headers = sign_request(KEY, BODY, **arguments)
    return request, list(headers.items())


def parse(headers: Lines, **others: Any) -> SignedRequest:
    arguments: dict[str, Any] = {
        "method": "POST",
        "authority": AUTHORITY,
        "path": PATH,
        "body": BODY,
        **others,
    }
    return parse_request(headers=headers, **arguments)


def with_header(lines: Lines, name: str, change: Callable[[str], str]) -> Lines:
    assert name in dict(lines)
    changed = [(n, change(v) if n == name else v) for n, v in lines]
    assert changed != lines
    return changed


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(SanlianError) as caught:
        call()
    assert isinstance(caught.value, ProtocolError | VerificationError)
    return caught.value.code


@pytest.mark.parametrize("stream", [None, "stream-1;7"])
def test_round_trip(stream: str | None) -> None:
    request, lines = signed(stream=stream)
    assert parse(lines) == request == SignedRequest.from_record(request.to_record())
    noisy = [(n.title(), f" {v}\t") for n, v in reversed(lines)] + [("accept", "*/*")] * 2
    assert parse(noisy) == request
    assert set(request.to_record()) == set(REQUEST_MEMBERS)
    assert all(check(request.to_record()[name]) for name, check in REQUEST_MEMBERS.items())


def test_every_header_once() -> None:
    _, lines = signed(stream="s;1")
    for name, value in lines:
        assert code_of(lambda n=name, v=value: parse([*lines, (n.upper(), v)])) == "HEADER_REPEATED"  # type: ignore[misc]
        missing = [(n, v) for n, v in lines if n != name]
        assert code_of(lambda m=missing: parse(m)) in {"SIGNATURE_MISSING", MALFORMED}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("method", "GET", MALFORMED),
        ("method", "post", MALFORMED),
        ("authority", "other.example", "SIGNATURE_INVALID"),
        ("path", "/v1/data/", MALFORMED),
        ("path", "/v1/evidence", MALFORMED),
        ("body", BODY + b" ", "DIGEST_MISMATCH"),
        ("body", b"", "DIGEST_MISMATCH"),
    ],
)
def test_another_call(name: str, value: Any, code: str) -> None:
    _, lines = signed()
    assert code_of(lambda: parse(lines, **{name: value})) == code


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        ("sanlian-grant", "0", "1", "SIGNATURE_INVALID"),
        ("sanlian-person", "clerk-7", "clerk-8", "SIGNATURE_INVALID"),
        ("sanlian-basis", "LAW-1", "LAW-2", "SIGNATURE_INVALID"),
        ("sanlian-scenario", "S-1", "S-2", "SIGNATURE_INVALID"),
        ("sanlian-case", "-", "1", "SIGNATURE_INVALID"),
        ("sanlian-person", "clerk-7", "", "HEADER_MALFORMED"),
        ("sanlian-person", "clerk-7", "a b", "HEADER_MALFORMED"),
        ("sanlian-person", "clerk-7", "x" * 129, "HEADER_MALFORMED"),
        ("sanlian-person", "clerk-7", "科员", "HEADER_MALFORMED"),
        ("sanlian-person", "clerk-7", "a\nb", "HEADER_MALFORMED"),
        ("content-type", "json", "json; charset=utf-8", "HEADER_MALFORMED"),
        ("content-type", "json", "JSON", "HEADER_MALFORMED"),
        ("content-digest", "sm3=", "sha-256=", "DIGEST_MALFORMED"),
        ("content-digest", "sm3=", "SM3=", "DIGEST_MALFORMED"),
        ("content-digest", "=:", "=:, sm3=:AAAA:", "DIGEST_MALFORMED"),
        # Spelling of the parameters.
        ("signature-input", "sanlian=", "sig1=", MALFORMED),
        ("signature-input", "sanlian=", "sanlian= ", MALFORMED),
        ("signature-input", ";created", "; created", MALFORMED),
        ("signature-input", ";tag=", ';alg="sm2";tag=', MALFORMED),
        ("signature-input", ";created", ';alg="rsa-v1_5-sha256";created', MALFORMED),
        ("signature-input", ";tag=", ";expires=1;tag=", MALFORMED),
        ("signature-input", "created=1", "created=01", MALFORMED),
        ("signature-input", "created=1", "created=-1", MALFORMED),
        (
            "signature-input",
            "created=1800000000",
            "created=9999999999999999",
            MALFORMED,
        ),
        ("signature-input", "created=1800000000", "created=1800000001", "SIGNATURE_INVALID"),
        ("signature-input", 'nonce="00', 'nonce="01', "SIGNATURE_INVALID"),
        ("signature-input", 'nonce="00', 'nonce="0', MALFORMED),
        ("signature-input", 'nonce="00', 'nonce="AA', MALFORMED),
        ("signature-input", "sanlian-data-request", "sanlian-evidence", MALFORMED),
        # What is covered.
        ("signature-input", ' "content-digest"', "", MALFORMED),
        ("signature-input", ' "sanlian-case"', "", MALFORMED),
        (
            "signature-input",
            '"@method" "@authority"',
            '"@authority" "@method"',
            MALFORMED,
        ),
        ("signature-input", '"@path"', '"@path";req', MALFORMED),
        ("signature-input", '"sanlian-case"', '"sanlian-case" "date"', MALFORMED),
        (
            "signature-input",
            '"sanlian-case"',
            '"sanlian-case" "sanlian-stream"',
            MALFORMED,
        ),
        ("signature-input", '" "', '"  "', MALFORMED),
        # The signature and the key.
        ("signature", "sanlian=", "sig1=", MALFORMED),
        ("signature", "=:", "=", MALFORMED),
        ("signature", "==:", "==:, sanlian=:AA==:", MALFORMED),
        ("sanlian-key", KEY.public_key.to_bytes().hex(), "", MALFORMED),
    ],
)
def test_altered_headers(name: str, old: str, new: str, code: str) -> None:
    _, lines = signed()
    altered = with_header(lines, name, lambda v: v.replace(old, new, 1))
    assert code_of(lambda: parse(altered)) == code


def test_altered_signatures_and_keys() -> None:
    _, lines = signed()
    _, others = signed(nonce="11" * 16)
    swapped = with_header(lines, "signature", lambda _: dict(others)["signature"])
    assert code_of(lambda: parse(swapped)) == "SIGNATURE_INVALID"
    zero = with_header(lines, "signature", lambda _: "sanlian=:" + "A" * 86 + "==:")
    assert code_of(lambda: parse(zero)) == MALFORMED
    keys = (OTHER.public_key.to_bytes().hex(), "00" * 64, KEY.public_key.to_bytes().hex().upper())
    for key in keys:
        wrong = with_header(lines, "sanlian-key", lambda _, k=key: k)  # type: ignore[misc]
        assert code_of(lambda w=wrong: parse(w)) == MALFORMED  # type: ignore[misc]
    # Another's key with its own key id: the signature is not its.
    other_id = OTHER.public_key.key_id.hex()
    wrong = with_header(lines, "sanlian-key", lambda _: keys[0])
    wrong = with_header(
        wrong, "signature-input", lambda v: v.replace(KEY.public_key.key_id.hex(), other_id)
    )
    assert code_of(lambda: parse(wrong)) == "SIGNATURE_INVALID"


def test_a_stream_is_signed_or_absent() -> None:
    _, lines = signed(stream="s;1")
    without = [line for line in lines if line[0] != "sanlian-stream"]
    assert code_of(lambda: parse(without)) == MALFORMED
    _, plain = signed()
    assert code_of(lambda: parse([*plain, ("sanlian-stream", "s;1")])) == MALFORMED
    changed = with_header(lines, "sanlian-stream", lambda _: "s;2")
    assert code_of(lambda: parse(changed)) == "SIGNATURE_INVALID"


def test_other_calls_have_another_tag() -> None:
    _, lines = signed(path="/v1/evidence")
    assert f'tag="{EVIDENCE_TAG}"' in dict(lines)["signature-input"]
    parse(lines, path="/v1/evidence")
    assert code_of(lambda: parse(lines)) == MALFORMED
    assert code_of(lambda: parse(lines, path="/v1/other")) == "SIGNATURE_INVALID"


STREAMS = {
    "empty": "",
    "no sequence": "s",
    "empty id": ";1",
    "sequence zero": "s;0",
    "leading zero": "s;01",
    "signed sequence": "s;+1",
    "sequence beyond 2^53 - 1": f"s;{2**53}",
    "sequence of 17 digits": f"s;{10**16}",
    "other digits": "s;１",
    "two sequences": "s;1;2",
    "id with a slash": "a/b;1",
    "id of 65": "x" * 65 + ";1",
    "trailing line break": "s;1\n",
}


@pytest.mark.parametrize("wrong", STREAMS.values(), ids=STREAMS.keys())
def test_streams_that_are_none(wrong: str) -> None:
    assert code_of(lambda: signed(stream=wrong)) == "STREAM_MALFORMED"
    _, lines = signed(stream="s;1")
    changed = with_header(lines, "sanlian-stream", lambda _: wrong)
    assert code_of(lambda: parse(changed)) == "STREAM_MALFORMED"


def test_the_largest_number_of_a_stream() -> None:
    request, lines = signed(stream=f"{'x' * 64};{2**53 - 1}")
    assert parse(lines) == request


@pytest.mark.parametrize("name", ["person", "basis", "scenario", "case"])
def test_texts_that_cannot_be_sent(name: str) -> None:
    for wrong in ("", "a b", "a\r\nx: y", "中", "x" * 129):
        assert code_of(lambda w=wrong: signed(**{name: w})) == "HEADER_MALFORMED"  # type: ignore[misc]


def test_authority() -> None:
    assert canonical_authority("Gateway.Example:443", default_port=443) == "gateway.example"
    assert canonical_authority("gateway.example:8441", default_port=443) == "gateway.example:8441"
    assert canonical_authority("[::1]:8441", default_port=443) == "[::1]:8441"
    for wrong in ("", "a b", "a/b", "a\n", "名", "x" * 256, "user@host"):
        assert code_of(lambda w=wrong: canonical_authority(w, default_port=443)) == (  # type: ignore[misc]
            "AUTHORITY_MALFORMED"
        )


@pytest.mark.parametrize("value", ["", "sm3=::", "sm3=:AAAA:", "sm3=:" + "A" * 44 + ":", "x"])
def test_digests_that_are_none(value: str) -> None:
    assert code_of(lambda: parse_content_digest(value)) == "DIGEST_MALFORMED"


# --- the forwarded call and its answer ----------------------------------------------------------


def forward(headers: Lines, **others: Any) -> object:
    arguments: dict[str, Any] = {
        "method": "GET",
        "authority": "provider.example",
        "path": "/records",
        "query": "id=1",
        "body": b"",
        **others,
    }
    return parse_forward(headers=headers, **arguments)


def test_forward() -> None:
    lines = list(
        sign_forward(
            KEY,
            method="GET",
            authority="provider.example",
            path="/records",
            query="id=1",
            body=b"",
            intent_leaf=LEAF,
            created=NOW,
        ).items()
    )
    forward(lines)
    changes: dict[str, Any] = {
        "method": "POST",
        "authority": "other.example",
        "path": "/records/",
        "query": "id=2",
    }
    for name, value in changes.items():
        assert code_of(lambda n=name, v=value: forward(lines, **{n: v})) == "SIGNATURE_INVALID"  # type: ignore[misc]
    assert code_of(lambda: forward(lines, body=b"x")) == "DIGEST_MISMATCH"
    other = with_header(lines, "sanlian-intent", lambda _: sm3(b"other").hex())
    assert code_of(lambda: forward(other)) == "SIGNATURE_INVALID"
    for name, value in lines:
        assert code_of(lambda n=name, v=value: forward([*lines, (n, v)])) == "HEADER_REPEATED"  # type: ignore[misc]
    # A request's signature is no forward's, nor the other way round.
    assert code_of(lambda: forward([*signed()[1], ("sanlian-intent", LEAF.hex())])) == (MALFORMED)
    assert code_of(lambda: parse(lines)) == MALFORMED


def test_answer() -> None:
    body = b'{"data":[],"salt":"00"}'
    lines = list(sign_answer(OTHER, status=200, body=body, intent_leaf=LEAF, created=NOW).items())

    def answer(headers: Lines, **others: Any) -> object:
        arguments: dict[str, Any] = {"status": 200, "body": body, "intent_leaf": LEAF, **others}
        return parse_answer(headers=headers, **arguments)

    answer(lines)
    assert code_of(lambda: answer(lines, status=206)) == "SIGNATURE_INVALID"
    assert code_of(lambda: answer(lines, body=b"{}")) == "DIGEST_MISMATCH"
    assert code_of(lambda: answer(lines, intent_leaf=sm3(b"other"))) == "INTENT_MISMATCH"
    replayed = with_header(lines, "sanlian-intent", lambda _: sm3(b"other").hex())
    assert code_of(lambda: answer(replayed, intent_leaf=sm3(b"other"))) == "SIGNATURE_INVALID"
    typed = with_header(lines, "content-type", lambda v: v + ";x=y")
    assert code_of(lambda: answer(typed)) == "HEADER_MALFORMED"
    for name, value in lines:
        assert code_of(lambda n=name, v=value: answer([*lines, (n, v)])) == "HEADER_REPEATED"  # type: ignore[misc]

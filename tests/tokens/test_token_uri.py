"""pkcs11: URIs and profiles: what they say, and everything that is refused."""

import dataclasses
from pathlib import Path

import pytest

from crypto.errors import TokenError
from tokens.cryptoki import TokenFlag, TokenInfo
from tokens.profile import PRESETS, Input, Output, Profile, find_presets, make_profile
from tokens.uri import parse_uri

MODULE = "module-path=/usr/lib/vendor.so"


def test_a_whole_uri() -> None:
    uri = parse_uri(
        "pkcs11:token=%E6%B0%91%E6%94%BF%E5%B1%80%20A;serial=0012;slot-id=3;object=operator%3B1;"
        "id=%00%ff;type=private?sm2=8105&module-path=/opt/a%20b/v.so&sm2-key-type=0x3"
    )
    assert uri.module_path == Path("/opt/a b/v.so")
    assert uri.token == {"token": "民政局 A", "serial": "0012"}
    assert (uri.slot_id, uri.label, uri.key_id) == (3, "operator;1", b"\x00\xff")
    assert uri.profile == Profile(0x80008105, Input.DIGEST, Output.RAW, 3, 0x80008001)


def test_which_tokens_it_selects() -> None:
    info = TokenInfo(3, "ministry", "vendor", "m1", "0012", TokenFlag(0))
    uri = parse_uri(
        f"pkcs11:token=ministry;manufacturer=vendor;model=m1;serial=0012;slot-id=3?{MODULE}"
    )
    assert uri.is_of(info)
    assert parse_uri(f"pkcs11:?{MODULE}").is_of(info)
    for name, value in (
        ("label", "x"),
        ("manufacturer", "x"),
        ("model", ""),
        ("serial", "001"),
        ("slot_id", 4),
    ):
        assert not uri.is_of(dataclasses.replace(info, **{name: value}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "operator.pem",
        "PKCS11:token=a?" + MODULE,
        "pkcs11:token=a",  # no module
        "pkcs11:token=a?module-path=vendor.so",
        "pkcs11:token=a?module-path=",
        f"pkcs11:token=a;token=b?{MODULE}",
        f"pkcs11:token=a;?{MODULE}",
        f"pkcs11:token?{MODULE}",
        f"pkcs11:token=%g1?{MODULE}",
        f"pkcs11:token=a b?{MODULE}",
        f"pkcs11:token=民?{MODULE}",
        f"pkcs11:token=%ff?{MODULE}",  # not UTF-8
        f"pkcs11:slot-id=x?{MODULE}",
        f"pkcs11:slot-id={'1' * 30}?{MODULE}",
        f"pkcs11:type=cert?{MODULE}",
        f"pkcs11:library-version=3?{MODULE}",  # not understood: it might have excluded the token
        f"pkcs11:token=a?{MODULE}&x-vendor=1",
        f"pkcs11:token=a?{MODULE}&{MODULE}",
        f"pkcs11:token=a?{MODULE}&sm2=9999",
        f"pkcs11:token=a?{MODULE}&sm2-mechanism=0x80008105",
        f"pkcs11:token=a?{MODULE}&sm2=8105&sm2-mechanism=32773",
        f"pkcs11:token=a?{MODULE}&sm2=8105&sm2-mechanism=0x{'1' * 17}",
        f"pkcs11:token=a?{MODULE}&sm2=8105&sm2-input=hash",
        f"pkcs11:token=a?{MODULE}&sm2=8105&sm2-output=%FF",
        "pkcs11:token=" + "a" * 3000 + "?" + MODULE,
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(TokenError) as caught:
        parse_uri(text)
    assert caught.value.code == "PKCS11_URI_INVALID"


@pytest.mark.parametrize("attribute", ["pin-value=123456", "pin-source=file:/etc/pin"])
def test_a_pin_in_a_uri_is_refused_and_not_repeated(attribute: str) -> None:
    with pytest.raises(TokenError, match="a PIN is typed") as caught:
        parse_uri(f"pkcs11:token=a?{MODULE}&{attribute}")
    assert "123456" not in str(caught.value)


def test_presets_and_settings() -> None:
    assert make_profile({"sm2": "8103"}) == PRESETS["8103"]
    own = {"sm2-mechanism": "0x80000b04", "sm2-input": "prefixed", "sm2-output": "raw"}
    assert make_profile(own) == Profile(0x80000B04, Input.PREFIXED, Output.RAW)
    assert find_presets(frozenset({0x1041, 0x80008101, 0x8005000B})) == ["8101", "ibm"]
    mechanisms = [profile.mechanism for profile in PRESETS.values()]
    assert len(set(mechanisms)) == len(mechanisms)

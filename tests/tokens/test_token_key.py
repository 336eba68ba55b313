"""Keys in a token: a module written in C with real SM2 keys behind the real interface."""

import contextlib
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crypto.errors import TokenError
from crypto.sm2 import PrivateKey, Signer, is_valid, verify
from tests.tokens.soft_token import Asked, SoftToken
from tokens import cryptoki
from tokens.cryptoki import open_module
from tokens.key import TokenKey, generate_key, list_keys, list_tokens
from tokens.profile import PRESETS

MESSAGE = b"an act"


def fails(code: str, call: object, *arguments: object) -> TokenError:
    with pytest.raises(TokenError) as caught:
        call(*arguments)  # type: ignore[operator]
    assert caught.value.code == code, str(caught.value)
    return caught.value


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "ibm"])
def test_every_way_to_sign_gives_the_same_kind_of_signature(
    token: SoftToken, operator: PrivateKey, preset: str
) -> None:
    with TokenKey(token.uri(query=f"sm2={preset}"), Asked()) as key:
        signer: Signer = key
        assert signer.public_key == operator.public_key
        for message in (b"", MESSAGE, bytes(70_000)):
            verify(operator.public_key, message, signer.sign(message))


@pytest.mark.parametrize("preset", ["8101", "8104", "8105"])
def test_other_user_ids_where_this_side_computes_z(
    token: SoftToken, operator: PrivateKey, preset: str
) -> None:
    with TokenKey(token.uri(query=f"sm2={preset}"), Asked()) as key:
        signature = key.sign(MESSAGE, user_id=b"ALICE123@YAHOO.COM")
    assert is_valid(operator.public_key, MESSAGE, signature, user_id=b"ALICE123@YAHOO.COM")
    assert not is_valid(operator.public_key, MESSAGE, signature)


def test_no_other_user_id_where_the_token_computes_z(token: SoftToken) -> None:
    with TokenKey(token.uri(query="sm2=8103"), Asked()) as key, pytest.raises(TokenError) as caught:
        key.sign(MESSAGE, user_id=b"other")
    assert caught.value.code == "PKCS11_MECHANISM_UNSUPPORTED"


def test_a_profile_in_numbers(token: SoftToken, operator: PrivateKey) -> None:
    query = "sm2-mechanism=0x80008105&sm2-input=digest&sm2-output=raw"
    with TokenKey(token.uri(query=query), Asked()) as key:
        verify(operator.public_key, MESSAGE, key.sign(MESSAGE))


@pytest.mark.parametrize(
    "query",
    [
        "sm2=8105&sm2-output=der",
        "sm2=8104&sm2-output=raw",
        "sm2=8101&sm2-input=message",  # the token then signs without Z_A
        "sm2=8103&sm2-input=prefixed",
    ],
)
def test_a_profile_that_does_not_fit_gives_no_signature(token: SoftToken, query: str) -> None:
    with TokenKey(token.uri(query=query), Asked()) as key:
        fails("PKCS11_SIGNATURE_WRONG", key.sign, MESSAGE)


@pytest.mark.parametrize("preset", ["8104", "8105"])
@pytest.mark.parametrize("fault", ["flip", "long"])
def test_a_broken_token_gives_no_signature(token: SoftToken, preset: str, fault: str) -> None:
    with TokenKey(token.uri(query=f"sm2={preset}"), Asked()) as key:
        token.switch(fault)
        fails("PKCS11_SIGNATURE_WRONG", key.sign, MESSAGE)
        token.switch(fault, on=False)
        key.sign(MESSAGE)


@pytest.mark.parametrize("way", ["point-raw", "point-bare", "point-bits", "no-public"])
def test_ways_to_show_the_public_key(token: SoftToken, operator: PrivateKey, way: str) -> None:
    token.switch(way)
    with TokenKey(token.uri(), Asked()) as key:
        assert key.public_key == operator.public_key


@pytest.mark.parametrize("way", ["no-point", "p256"])
def test_a_key_without_a_point_on_the_curve(token: SoftToken, way: str) -> None:
    token.switch(way)
    fails("PKCS11_KEY_UNSUITABLE", TokenKey, token.uri(), Asked())


def test_a_point_off_the_curve(token: SoftToken, operator: PrivateKey) -> None:
    file = token.directory / "key-0"
    words = file.read_text().split()
    words[3] = words[3][:-2] + f"{int(words[3][-2:], 16) ^ 1:02x}"
    file.write_text(" ".join(words))
    fails("PKCS11_KEY_UNSUITABLE", TokenKey, token.uri(), Asked())


def test_the_public_key_of_another_private_key(token: SoftToken) -> None:
    """A token that shows a wrong public key signs for nobody."""
    file = token.directory / "key-0"
    words = file.read_text().split()
    words[3] = "04" + PrivateKey.generate().public_key.to_bytes().hex()
    file.write_text(" ".join(words))
    with TokenKey(token.uri(), Asked()) as key:
        fails("PKCS11_SIGNATURE_WRONG", key.sign, MESSAGE)


# Selection


def test_selection_of_token_and_key(token: SoftToken, operator: PrivateKey) -> None:
    other = PrivateKey.generate()
    token.add("head", other, b"\x02")
    fails("PKCS11_KEY_AMBIGUOUS", TokenKey, token.uri("token=ministry"), Asked())
    fails("PKCS11_KEY_UNKNOWN", TokenKey, token.uri("object=nobody"), Asked())
    fails("PKCS11_KEY_UNKNOWN", TokenKey, token.uri("object=operator;id=%02"), Asked())
    for path, expected in (("object=head", other), ("id=%02", other), ("id=%01", operator)):
        with TokenKey(token.uri(path), Asked()) as key:
            assert key.public_key == expected.public_key
    fails("PKCS11_TOKEN_UNKNOWN", TokenKey, token.uri("token=other;object=head"), Asked())
    token.switch("twin")
    fails("PKCS11_TOKEN_AMBIGUOUS", TokenKey, token.uri("token=ministry;object=head"), Asked())
    for path in ("serial=0008;object=head", "slot-id=8;object=head"):
        with TokenKey(token.uri(path), Asked()) as key:
            assert key.public_key == other.public_key


def test_two_keys_of_one_id(token: SoftToken) -> None:
    token.add("operator", PrivateKey.generate(), b"\x01")
    fails("PKCS11_KEY_AMBIGUOUS", TokenKey, token.uri(), Asked())


def test_a_pair_without_id_is_found_by_its_label(token: SoftToken, operator: PrivateKey) -> None:
    (token.directory / "key-0").unlink()
    token.add("operator", operator, b"")
    with TokenKey(token.uri(), Asked()) as key:
        assert key.public_key == operator.public_key


def test_a_uri_without_profile_signs_nothing(token: SoftToken) -> None:
    fails("PKCS11_URI_INVALID", TokenKey, token.uri(query=""), Asked())
    assert token.tries == 0


def test_a_mechanism_that_the_token_lacks(token: SoftToken) -> None:
    token.switch("only", text="80008105\n")
    asked = Asked()
    error = fails("PKCS11_MECHANISM_UNSUPPORTED", TokenKey, token.uri(), asked)
    assert error.details["mechanism"] == "0x80008104"
    assert (asked.count, token.tries) == (0, 0)
    fails("PKCS11_MECHANISM_UNSUPPORTED", TokenKey, token.uri(query="sm2=ibm"), Asked())


# PIN


def test_a_wrong_pin_is_tried_once(token: SoftToken) -> None:
    error = fails("PKCS11_PIN_INVALID", TokenKey, token.uri(), Asked("000000"))
    assert token.tries == 1
    assert "000000" not in str(error) + repr(error.details)


def test_programs_do_not_use_up_the_tries(token: SoftToken) -> None:
    """A service that is restarted with a wrong PIN costs one try; a person sets it right."""
    fails("PKCS11_PIN_INVALID", TokenKey, token.uri(), Asked("000000"))
    for _ in range(5):
        fails("PKCS11_PIN_COUNT_LOW", TokenKey, token.uri(), Asked("000000"))
        fails("PKCS11_PIN_COUNT_LOW", TokenKey, token.uri(), Asked())
    assert token.tries == 1
    TokenKey(token.uri(), Asked(typed=True)).close()
    TokenKey(token.uri(), Asked()).close()
    assert token.tries == 3


def test_a_locked_pin(token: SoftToken) -> None:
    codes = []
    for _ in range(4):
        with pytest.raises(TokenError) as caught:
            TokenKey(token.uri(), Asked("000000", typed=True))
        codes.append(caught.value.code)
    invalid, locked = "PKCS11_PIN_INVALID", "PKCS11_PIN_LOCKED"
    assert codes == [invalid, invalid, locked, locked]
    assert token.tries == 3
    fails("PKCS11_PIN_LOCKED", TokenKey, token.uri(), Asked())
    assert token.tries == 3


def test_tokens_that_ask_themselves_or_not_at_all(token: SoftToken, operator: PrivateKey) -> None:
    asked = Asked("000000")
    token.switch("keypad")
    with TokenKey(token.uri(), asked) as key:
        verify(operator.public_key, MESSAGE, key.sign(MESSAGE))
    token.switch("keypad", on=False)
    token.switch("no-login")
    with TokenKey(token.uri(), asked) as key:
        verify(operator.public_key, MESSAGE, key.sign(MESSAGE))
    assert (asked.count, token.tries) == (0, 1)


def test_a_key_that_wants_the_pin_each_time(token: SoftToken, operator: PrivateKey) -> None:
    token.switch("each-time")
    asked = Asked()
    with TokenKey(token.uri(), asked) as key:
        for _ in range(3):
            verify(operator.public_key, MESSAGE, key.sign(MESSAGE))
    assert (asked.count, token.tries) == (1, 4)


def test_nothing_shows_the_pin(token: SoftToken) -> None:
    asked = Asked("246813")
    assert "246813" not in repr(asked.pin) + str(asked.pin)
    with pytest.raises(TypeError):
        pickle.dumps(asked.pin)
    token.switch("pin", text="246813")
    with TokenKey(token.uri(), asked) as key:
        assert repr(key) == f"<TokenKey key_id={key.public_key.key_id.hex()}>"
        with pytest.raises(TypeError):
            pickle.dumps(key)


# Removal, hanging, threads


def test_a_token_that_is_removed_and_comes_back(token: SoftToken, operator: PrivateKey) -> None:
    asked = Asked()
    with TokenKey(token.uri(), asked) as key:
        key.sign(MESSAGE)
        token.switch("removed")
        for _ in range(3):
            fails("PKCS11_TOKEN_UNKNOWN", key.sign, MESSAGE)
        token.switch("removed", on=False)
        verify(operator.public_key, MESSAGE, key.sign(MESSAGE))
    assert (asked.count, token.tries) == (1, 2)


def test_a_short_removal_is_not_noticed(token: SoftToken, operator: PrivateKey) -> None:
    with TokenKey(token.uri(), Asked()) as key:
        token.switch("removed")
        open_module(token.module).find_tokens()
        fails("PKCS11_TOKEN_UNKNOWN", TokenKey, token.uri(), Asked())
        token.switch("removed", on=False)
        verify(operator.public_key, MESSAGE, key.sign(MESSAGE))


def test_a_pin_that_was_changed_meanwhile_is_tried_once(token: SoftToken) -> None:
    with TokenKey(token.uri(), Asked(typed=True)) as key:
        token.switch("removed")
        fails("PKCS11_TOKEN_UNKNOWN", key.sign, MESSAGE)
        token.switch("pin", text="another")
        token.switch("removed", on=False)
        for _ in range(5):
            fails("PKCS11_PIN_INVALID", key.sign, MESSAGE)
    assert token.tries == 2


def test_another_key_in_its_place_is_refused(token: SoftToken) -> None:
    with TokenKey(token.uri(), Asked()) as key:
        token.switch("removed")
        fails("PKCS11_TOKEN_UNKNOWN", key.sign, MESSAGE)
        (token.directory / "key-0").unlink()
        token.add("operator", PrivateKey.generate())
        token.switch("removed", on=False)
        fails("PKCS11_KEY_UNKNOWN", key.sign, MESSAGE)


def test_a_module_that_hangs(
    token: SoftToken, operator: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TokenKey(token.uri(), Asked()) as key:
        monkeypatch.setattr(open_module(token.module), "timeout_s", 0.5)
        token.switch("hang")
        fails("PKCS11_TIMEOUT", key.sign, MESSAGE)
        start = time.monotonic()
        fails("PKCS11_TIMEOUT", key.sign, MESSAGE)
        fails("PKCS11_TIMEOUT", TokenKey, token.uri(), Asked())
        assert time.monotonic() - start < 0.4, "later callers wait again for what hangs"
        token.switch("hang", on=False)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # the thread that hung comes back in its own time
            with contextlib.suppress(TokenError):
                verify(operator.public_key, MESSAGE, key.sign(MESSAGE))
                return
            time.sleep(0.05)
    pytest.fail("the key did not come back")


def test_many_threads_sign_with_one_key_and_with_two(
    token: SoftToken, operator: PrivateKey
) -> None:
    barrier = threading.Barrier(8)
    with TokenKey(token.uri(), Asked()) as one, TokenKey(token.uri(), Asked()) as two:

        def work(number: int) -> None:
            barrier.wait()
            for turn in range(25):
                message = f"{number}/{turn}".encode()
                key = (one, two)[(number + turn) % 2]
                verify(operator.public_key, message, key.sign(message))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
    assert token.tries == 1  # the login is the token's, for all sessions of this process


def test_closing_one_key_leaves_the_other(token: SoftToken, operator: PrivateKey) -> None:
    with TokenKey(token.uri(), Asked()) as one:
        TokenKey(token.uri(), Asked()).close()
        verify(operator.public_key, MESSAGE, one.sign(MESSAGE))
        one.close()
        verify(operator.public_key, MESSAGE, one.sign(MESSAGE))


def test_sessions_do_not_pile_up(token: SoftToken) -> None:
    """The module has 64 sessions: every way out of opening a key has to close its own."""
    for _ in range(70):
        fails("PKCS11_KEY_UNKNOWN", TokenKey, token.uri("object=nobody"), Asked())
        list_keys(token.uri())
    TokenKey(token.uri(), Asked()).close()


_FORK = """
import os, sys
sys.path[:0] = {path!r}
from tests.tokens.soft_token import Asked
from crypto.errors import TokenError
from tokens.key import TokenKey
from tokens.uri import parse_uri
key = TokenKey(parse_uri({uri!r}), Asked())
child = os.fork()
if child == 0:
    try:
        key.sign(b"x")
        os._exit(3)
    except TokenError as error:
        os._exit(0 if error.code == "PKCS11_UNAVAILABLE" else 4)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
key.sign(b"x")
sys.exit(status)
"""


def test_a_forked_process_does_not_use_the_parents_session(token: SoftToken) -> None:
    root = Path(__file__).parents[2]
    code = _FORK.format(path=[str(root)], uri=token.text())
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


# Modules


def test_modules_that_are_none(tmp_path: Path, token: SoftToken) -> None:
    empty = tmp_path / "empty.so"
    empty.write_bytes(b"")
    for path in (tmp_path / "missing.so", empty, Path("relative.so")):
        fails("PKCS11_UNAVAILABLE", list_tokens, path)
    library = next(Path("/usr/lib").rglob("libcrypto.so.3"), None)
    if library is not None:
        assert "not a PKCS#11 module" in str(fails("PKCS11_UNAVAILABLE", list_tokens, library))


def test_return_values_are_named() -> None:
    assert cryptoki.describe_rv(0xA0) == "CKR_PIN_INCORRECT"
    assert cryptoki.describe_rv(0x80000001) == "0x80000001"


# Listing and making


def test_lists(token: SoftToken, operator: PrivateKey) -> None:
    [(info, mechanisms)] = list_tokens(token.module)
    assert (info.label, info.serial, info.model) == ("ministry", "0007", "SM2")
    assert mechanisms == {0x80008001, *range(0x80008100, 0x80008106)}
    [found] = list_keys(token.uri("token=ministry"))
    assert (found.label, found.cka_id, found.public_key) == (
        "operator",
        b"\x01",
        operator.public_key,
    )
    assert token.tries == 0


def test_a_key_made_on_the_token(token: SoftToken) -> None:
    uri = token.uri("token=ministry;object=made")
    with generate_key(uri, Asked(), cka_id=b"\xaa\xbb") as made:
        verify(made.public_key, MESSAGE, made.sign(MESSAGE))
        public_key = made.public_key
    assert token.tries == 1
    with TokenKey(token.uri("id=%AA%BB"), Asked()) as again:
        assert again.public_key == public_key
    fails("PKCS11_KEY_EXISTS", lambda: generate_key(uri, Asked(), cka_id=b"\x05"))
    assert len(list_keys(token.uri("token=ministry"))) == 2


def test_keys_that_cannot_be_made(token: SoftToken) -> None:
    def make(uri: object) -> None:
        generate_key(uri, Asked(), cka_id=b"\x05")  # type: ignore[arg-type]

    fails("PKCS11_URI_INVALID", make, token.uri("token=ministry"))
    fails("PKCS11_URI_INVALID", make, token.uri("object=made", ""))
    token.switch("only", text="80008104\n")
    fails("PKCS11_MECHANISM_UNSUPPORTED", make, token.uri("object=made"))
    assert token.tries == 0

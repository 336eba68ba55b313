"""Tokens on the command line: the PIN's ways in, and everything that takes a key file today."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crypto.sm2 import PrivateKey, verify
from protocol.acts import Act
from protocol.description import BY_NAME
from sanlian_client.cli import main
from sanlian_client.drafts import Draft
from tests.tokens.soft_token import PIN, SoftToken

PROGRAM = [sys.executable, "-m", "sanlian_client"]
ROOT = Path(__file__).parents[2]


def invoke(*arguments: str, pin: str | None = PIN) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"SANLIAN_TOKEN_PIN": pin})


def environment(**more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if "SANLIAN" not in name}
    return {**inherited, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", **more}


def test_tokens_keys_and_check(token: SoftToken, operator: PrivateKey) -> None:
    done = invoke("key", "tokens", str(token.module), "--json", pin=None)
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["token"], found["serial"], found["pin"]) == ("ministry", "0007", "well")
    assert found["presets"] == ["8100", "8101", "8102", "8103", "8104", "8105"]
    listed = json.loads(invoke("key", "list", token.text("token=ministry"), "--json").output)
    assert listed["key_id"] == operator.public_key.key_id.hex()
    assert (listed["object"], listed["id"]) == ("operator", "01")
    assert token.tries == 0
    checked = json.loads(invoke("key", "check", token.text(), "--json").output)
    assert checked == {"key_id": operator.public_key.key_id.hex(), "signs": True}


def test_show_and_new(token: SoftToken, operator: PrivateKey) -> None:
    shown = invoke("key", "show", token.text(), "--json")
    assert json.loads(shown.output)["public_key"] == operator.public_key.to_bytes().hex()
    assert "BEGIN PUBLIC KEY" in invoke("key", "show", token.text(), "--pem").output
    made = invoke("key", "new", token.text("token=ministry;object=made"), "--json")
    assert made.exit_code == 0, made.output
    again = invoke("key", "show", token.text("object=made"), "--json")
    assert json.loads(again.output) == json.loads(made.output)
    twice = invoke("key", "new", token.text("token=ministry;object=made"))
    assert (twice.exit_code, twice.output.partition(":")[0]) == (1, "PKCS11_KEY_EXISTS")


@pytest.mark.parametrize(
    ("query", "pin", "code"),
    [
        ("sm2=8104", "000000", "PKCS11_PIN_INVALID"),
        ("sm2=8104", None, "PKCS11_PIN_MISSING"),
        ("sm2=ibm", PIN, "PKCS11_MECHANISM_UNSUPPORTED"),
        ("", PIN, "PKCS11_URI_INVALID"),
        ("sm2=8104&sm2-output=raw", PIN, "PKCS11_SIGNATURE_WRONG"),
        ("sm2=8104&pin-value=123456", PIN, "PKCS11_URI_INVALID"),
    ],
)
def test_errors_are_one_line_with_their_code(
    token: SoftToken, query: str, pin: str | None, code: str
) -> None:
    done = invoke("key", "check", token.text(query=query), pin=pin)
    assert done.exit_code == 1
    assert done.output.startswith(f"{code}: ")
    assert done.output.count("\n") == 1
    assert "000000" not in done.output
    assert PIN not in done.output


def make_draft(signers: tuple[bytes, ...]) -> Draft:
    act = Act(
        type=BY_NAME["KeyRevoked"],
        chain_id=1,
        contract=bytes(20),
        key_id=signers[0],
        nonce=0,
        expires_at=2_000_000_000,
        values={"reason_code": 2},
        target=b"\x01" * 32,
        revision=0,
    )
    return Draft(act, signers, {})


def test_an_act_is_signed_by_a_token_and_a_file(
    token: SoftToken, operator: PrivateKey, tmp_path: Path
) -> None:
    other = PrivateKey.generate()
    path = tmp_path / "lost.act"
    draft = make_draft((operator.public_key.key_id, other.public_key.key_id))
    path.write_bytes(draft.to_bytes())
    done = invoke("act", "sign", str(path), "--key", token.text(), "--yes")
    assert done.exit_code == 0, done.output
    signed = Draft.from_bytes(path.read_bytes())  # reading verifies what is signed
    [one] = signed.signatures.values()
    verify(operator.public_key, signed.act.to_bytes(), one.signature)
    assert signed.missing == (other.public_key.key_id,)


def test_a_token_that_signs_wrongly_leaves_the_draft_alone(
    token: SoftToken, operator: PrivateKey, tmp_path: Path
) -> None:
    path = tmp_path / "lost.act"
    before = make_draft((operator.public_key.key_id,)).to_bytes()
    path.write_bytes(before)
    token.switch("flip")
    done = invoke("act", "sign", str(path), "--key", token.text(), "--yes")
    assert done.exit_code == 1
    assert "PKCS11_SIGNATURE_WRONG" in done.output
    assert path.read_bytes() == before


@pytest.mark.parametrize(("given", "code"), [(f"{PIN}\n", ""), (PIN, ""), ("", "MISSING")])
def test_the_pin_by_descriptor(token: SoftToken, given: str, code: str) -> None:
    reader, writer = os.pipe()
    os.write(writer, given.encode())
    os.close(writer)
    try:
        done = subprocess.run(
            [*PROGRAM, "key", "check", token.text(), "--pin-fd", str(reader)],
            env=environment(),
            pass_fds=[reader],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(reader)
    assert (done.returncode == 0) == (code == ""), done.stderr
    assert code in done.stderr


def test_the_pin_by_a_descriptor_that_is_not_open(token: SoftToken) -> None:
    done = invoke("key", "check", token.text(), "--pin-fd", "987")
    assert done.output.startswith("PKCS11_PIN_MISSING: ")
    assert token.tries == 0


def test_the_pin_is_typed_unseen_and_the_last_try_is_announced(token: SoftToken) -> None:
    token.switch("failures", text="xx")
    script = invoke("key", "check", token.text())
    assert script.output.startswith("PKCS11_PIN_COUNT_LOW: ")
    assert token.tries == 0
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "key", "check", token.text()],
        env=environment(),
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    seen = b""
    deadline = time.monotonic() + 60
    while b"ministry" not in seen and time.monotonic() < deadline:
        seen += os.read(parent, 4096)
    os.write(parent, f"{PIN}\n".encode())
    try:
        while piece := os.read(parent, 4096):
            seen += piece
    except OSError:  # the other end closed
        pass
    os.close(parent)
    assert process.wait(60) == 0, seen.decode()
    assert b"One more wrong PIN locks this token" in seen
    assert PIN.encode() not in seen
    assert b"signs: True" in seen
    assert token.tries == 1


def test_the_pin_is_in_nobodys_list_of_processes() -> None:
    """No option takes a PIN: other users could read it."""
    shown = invoke("key", "check", "--help").output
    assert "--pin-fd" in shown
    refused = invoke("key", "check", "pkcs11:", "--pin", "1")
    assert refused.exit_code == 2
    assert "No such option" in refused.output

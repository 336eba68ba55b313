"""The development CA of the command line: marked as such, and what it makes verifies."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crypto.certificates import parse_certificate, parse_crl
from crypto.keyfile import dump_public_key
from crypto.pem import encode_pem
from crypto.sm2 import PrivateKey
from sanlian_client.cli import main
from sanlian_client.commands.signing import PASSPHRASE_ENV
from sanlian_client.dev_ca import DevelopmentCa

PASSPHRASE = "development passphrase"


def run(*arguments: str | Path, status: int = 0) -> Result:
    texts = ["ca", *(str(argument) for argument in arguments)]
    done = CliRunner(env={PASSPHRASE_ENV: PASSPHRASE}).invoke(main, texts)
    assert done.exit_code == status, done.output
    return done


@pytest.fixture
def home(tmp_path: Path) -> Path:
    run("new", tmp_path / "ca", "--name", "测试根")
    pem = dump_public_key(PrivateKey.generate().public_key)
    (tmp_path / "key.pub").write_bytes(pem)
    return tmp_path


def issue(home: Path, name: str = "leaf.pem", *more: str) -> str:
    done = run(
        *("issue", home / "ca", home / "key.pub", home / name, "--name", "张三", "--json", *more)
    )
    serial: str = json.loads(done.stdout)["serial"]
    return serial


def verify(home: Path, *more: str | Path, status: int = 0) -> Result:
    return run(
        "verify", home / "leaf.pem", "--anchor", home / "ca" / "ca.pem", *more, status=status
    )


def test_everything_it_makes_says_that_it_is_for_development(home: Path) -> None:
    issue(home, "leaf.pem", "--unit", "市民政局")
    for path in (home / "ca" / "ca.pem", home / "leaf.pem"):
        assert "O=开发测试 DEVELOPMENT ONLY" in parse_certificate(path.read_bytes()).subject
    assert "OU=市民政局" in parse_certificate((home / "leaf.pem").read_bytes()).subject
    assert "DEVELOPMENT ONLY" in parse_crl((home / "ca" / "crl.pem").read_bytes()).issuer
    for done in (
        run("issue", home / "ca", home / "key.pub", home / "b.pem", "--name", "b"),
        run("revoke", home / "ca"),
        verify(home),
    ):
        assert "DEVELOPMENT ONLY" in done.stderr
        assert "仅供开发测试" in done.stderr


def test_issue_verify_revoke(home: Path) -> None:
    serial = issue(home)
    crl = ("--crl", home / "ca" / "crl.pem")
    assert json.loads(verify(home, "--json").stdout)["revocation"] == "not checked"
    found = json.loads(verify(home, *crl, "--json").stdout)
    assert (found["verdict"], found["revocation"]) == ("valid", "checked")
    assert found["serial"] == serial
    run("revoke", home / "ca", serial)
    assert verify(home, *crl, status=1).stderr.startswith("CERTIFICATE_REVOKED")
    # The next list still holds it.
    run("revoke", home / "ca", "--crl-days", "3")
    assert verify(home, *crl, status=1).stderr.startswith("CERTIFICATE_REVOKED")
    number = json.loads((home / "ca" / "state.json").read_bytes())["crl_number"]
    assert number == 3


def test_time_of_a_verification(home: Path) -> None:
    issue(home, "leaf.pem", "--days", "10")
    late = (datetime.now(UTC) + timedelta(days=11)).isoformat()
    assert verify(home, "--at", late, status=1).stderr.startswith("CERTIFICATE_EXPIRED")
    assert "--at is a time" in verify(home, "--at", "2026-01-01T00:00:00", status=2).output
    assert "--at is a time" in verify(home, "--at", "yesterday", status=2).output


def test_other_anchor_and_missing_file(home: Path) -> None:
    issue(home)
    run("new", home / "other", "--name", "测试根")
    done = run("verify", home / "leaf.pem", "--anchor", home / "other" / "ca.pem", status=1)
    assert done.stderr.startswith("CERTIFICATE_UNTRUSTED")
    done = run("verify", home / "leaf.pem", "--anchor", home / "none.pem", status=2)
    assert done.stderr.startswith("FILE_MISSING")


def test_intermediates_are_read_from_a_bundle(home: Path) -> None:
    issue(home)
    bundle = (home / "ca" / "ca.pem").read_bytes() * 2
    (home / "bundle.pem").write_bytes(bundle)
    verify(home, "--intermediate", home / "bundle.pem")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("revoke", "ca", "ff"), "CERTIFICATE_UNKNOWN"),
        (("new", "ca", "--name", "again"), "FILE_EXISTS"),
        (("new", "ca2", "--name", "x" * 65), "VALUE_INVALID"),
        (("new", "ca2", "--name", "a\nb"), "VALUE_INVALID"),
        (("new", "ca2", "--name", "x", "--days", "0"), "VALUE_INVALID"),
        (("revoke", "none"), "FILE_MISSING"),
    ],
)
def test_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: str
) -> None:
    monkeypatch.chdir(home)
    assert f"\n{code}: " in run(*arguments, status=1).stderr


def test_serial_that_is_no_number(home: Path) -> None:
    assert "hex digits" in run("revoke", home / "ca", "../x", status=2).output


def test_damaged_directory(home: Path) -> None:
    (home / "ca" / "state.json").write_bytes(b'{"crl_number": 1, "revoked": []}')
    assert "DEV_CA_DAMAGED" in run("revoke", home / "ca", status=1).stderr
    run("new", home / "other", "--name", "other")
    (home / "ca" / "ca.pem").write_bytes((home / "other" / "ca.pem").read_bytes())
    assert "DEV_CA_DAMAGED" in run("revoke", home / "ca", status=1).stderr


def test_expired_ca_issues_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = DevelopmentCa.open(home / "ca", PASSPHRASE)
    late = datetime.now(UTC) + timedelta(days=366)
    monkeypatch.setattr("sanlian_client.dev_ca._now", lambda: late)
    with pytest.raises(Exception, match="CERTIFICATE_EXPIRED"):
        opened.issue(PrivateKey.generate().public_key, name="late", unit=None, days=1)


def test_openssl_accepts_what_it_issues(home: Path) -> None:
    issue(home)
    leaf = parse_certificate((home / "leaf.pem").read_bytes())
    (home / "leaf.pem").write_bytes(encode_pem("CERTIFICATE", leaf.der))
    done = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-vfyopt", "distid:1234567812345678"),
            *("-purpose", "smimesign", "-CAfile", "ca/ca.pem", "leaf.pem"),
        ],
        cwd=home,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()

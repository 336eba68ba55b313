"""Commands `sanlian-client ca`: a development CA, and the verification of any SM2 certificate."""

from datetime import UTC, datetime
from pathlib import Path

import click

from crypto.certificates import Certificate, parse_certificate, parse_certificates, parse_crl
from crypto.certificates import verify_chain as verify
from crypto.certificates.revocation import MAX_CRL_LENGTH
from crypto.keyfile import MAX_KEYFILE_LENGTH, load_public_key
from crypto.pem import encode_pem
from sanlian_client.commands.console import (
    DIRECTORY,
    FILE,
    json_option,
    plain_errors,
    show,
    verdict_errors,
)
from sanlian_client.commands.signing import ask_passphrase, passphrase_option
from sanlian_client.dev_ca import DevelopmentCa
from sanlian_client.dev_certificates import DEVELOPMENT_MARK
from sanlian_client.files import read_limited, write_new

_MAX_BUNDLE_SIZE = 4 * 1024 * 1024
_WARNING = (
    "DEVELOPMENT ONLY: in production the CA is a licensed one. "
    "仅供开发测试：正式环境须由获得许可的电子政务电子认证服务机构签发证书。"
)

_name_option = click.option("--name", required=True, help="Common name. 名称。")
_days_option = click.option(
    "--days", default=365, show_default=True, help="Validity in days. 有效天数。"
)
_crl_days_option = click.option(
    "--crl-days", default=30, show_default=True, help="Days until the next list. 吊销列表有效天数。"
)


def _warn() -> None:
    click.echo(_WARNING, err=True)


def _words(certificate: Certificate) -> dict[str, str]:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": f"{certificate.serial:x}",
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "key_id": certificate.public_key.key_id.hex(),
    }


@click.group()
def ca() -> None:
    """Certificates; a CA for development only. 证书；仅供开发测试的 CA。"""


@ca.command("new")
@click.argument("directory", type=DIRECTORY)
@_name_option
@_days_option
@_crl_days_option
@passphrase_option
@json_option
@plain_errors
def ca_new(
    *, directory: Path, name: str, days: int, crl_days: int, passphrase: str | None, as_json: bool
) -> None:
    """Make a development CA in DIRECTORY. 建立仅供开发测试的 CA。"""
    _warn()
    secret = ask_passphrase(passphrase, new=True)
    made = DevelopmentCa.new(directory, secret, name=name, days=days, crl_days=crl_days)
    show(_words(made.certificate), as_json=as_json)


@ca.command("issue")
@click.argument("directory", type=DIRECTORY)
@click.argument("public_key", type=FILE)
@click.argument("path", type=FILE)
@_name_option
@click.option("--unit", default=None, help="Department. 部门。")
@_days_option
@passphrase_option
@json_option
@plain_errors
def ca_issue(
    *,
    directory: Path,
    public_key: Path,
    path: Path,
    name: str,
    unit: str | None,
    days: int,
    passphrase: str | None,
    as_json: bool,
) -> None:
    """Issue the certificate of PUBLIC_KEY (PEM) into a new file PATH. 签发开发测试证书。"""
    _warn()
    key = load_public_key(read_limited(public_key, max_bytes=MAX_KEYFILE_LENGTH))
    opened = DevelopmentCa.open(directory, ask_passphrase(passphrase))
    issued = opened.issue(key, name=name, unit=unit, days=days)
    write_new(path, encode_pem("CERTIFICATE", issued.der))
    show(_words(issued), as_json=as_json)


@ca.command("revoke")
@click.argument("directory", type=DIRECTORY)
@click.argument("serials", nargs=-1)
@_crl_days_option
@passphrase_option
@json_option
@plain_errors
def ca_revoke(
    *,
    directory: Path,
    serials: tuple[str, ...],
    crl_days: int,
    passphrase: str | None,
    as_json: bool,
) -> None:
    """Revoke SERIALS (hex), if any, and write crl.pem anew. 吊销证书并更新吊销列表。"""
    _warn()
    opened = DevelopmentCa.open(directory, ask_passphrase(passphrase))
    count = opened.revoke(tuple(_serial(text) for text in serials), crl_days=crl_days)
    show({"crl": str(directory / "crl.pem"), "revoked": count}, as_json=as_json)


@ca.command("verify")
@click.argument("path", type=FILE)
@click.option(
    "--anchor", "anchors", type=FILE, multiple=True, required=True, help="Trusted CAs. 信任的 CA。"
)
@click.option(
    "--intermediate", "intermediates", type=FILE, multiple=True, help="CAs between. 中间 CA 证书。"
)
@click.option("--crl", "crls", type=FILE, multiple=True, help="Revocation list. 吊销列表。")
@click.option("--at", default=None, help="Time with zone, ISO 8601; else now. 验证时刻。")
@json_option
@verdict_errors
def ca_verify(
    *,
    path: Path,
    anchors: tuple[Path, ...],
    intermediates: tuple[Path, ...],
    crls: tuple[Path, ...],
    at: str | None,
    as_json: bool,
) -> None:
    """Verify a certificate and its chain: 0 valid, 1 not, 2 undecided. 验证证书链。"""
    chain = verify(
        parse_certificate(read_limited(path, max_bytes=_MAX_BUNDLE_SIZE)),
        [one for file in intermediates for one in _bundle(file)],
        [one for file in anchors for one in _bundle(file)],
        at=datetime.now(UTC) if at is None else _moment(at),
        crls=[parse_crl(read_limited(file, max_bytes=2 * MAX_CRL_LENGTH)) for file in crls],
    )
    if any(DEVELOPMENT_MARK in one.subject for one in chain):
        _warn()
    revocation = "checked" if crls else "not checked"
    show(
        {
            "verdict": "valid",
            "revocation": revocation,
            **_words(chain[0]),
            "chain": " <- ".join(one.subject for one in reversed(chain)),
        },
        as_json=as_json,
    )


def _bundle(path: Path) -> tuple[Certificate, ...]:
    return parse_certificates(read_limited(path, max_bytes=_MAX_BUNDLE_SIZE))


def _serial(text: str) -> int:
    try:
        return int(bytes.fromhex(text.zfill(len(text) + len(text) % 2)).hex(), 16)
    except ValueError:
        raise click.BadParameter("a serial number is hex digits") from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter("--at is a time such as 2026-12-01T09:00:00+08:00")
    return moment

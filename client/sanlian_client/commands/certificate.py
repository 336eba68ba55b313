"""Commands that tie a key to its certificate: `act bind`, and `key certified`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from crypto.certificates import Certificate, parse_certificate, parse_certificates, parse_crl
from crypto.certificates import verify_chain as verify
from crypto.certificates.revocation import MAX_CRL_LENGTH
from crypto.errors import LedgerError, VerificationError
from protocol.binding import verify_binding
from protocol.model import CertificateBinding
from sanlian_client.acts import Acts
from sanlian_client.commands.connecting import api_option, deployment_option, open_platform
from sanlian_client.commands.console import (
    FILE,
    json_option,
    parse_hex,
    plain_errors,
    show,
    verdict_errors,
)
from sanlian_client.files import read_limited, write_new

_MAX_BUNDLE_SIZE = 4 * 1024 * 1024


def read_certificate(path: Path) -> Certificate:
    """Read one certificate, PEM or DER, without verifying it."""
    return parse_certificate(read_limited(path, max_bytes=_MAX_BUNDLE_SIZE))


def _verify_chain(
    certificate: Certificate,
    anchors: tuple[Path, ...],
    intermediates: tuple[Path, ...],
    crls: tuple[Path, ...],
) -> None:
    if not anchors:
        if intermediates or crls:
            raise click.UsageError("--intermediate and --crl need --anchor")
        return
    verify(
        certificate,
        [one for path in intermediates for one in _bundle(path)],
        [one for path in anchors for one in _bundle(path)],
        at=datetime.now(UTC),
        crls=[parse_crl(read_limited(path, max_bytes=2 * MAX_CRL_LENGTH)) for path in crls],
    )


def _bundle(path: Path) -> tuple[Certificate, ...]:
    return parse_certificates(read_limited(path, max_bytes=_MAX_BUNDLE_SIZE))


_anchor_option = click.option(
    "--anchor", "anchors", type=FILE, multiple=True, help="Trusted CAs. 信任的 CA。"
)
_intermediate_option = click.option(
    "--intermediate", "intermediates", type=FILE, multiple=True, help="CAs between. 中间 CA 证书。"
)
_crl_option = click.option("--crl", "crls", type=FILE, multiple=True, help="Revocation list.")


@click.command("bind")
@click.argument("certificate", type=FILE)
@click.argument("path", type=FILE)
@click.option("--signer", required=True, help="Key id of the head. 负责人密钥编号。")
@click.option("--key-id", default=None, help="The key that it must be of. 密钥编号。")
@_anchor_option
@_intermediate_option
@_crl_option
@click.option(
    "--lifetime-s", default=7 * 24 * 3600, show_default=True, help="Validity in seconds. 有效时长。"
)
@api_option
@deployment_option
@plain_errors
def act_bind(
    *,
    certificate: Path,
    path: Path,
    signer: str,
    key_id: str | None,
    anchors: tuple[Path, ...],
    intermediates: tuple[Path, ...],
    crls: tuple[Path, ...],
    lifetime_s: int,
    api: str,
    deployment: Path | None,
) -> None:
    """Draft the act that binds CERTIFICATE to its key, into a new file. 起草证书绑定。"""
    found = read_certificate(certificate)
    if key_id is not None and parse_hex(key_id, 32, "--key-id") != found.public_key.key_id:
        raise VerificationError("CERTIFICATE_OTHER_KEY", "the certificate is of another key")
    _verify_chain(found, anchors, intermediates, crls)
    if not anchors:
        click.echo("the chain was not verified: no --anchor 未验证证书链", err=True)
    with open_platform(api, deployment) as platform:
        draft = Acts(platform, lifetime_s=lifetime_s).bind_certificate(
            parse_hex(signer, 32, "--signer"), found
        )
    write_new(path, draft.to_bytes())
    click.echo(draft.act_id.hex())


@click.command("certified")
@click.argument("certificate", type=FILE)
@_anchor_option
@_intermediate_option
@_crl_option
@api_option
@deployment_option
@json_option
@verdict_errors
def key_certified(
    *,
    certificate: Path,
    anchors: tuple[Path, ...],
    intermediates: tuple[Path, ...],
    crls: tuple[Path, ...],
    api: str,
    deployment: Path | None,
    as_json: bool,
) -> None:
    """Whether CERTIFICATE is the one its key is bound to: 0 yes, 1 no. 核对证书绑定。"""
    found = read_certificate(certificate)
    _verify_chain(found, anchors, intermediates, crls)
    with open_platform(api, deployment) as platform:
        value = platform.key(found.public_key.key_id)
    verify_binding(found, found.public_key, _binding_of(found.public_key.key_id, value))
    show(
        {
            "verdict": "bound",
            "chain": "verified" if anchors else "not verified",
            "key_id": found.public_key.key_id.hex(),
            "serial": f"{found.serial:x}",
        },
        as_json=as_json,
    )


def _binding_of(key_id: bytes, value: Any) -> CertificateBinding:
    if not isinstance(value, dict):
        raise LedgerError("RESPONSE_MALFORMED", "the api's answer is no key")
    told = value.get("certificate")
    if told is None:
        raise VerificationError("CERTIFICATE_NOT_BOUND", "the key is bound to no certificate")
    try:
        return CertificateBinding(
            key_id=key_id,
            issuer=bytes.fromhex(told["issuer"]),
            serial=int(told["serial"], 16),
            certificate=bytes.fromhex(told["certificate"]),
            not_after=int(told["not_after"]),
            act_id=bytes.fromhex(told["act_id"]),
            block_number=int(told["block_number"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError("RESPONSE_MALFORMED", "the api's answer is no key") from error

"""A certificate authority in a directory, for development and tests only.

DIR/ca.key      the CA's key, encrypted
DIR/ca.pem      its certificate, self-signed: the trust anchor
DIR/issued/     every certificate it issued, by serial number
DIR/state.json  what is revoked, and the number of the newest revocation list
DIR/crl.pem     the newest revocation list

A production CA is a licensed one (电子政务电子认证服务机构); every subject made here says
DEVELOPMENT ONLY, so that none of these certificates passes for another.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crypto.certificates import Certificate, parse_certificate
from crypto.errors import LedgerError, VerificationError
from crypto.pem import encode_pem
from crypto.sm2 import PrivateKey, PublicKey
from sanlian_client.dev_certificates import (
    Name,
    build_certificate,
    build_crl,
    ca_extensions,
    end_extensions,
)
from sanlian_client.files import read_limited, replace_file, write_new
from sanlian_client.keys import load_key, make_key

MAX_NAME_LENGTH = 64  # characters; ub-common-name of RFC 5280
MAX_DAYS = 36_500
_MAX_STATE_LENGTH = 4 * 1024 * 1024
_BACKDATED = timedelta(minutes=5)  # clocks differ


@dataclass(frozen=True, slots=True)
class DevelopmentCa:
    """An opened development CA."""

    directory: Path
    key: PrivateKey
    certificate: Certificate

    @classmethod
    def new(
        cls, directory: Path, passphrase: str, *, name: str, days: int, crl_days: int
    ) -> "DevelopmentCa":
        """Make a CA with its first, empty revocation list.

        Args:
            directory: where it goes; a CA that stands there is not touched.
            passphrase: of its key, at least 8 characters.
            name: its common name, 1 to 64 characters.
            days: how long its certificate is valid.
            crl_days: how long its first revocation list is.

        Raises:
            LedgerError: FILE_EXISTS, FILE_NOT_WRITTEN, PASSPHRASE_TOO_SHORT, VALUE_INVALID.
        """
        _check(name, days)
        key = make_key(directory / "ca.key", passphrase)
        subject, now = Name(name).to_der(), _now()
        data = build_certificate(
            key,
            issuer=subject,
            subject=subject,
            key=key.public_key,
            serial=_new_serial(),
            not_before=now - _BACKDATED,
            not_after=now + timedelta(days=days),
            extensions=ca_extensions(key.public_key, key.public_key, path_length=0),
        )
        write_new(directory / "ca.pem", encode_pem("CERTIFICATE", data))
        made = cls(directory, key, parse_certificate(data))
        made.revoke((), crl_days=crl_days)
        return made

    @classmethod
    def open(cls, directory: Path, passphrase: str) -> "DevelopmentCa":
        """Open a CA.

        Raises:
            LedgerError: FILE_MISSING, FILE_NOT_READ, KEYFILE_EXPOSED; DEV_CA_DAMAGED when the
                certificate is not of the key.
            CryptoError: KEYFILE_INVALID, KEYFILE_PASSPHRASE_WRONG.
            VerificationError: CERTIFICATE_MALFORMED.
        """
        key = load_key(directory / "ca.key", passphrase)
        certificate = parse_certificate(read_limited(directory / "ca.pem", max_bytes=65536))
        if certificate.public_key != key.public_key:
            raise _damaged("ca.pem is not the certificate of ca.key")
        return cls(directory, key, certificate)

    def issue(self, key: PublicKey, *, name: str, unit: str | None, days: int) -> Certificate:
        """Issue the certificate of a signing key and keep a copy.

        Args:
            key: whose it is; nothing is asked to prove that its owner holds the private key.
            name: the subject's common name, 1 to 64 characters.
            unit: the department, 1 to 64 characters, if any.
            days: how long it is valid, though never longer than the CA.

        Raises:
            LedgerError: FILE_NOT_WRITTEN, VALUE_INVALID.
            VerificationError: CERTIFICATE_EXPIRED when the CA is not valid any more.
        """
        _check(name, days)
        if unit is not None:
            _check(unit, days)
        now, serial = _now(), _new_serial()
        if now >= self.certificate.not_after:
            raise VerificationError("CERTIFICATE_EXPIRED", "the CA's certificate has expired")
        data = build_certificate(
            self.key,
            issuer=self.certificate.subject_der,
            subject=Name(name, unit).to_der(),
            key=key,
            serial=serial,
            not_before=max(now - _BACKDATED, self.certificate.not_before),
            not_after=min(now + timedelta(days=days), self.certificate.not_after),
            extensions=end_extensions(key, self.key.public_key),
        )
        write_new(self._issued(serial), encode_pem("CERTIFICATE", data))
        return parse_certificate(data)

    def revoke(self, serials: tuple[int, ...], *, crl_days: int) -> int:
        """Revoke certificates and write the next revocation list; without any, only renew it.

        Args:
            serials: of certificates that this CA issued.
            crl_days: until the list after this one is due.

        Returns:
            How many certificates are revoked now.

        Raises:
            LedgerError: CERTIFICATE_UNKNOWN, DEV_CA_DAMAGED, FILE_NOT_WRITTEN, VALUE_INVALID.
        """
        _check("-", crl_days)
        for serial in serials:
            if not self._issued(serial).exists():
                raise LedgerError(
                    "CERTIFICATE_UNKNOWN", "this CA issued no certificate of that serial number"
                )
        number, revoked = self._read_state()
        now = _now()
        for serial in serials:
            revoked.setdefault(serial, now)
        data = build_crl(
            self.key,
            issuer=self.certificate.subject_der,
            number=number + 1,
            this_update=now,
            next_update=now + timedelta(days=crl_days),
            revoked=revoked,
        )
        state = {
            "crl_number": number + 1,
            "revoked": {f"{serial:x}": int(when.timestamp()) for serial, when in revoked.items()},
        }
        # The state first: a crash between the two repeats a revocation, and never forgets one.
        replace_file(self.directory / "state.json", json.dumps(state, indent=1).encode())
        replace_file(self.directory / "crl.pem", encode_pem("X509 CRL", data))
        return len(revoked)

    def _issued(self, serial: int) -> Path:
        return self.directory / "issued" / f"{serial:x}.pem"

    def _read_state(self) -> tuple[int, dict[int, datetime]]:
        path = self.directory / "state.json"
        if not path.exists():
            return 0, {}
        try:
            state = json.loads(read_limited(path, max_bytes=_MAX_STATE_LENGTH))
            return int(state["crl_number"]), {
                int(serial, 16): datetime.fromtimestamp(when, UTC)
                for serial, when in state["revoked"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError) as error:
            raise _damaged("state.json cannot be read") from error


def _check(name: str, days: int) -> None:
    if not (1 <= len(name) <= MAX_NAME_LENGTH and name.isprintable()):
        raise LedgerError(
            "VALUE_INVALID", f"a name has 1 to {MAX_NAME_LENGTH} printable characters"
        )
    if not 1 <= days <= MAX_DAYS:
        raise LedgerError("VALUE_INVALID", f"days are 1 to {MAX_DAYS}")


def _new_serial() -> int:
    # Random and never 0: two certificates of one CA do not meet in one number.
    return secrets.randbits(127) | 1 << 126


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _damaged(reason: str) -> LedgerError:
    return LedgerError("DEV_CA_DAMAGED", f"the development CA cannot be used: {reason}")

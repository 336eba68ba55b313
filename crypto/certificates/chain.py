"""A chain from an end certificate to a trust anchor that the caller chose.

Standard: GM/T 0015, with the checks of RFC 5280 clause 6.1 without policies and name constraints,
which refuse a chain here.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from crypto.certificates.certificate import MAX_CERTIFICATES, Certificate
from crypto.certificates.revocation import RevocationList
from crypto.certificates.signed import is_signed_by
from crypto.errors import VerificationError

MAX_CHAIN_LENGTH = 8  # certificates, the end and the anchor among them
MAX_CRLS = 64
#: Links tried in one search: many certificates of one name must not cost many signatures.
_MAX_LINKS_TRIED = 256


def verify_chain(
    leaf: Certificate,
    intermediates: Iterable[Certificate],
    anchors: Iterable[Certificate],
    *,
    at: datetime,
    crls: Iterable[RevocationList] = (),
) -> tuple[Certificate, ...]:
    """Find the chain from leaf to an anchor that holds at a time, and return it, leaf first.

    Args:
        leaf: an end certificate of a signing key.
        intermediates: certificates of CAs in any order; nothing in them is trusted.
        anchors: the CAs that the caller trusts, by their whole certificates.
        at: the time at which everything must be valid, with its time zone.
        crls: where any is given, each certificate below the anchor must be covered by a current
            list of its issuer; where none is, revocation is not checked.

    Returns:
        The chain: leaf, intermediates in order, anchor.

    Raises:
        VerificationError: CERTIFICATE_UNTRUSTED when no path leads to an anchor, else what is wrong
            with the first path: CERTIFICATE_SIGNATURE, CERTIFICATE_EXPIRED,
            CERTIFICATE_NOT_YET_VALID, CERTIFICATE_USAGE, CERTIFICATE_PATH_LENGTH,
            CERTIFICATE_EXTENSION_UNKNOWN, CERTIFICATE_REVOKED, CRL_MISSING, CRL_SIGNATURE,
            CRL_STALE, CRL_NOT_YET_VALID; CERTIFICATE_SERIAL_REPEATED; CERTIFICATE_LIMIT.
        ValueError: at has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError("the time of a verification has a time zone")
    between, trusted, lists = tuple(intermediates), tuple(anchors), tuple(crls)
    if max(len(between), len(trusted)) > MAX_CERTIFICATES or len(lists) > MAX_CRLS:
        raise _limit("too many certificates or revocation lists are given")
    _check_serials((leaf, *between))
    search = _Search(between, trusted)
    first: VerificationError | None = None
    for path in search.paths((leaf,)):
        try:
            _check_path(path, at, lists)
        except VerificationError as error:
            first = first or error
        else:
            return path
    raise first or search.best_error()


class _Search:
    """Walks from a certificate to the anchors along names and signatures."""

    def __init__(self, between: Sequence[Certificate], anchors: Sequence[Certificate]) -> None:
        self._anchors = anchors
        self._between = [one for one in between if one not in anchors]
        self._links_tried = 0
        self._forged = False
        self._too_deep = False

    def paths(self, path: tuple[Certificate, ...]) -> Iterator[tuple[Certificate, ...]]:
        """Yield the paths from the last certificate of path, the shortest way up first."""
        last = path[-1]
        for candidates, is_end in ((self._anchors, True), (self._between, False)):
            for issuer in candidates:
                if not _fits(last, issuer) or any(_is_same(issuer, one) for one in path):
                    continue
                if len(path) + (1 if is_end else 2) > MAX_CHAIN_LENGTH:
                    self._too_deep = True
                    continue
                self._links_tried += 1
                if self._links_tried > _MAX_LINKS_TRIED:
                    raise _limit("too many certificates bear the same names")
                if not is_signed_by(last.tbs, last.signature, issuer.public_key):
                    self._forged = True
                elif is_end:
                    yield (*path, issuer)
                else:
                    yield from self.paths((*path, issuer))

    def best_error(self) -> VerificationError:
        """Return why no path was found."""
        if self._forged:
            return VerificationError(
                "CERTIFICATE_SIGNATURE", "A certificate is not signed by the issuer it names."
            )
        if self._too_deep:
            return _limit(f"a chain has at most {MAX_CHAIN_LENGTH} certificates")
        return VerificationError(
            "CERTIFICATE_UNTRUSTED", "No chain leads from the certificate to a trust anchor."
        )


def _fits(child: Certificate, issuer: Certificate) -> bool:
    if child.issuer_der != issuer.subject_der:
        return False
    named, own = child.authority_key_id, issuer.subject_key_id
    return named is None or own is None or named == own


def _is_same(one: Certificate, other: Certificate) -> bool:
    # Another certificate of the same name and key adds nothing to a path but a loop.
    return one.subject_der == other.subject_der and one.public_key == other.public_key


def _check_serials(certificates: Sequence[Certificate]) -> None:
    # Issuer and serial are what a revocation list, and a binding, know a certificate by.
    seen: dict[tuple[bytes, int], bytes] = {}
    for one in certificates:
        if seen.setdefault((one.issuer_der, one.serial), one.der) != one.der:
            raise VerificationError(
                "CERTIFICATE_SERIAL_REPEATED", "One issuer gave two certificates one serial number."
            )


def _check_path(
    path: tuple[Certificate, ...], at: datetime, crls: Sequence[RevocationList]
) -> None:
    for one in path:
        _check_validity(one, at)
        if one.unsupported:
            raise VerificationError(
                "CERTIFICATE_EXTENSION_UNKNOWN",
                "A certificate has an extension that must be applied and is not known here.",
                subject=one.subject,
                oid=one.unsupported[0],
            )
    leaf, *above = path
    if leaf.is_ca:
        raise _usage(leaf, "it is a CA's, not that of an end")
    _require(leaf, "digitalSignature")
    below = 0  # CAs between this one and the end; a self-issued one does not count
    for issuer in above:
        if not issuer.is_ca:
            raise _usage(issuer, "it is not a CA's and issued a certificate")
        _require(issuer, "keyCertSign")
        if issuer.path_length is not None and below > issuer.path_length:
            raise VerificationError(
                "CERTIFICATE_PATH_LENGTH",
                "There are more CAs below one than it allows.",
                subject=issuer.subject,
            )
        below += not issuer.is_self_issued
    if crls:
        for one, issuer in zip(path, above, strict=False):
            _check_revocation(one, issuer, at, crls)


def _check_validity(one: Certificate, at: datetime) -> None:
    if at < one.not_before:
        raise VerificationError(
            "CERTIFICATE_NOT_YET_VALID", "A certificate is not valid yet.", subject=one.subject
        )
    if at > one.not_after:
        raise VerificationError(
            "CERTIFICATE_EXPIRED", "A certificate has expired.", subject=one.subject
        )


def _require(one: Certificate, usage: str) -> None:
    if one.key_usage is None or usage not in one.key_usage:
        raise _usage(one, f"its key usage lacks {usage}")


def _check_revocation(
    one: Certificate, issuer: Certificate, at: datetime, crls: Sequence[RevocationList]
) -> None:
    own = [crl for crl in crls if crl.issuer_der == issuer.subject_der]
    if not own:
        raise VerificationError(
            "CRL_MISSING", "A certificate's issuer has no revocation list here.", issuer=one.issuer
        )
    _require(issuer, "cRLSign")
    genuine = [crl for crl in own if is_signed_by(crl.tbs, crl.signature, issuer.public_key)]
    if not genuine:
        raise VerificationError(
            "CRL_SIGNATURE",
            "A revocation list is not signed by the issuer it names.",
            issuer=one.issuer,
        )
    known = [crl for crl in genuine if crl.this_update <= at]
    if not known:
        raise VerificationError(
            "CRL_NOT_YET_VALID", "A revocation list is of a later time.", issuer=one.issuer
        )
    latest = max(crl.this_update for crl in known)
    # Lists of one second: whichever of them revokes counts.
    newest = [crl for crl in known if crl.this_update == latest]
    if any(at > crl.next_update for crl in newest):
        raise VerificationError(
            "CRL_STALE", "A newer revocation list is due than the one given.", issuer=one.issuer
        )
    if any(one.serial in crl.revoked for crl in newest):
        raise VerificationError(
            "CERTIFICATE_REVOKED",
            "A certificate is revoked.",
            subject=one.subject,
            serial=f"{one.serial:x}",
        )


def _usage(one: Certificate, reason: str) -> VerificationError:
    return VerificationError(
        "CERTIFICATE_USAGE",
        f"A certificate is used for what it is not made for: {reason}.",
        subject=one.subject,
    )


def _limit(reason: str) -> VerificationError:
    return VerificationError("CERTIFICATE_LIMIT", f"The chain is not verified: {reason}.")

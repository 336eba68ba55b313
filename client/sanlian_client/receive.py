"""Receiving offered batches: pulled, compared with their manifests, closed (protocol 7.11)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto.canonical import canonical_json, parse_canonical, parse_json
from crypto.errors import CryptoError, SanlianError, VerificationError
from crypto.sm2 import Signer
from crypto.sm3 import sm3
from protocol.transfer import check_manifest, part_digest
from sanlian_client.data import Gateway, Purpose
from sanlian_client.files import read_limited
from sanlian_client.pull import MANIFEST, MAX_MANIFEST_SIZE, MAX_PAGE_SIZE, pull_batch
from sanlian_client.receipts import ReceiptStore
from sanlian_client.transfers import Offer, close_transfer, open_offers


@dataclass(frozen=True, slots=True)
class Received:
    """An offered batch that is here, whole, and closed.

    Attributes:
        offer: the offer.
        directory: where it is.
        closing: index of the closing's record.
    """

    offer: Offer
    directory: Path
    closing: int


@dataclass(frozen=True, slots=True)
class NotReceived:
    """An offered batch that could not be received now, and why; others go on."""

    offer: Offer
    error: SanlianError


def receive_batches(
    gateway: Gateway,
    key: Signer,
    *,
    grants: dict[bytes, Purpose],
    store: ReceiptStore,
    directory: Path,
) -> Iterator[Received | NotReceived]:
    """Receive every open offer under these grants; what broke off before goes on.

    Each batch goes to ``directory/GRANT/NAME``, with the grant's first 16 hex digits.

    Args:
        gateway: where to ask.
        key: the requester's key.
        grants: why data is asked for, by 32-byte id of the grant.
        store: where the parts' receipts are kept.
        directory: where batches go.

    Yields:
        What came of each offer. An error is one of pull_batch or close_transfer, or BATCH_DIFFERS:
        what came is not what was offered. Receive again to go on.

    Raises:
        SanlianError: the list of offers cannot be had, see open_offers.
    """
    for offer in open_offers(gateway, key):
        purpose = grants.get(offer.grant)
        if purpose is None:
            continue
        place = directory / offer.grant.hex()[:16] / offer.name
        try:
            batch = pull_batch(
                gateway,
                key,
                grant=offer.grant,
                parameters={"batch": offer.name},
                purpose=purpose,
                store=store,
                directory=place,
                max_pages=offer.parts + 1,
            )
            _compare(offer, place)
            receipt = close_transfer(gateway, key, offer.grant, batch.closing(offer.seq))
        except SanlianError as error:
            yield NotReceived(offer, error)
        else:
            yield Received(offer, place, receipt.index)


def _compare(offer: Offer, place: Path) -> None:
    """Compare a whole batch with what was offered.

    Raises:
        VerificationError: BATCH_DIFFERS.
    """
    differs = VerificationError("BATCH_DIFFERS", "what came is not what was offered")
    try:
        data = read_limited(place / MANIFEST, max_bytes=MAX_MANIFEST_SIZE)
        pages = parse_canonical(data, max_bytes=MAX_MANIFEST_SIZE)["pages"]
        values = [_read(place / page["file"]) for page in pages]
        manifest = check_manifest(values[0]["manifest"])
        parts = [value["records"] for value in values[1:]]
    except (CryptoError, KeyError, TypeError, IndexError) as error:
        raise differs from error
    stated = [(part["rows"], part["sm3"]) for part in manifest["parts"]]
    found = [(len(part), part_digest(manifest["salt"], part).hex()) for part in parts]
    if (
        sm3(canonical_json(manifest)) != offer.manifest
        or (manifest["grant"], manifest["name"]) != (offer.grant.hex(), offer.name)
        or stated != found
        or len(found) != offer.parts
    ):
        raise differs


def _read(path: Path) -> Any:
    return parse_json(read_limited(path, max_bytes=MAX_PAGE_SIZE), max_bytes=MAX_PAGE_SIZE)

"""Makes a home directory: keys of the platform, contracts on the chain, and the files that say so.

Every file is written beside its place and moved there, `deployment.json` last: a start that was
cut off before it is simply made again.
"""

import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crypto.errors import CryptoError, LedgerError, ProtocolError
from crypto.keyfile import dump_private_key, load_private_key
from crypto.sm2 import PrivateKey, PublicKey, Signer
from ledger.chain.deploy import DEFAULT_REPLACEMENT_DELAY_S, deploy_contracts
from ledger.chain.rpc import Rpc
from ledger.settings import Settings
from ledger.token_keys import open_token_key, token_uri
from protocol.checkpoint import ORIGIN_PATTERN
from protocol.deployment import Deployment
from protocol.example_keys import refuse_example_key
from protocol.trust import TrustRoot

_SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True, slots=True)
class Founders:
    """Public keys with which a deployment begins.

    Attributes:
        head: key of the head of the authority's department.
        authority: the authority's keys.
        threshold: how many of them sign acts of weight.
        witnesses: keys of the witnesses that verifiers pin.
        witness_threshold: how many of them must vouch for a block.
        replacement_delay_s: seconds for which a head can object to the replacement of the key.
        supplement_stops_clock: whether a notice of what is missing stops the answer's clock.
    """

    head: PublicKey
    authority: tuple[PublicKey, ...]
    threshold: int
    witnesses: tuple[PublicKey, ...]
    witness_threshold: int
    replacement_delay_s: int = DEFAULT_REPLACEMENT_DELAY_S
    supplement_stops_clock: bool = True


def write_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that it is there whole, and on disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def load_relay_key(settings: Settings) -> bytes:
    """Return the 32-byte secp256k1 key of the account that carries transactions.

    Raises:
        LedgerError: RELAY_KEY_MISSING, RELAY_KEY_MALFORMED.
    """
    path = settings.home / "keys" / "relay.json"
    try:
        value = json.loads(path.read_bytes())
        key = bytes.fromhex(value["private_key"])
    except FileNotFoundError as error:
        raise LedgerError("RELAY_KEY_MISSING", f"{path} is missing") from error
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError("RELAY_KEY_MALFORMED", f"{path} does not hold a key") from error
    if len(key) != 32:
        raise LedgerError("RELAY_KEY_MALFORMED", f"{path} does not hold a key")
    return key


def load_key(settings: Settings, name: str) -> Signer:
    """Return the platform's or the gateway's key, from its file or its token.

    Args:
        settings: the settings, with passphrase and PIN.
        name: "platform" or "gateway".

    Raises:
        LedgerError: KEY_FILE_MISSING, KEY_FILE_UNREADABLE (wrong passphrase or damaged).
        TokenError: see tokens.key.TokenKey.
    """
    if token_uri(settings, name):
        return open_token_key(settings, name)
    path = settings.home / "keys" / f"{name}.pem"
    try:
        return load_private_key(path.read_bytes(), settings.key_passphrase)
    except FileNotFoundError as error:
        raise LedgerError("KEY_FILE_MISSING", f"{path} is missing") from error
    except CryptoError as error:
        raise LedgerError(
            "KEY_FILE_UNREADABLE", f"{path}: wrong passphrase (SANLIAN_KEY_PASSPHRASE) or damaged"
        ) from error


def make_keys(settings: Settings, keys: Mapping[str, PrivateKey], *, iterations: int) -> None:
    """Write the platform's and the gateway's key files and the relay's key, once.

    A key that the settings name by a pkcs11: URI is in its token already.

    Args:
        settings: the settings, with the passphrase.
        keys: given keys by name; "platform" and "gateway" are made where they are not given.
        iterations: PBKDF2 rounds of the key files.
    """
    directory = settings.home / "keys"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("platform", "gateway"):
        path = directory / f"{name}.pem"
        if not token_uri(settings, name) and not path.exists():
            key = keys.get(name) or PrivateKey.generate()
            pem = dump_private_key(key, settings.key_passphrase, iterations=iterations)
            write_file(path, pem, mode=0o600)
    relay = directory / "relay.json"
    if not relay.exists():
        number = secrets.randbelow(_SECP256K1_N - 1) + 1
        text = json.dumps({"private_key": number.to_bytes(32, "big").hex()}) + "\n"
        write_file(relay, text.encode(), mode=0o600)


def initialise(
    settings: Settings,
    founders: Founders,
    *,
    origin: str,
    example: bool,
    keys: Mapping[str, PrivateKey] | None = None,
    say: Callable[[str], None],
) -> Deployment:
    """Deploy the contracts on the running node and write what the processes need.

    Args:
        settings: the settings; the node answers at its URL.
        founders: the keys of genesis and the witnesses.
        origin: origin line of the gateway's log.
        example: whether it is the example, whose keys are public knowledge.
        keys: keys of platform and gateway, where they are not to be made.
        say: takes one line of news.

    Raises:
        LedgerError: ALREADY_DEPLOYED, PASSPHRASE_MISSING, or what the node answers.
        TokenError: see load_key.
        ProtocolError: EXAMPLE_KEY_REFUSED.
    """
    path = settings.home / "deployment.json"
    if path.exists():
        raise LedgerError("ALREADY_DEPLOYED", f"{path} exists; nothing was changed")
    in_files = [name for name in ("platform", "gateway") if not token_uri(settings, name)]
    if in_files and not settings.key_passphrase:
        raise LedgerError(
            "PASSPHRASE_MISSING", "set SANLIAN_KEY_PASSPHRASE: it protects the platform's keys"
        )
    _refuse_examples((founders.head, *founders.authority, *founders.witnesses), example=example)
    # The example's passphrase is public: many rounds would protect nothing and cost every start.
    make_keys(settings, keys or {}, iterations=2048 if example else 600_000)
    rpc = Rpc(settings.resolved_node_url)
    try:
        chain_id = int(rpc.call("eth_chainId"), 16)
        say(f"deploying the contracts on chain {chain_id}")
        deployed = deploy_contracts(
            rpc,
            load_relay_key(settings),
            head_key=founders.head,
            authority_keys=founders.authority,
            threshold=founders.threshold,
            replacement_delay_s=founders.replacement_delay_s,
            supplement_stops_clock=founders.supplement_stops_clock,
        )
    finally:
        rpc.close()
    trust = TrustRoot(
        chain_id=chain_id,
        contracts=deployed.contracts,
        witnesses=founders.witnesses,
        witness_threshold=founders.witness_threshold,
    )
    write_file(settings.home / "trust.json", trust.to_bytes())
    deployment = Deployment(
        chain_id=chain_id,
        contracts=deployed.contracts,
        block=deployed.block,
        example=example,
        platform_key=load_key(settings, "platform").public_key,
        gateway_key=load_key(settings, "gateway").public_key,
        origin=origin,
        supplement_stops_clock=founders.supplement_stops_clock,
    )
    write_file(path, deployment.to_bytes())
    return deployment


def add_gateway(settings: Settings, deployment: Deployment, trust: bytes, *, origin: str) -> None:
    """Write the home of a further gateway of a deployment: a key and an origin of its own.

    Its log must then be registered on chain, as the first one's was.

    Args:
        settings: the new home's settings, with the passphrase.
        deployment: the deployment as its first home has it.
        trust: bytes of its trust root.
        origin: origin line of the new gateway's log.

    Raises:
        LedgerError: ALREADY_DEPLOYED, ORIGIN_TAKEN, PASSPHRASE_MISSING, KEY_FILE_UNREADABLE,
            GATEWAY_KEY_TAKEN.
        TokenError: see load_key.
        ProtocolError: ORIGIN_MALFORMED, TRUST_MALFORMED.
    """
    path = settings.home / "deployment.json"
    if path.exists():
        raise LedgerError("ALREADY_DEPLOYED", f"{path} exists; nothing was changed")
    if origin == deployment.origin:
        raise LedgerError("ORIGIN_TAKEN", "this is the origin of the deployment's first gateway")
    if ORIGIN_PATTERN.fullmatch(origin) is None:
        raise ProtocolError("ORIGIN_MALFORMED", "an origin is 1 to 30 characters a-z 0-9 . / -")
    if not settings.gateway_key and not settings.key_passphrase:
        raise LedgerError(
            "PASSPHRASE_MISSING", "set SANLIAN_KEY_PASSPHRASE: it protects the gateway's key"
        )
    TrustRoot.from_bytes(trust)
    keys = settings.home / "keys"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not settings.gateway_key and not (keys / "gateway.pem").exists():
        pem = dump_private_key(PrivateKey.generate(), settings.key_passphrase, iterations=600_000)
        write_file(keys / "gateway.pem", pem, mode=0o600)
    key = load_key(settings, "gateway").public_key
    if key == deployment.gateway_key:
        raise LedgerError("GATEWAY_KEY_TAKEN", "the first gateway has this key; each has its own")
    write_file(settings.home / "trust.json", trust)
    write_file(path, replace(deployment, gateway_key=key, origin=origin).to_bytes())


def _refuse_examples(keys: Sequence[PublicKey], *, example: bool) -> None:
    for key in keys:
        refuse_example_key(key.key_id, is_example=example)

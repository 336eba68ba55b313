"""The example's home directory: its files, its processes, its first start."""

import json
import random
import secrets
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crypto.errors import LedgerError
from crypto.keyfile import dump_private_key
from crypto.sm2 import PrivateKey
from example_city.catalogue import OFFERS, Offer
from example_city.plan import Planner
from example_city.story import Loaded
from example_city.units import (
    AUDIT,
    AUTHORITY,
    JUSTICE,
    PERSONS,
    THRESHOLD,
    authority_keys,
    load_units,
    unit_key,
)
from ledger.processes import environment, gateway_ready, http_ready, platform_processes
from ledger.settings import Settings
from ledger.setup import Founders, write_file
from ledger.supervisor import Process, python_process
from protocol.deployment import Deployment

PASSPHRASE = "example-city"  # noqa: S105 - as public as the keys it protects
ORIGIN = "shanwei.example/gateway-1"
WITNESSES = ((AUDIT, "audit"), (JUSTICE, "justice"))
PLAN_LIFETIME_S = 7 * 24 * 3600
#: Short, so that the replacement of a head's key can be tried out.
REPLACEMENT_DELAY_S = 60


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of one instance; provider ports follow the offers' order."""

    node: int = 8545
    api: int = 8440
    gateway: int = 8441
    providers: tuple[int, ...] = (8451, 8452, 8453)


def free_ports() -> Ports:
    """Return six ports in a row that nobody listens on at the moment.

    They lie below the ports that the system gives to outgoing connections: a client that asks a
    port of that range too early may find itself at both ends.
    """
    for base in random.SystemRandom().sample(range(20_000, 32_000, 6), 200):
        sockets = [socket.socket() for _ in range(6)]
        try:
            for offset, one in enumerate(sockets):
                one.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
        return Ports(base, base + 1, base + 2, (base + 3, base + 4, base + 5))
    raise LedgerError("PORTS_TAKEN", "no six free ports in a row between 20000 and 32000")


def settings_for(home: Path, ports: Ports) -> Settings:
    """Return the settings of the example in this home directory."""
    return Settings(
        home=home,
        node_port=ports.node,
        api_port=ports.api,
        gateway_port=ports.gateway,
        key_passphrase=PASSPHRASE,
        auditor_departments=_auditor_department(home),
        providers_file=home / "providers.json",
        allow_loopback_providers=True,
        anchor_interval_s=1.0,
    )


def _auditor_department(home: Path) -> str:
    """Return the id of the audit office, empty before it is registered."""
    path = home / "interfaces.json"
    return (
        str(json.loads(path.read_bytes())["departments"][f"{AUDIT:02d}"]) if path.exists() else ""
    )


def founders() -> Founders:
    """Return the keys with which the example begins."""
    return Founders(
        head=unit_key(AUTHORITY, "head").public_key,
        authority=tuple(key.public_key for key in authority_keys()),
        threshold=THRESHOLD,
        witnesses=tuple(unit_key(unit, "witness").public_key for unit, _ in WITNESSES),
        witness_threshold=2,
        replacement_delay_s=REPLACEMENT_DELAY_S,
    )


def platform_keys() -> dict[str, PrivateKey]:
    """Return the keys of platform and gateway, which the plan enrols."""
    return {name: unit_key(AUTHORITY, name) for name in ("platform", "gateway")}


def write_fixed_files(home: Path, ports: Ports) -> None:
    """Write providers.json, the witnesses' keys and every role's ready-made key, once."""
    urls = {
        offer.slug: f"http://127.0.0.1:{port}"
        for offer, port in zip(OFFERS, ports.providers, strict=True)
    }
    write_file(home / "providers.json", (json.dumps(urls, indent=1) + "\n").encode())
    directory = home / "example-keys"
    names = [(AUTHORITY, key) for key in ("head", "authority-1", "authority-2", "authority-3")]
    names += [(unit.number, "head") for unit in load_units()]
    names += [(unit, role) for unit, role, _ in PERSONS]
    for unit, role in names:
        _write_key(directory / f"{unit:02d}-{role}.pem", unit, role)
    for unit, name in WITNESSES:
        _write_key(home / "witness" / name / "key.pem", unit, "witness")


def _write_key(path: Path, unit: int, role: str) -> None:
    if not path.exists():
        pem = dump_private_key(unit_key(unit, role), PASSPHRASE, iterations=2048)
        write_file(path, pem, mode=0o600)


def plan_of(home: Path, deployment: Deployment) -> tuple[Planner, int]:
    """Return the planner of this deployment and the time of its first start.

    Time and seed are kept in `plan.json`, so that every start plans the same acts.
    """
    path = home / "plan.json"
    if not path.exists():
        value = {"started_at": int(time.time()), "seed": secrets.token_hex(32)}
        write_file(path, (json.dumps(value) + "\n").encode(), mode=0o600)
    value = json.loads(path.read_bytes())
    planner = Planner(
        chain_id=deployment.chain_id,
        contracts=deployment.contracts,
        expires_at=value["started_at"] + PLAN_LIFETIME_S,
        seed=bytes.fromhex(value["seed"]),
    )
    return planner, value["started_at"]


def write_interfaces(home: Path, loaded: Loaded) -> None:
    """Write the ids that providers must know to `interfaces.json`, before they start."""
    value = {
        "departments": {f"{n:02d}": i.hex() for n, i in sorted(loaded.departments.items())},
        "interfaces": {slug: i.hex() for slug, i in loaded.interfaces.items()},
    }
    write_file(home / "interfaces.json", (json.dumps(value, indent=1) + "\n").encode())


def write_loaded(home: Path, loaded: Loaded) -> None:
    """Write the loaded ids to `example.json`; its presence says that loading is done."""
    value = {
        "departments": {f"{n:02d}": i.hex() for n, i in sorted(loaded.departments.items())},
        "log": loaded.log.hex(),
        "entries": {slug: i.hex() for slug, i in loaded.entries.items()},
        "interfaces": {slug: i.hex() for slug, i in loaded.interfaces.items()},
        "grant": loaded.grant.hex(),
        "open_request": loaded.open_request.hex(),
    }
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_file(home / "example.json", text.encode())


def processes(home: Path, ports: Ports, offers: Sequence[Offer] = OFFERS) -> dict[str, Process]:
    """Describe the children of one instance, in the order in which they start.

    Args:
        home: home directory.
        ports: ports of the instance.
        offers: what the providers that run have to offer.
    """
    settings = settings_for(home, ports)
    found = platform_processes(settings)
    env = environment(settings)
    gateway_url = f"http://127.0.0.1:{ports.gateway}"
    # Its log is registered here before it starts, so it must come to serve data.
    gateway = replace(found.pop("gateway"), is_ready=gateway_ready(gateway_url))
    for offer, port in zip(OFFERS, ports.providers, strict=True):
        if offer not in offers:
            continue
        found[f"provider-{offer.slug}"] = python_process(
            f"provider-{offer.slug}",
            "example_city",
            *("provider", offer.slug, "--home", str(home), "--port", str(port)),
            is_ready=http_ready(f"http://127.0.0.1:{port}/health"),
            env=env,
        )
    found["gateway"] = gateway
    for _, name in WITNESSES:
        witness = home / "witness" / name
        found[f"witness-{name}"] = python_process(
            f"witness-{name}",
            "sanlian_client",
            *("witness", "run", "--home", str(witness), "--name", name),
            *("--node", settings.resolved_node_url),
            *("--api", f"http://127.0.0.1:{ports.api}"),
            *("--gateway", gateway_url),
            is_ready=(witness / "state.json").exists,
            env=env,
        )
    return found


def read_loaded(home: Path) -> dict[str, str]:
    """Read `example.json`."""
    loaded: dict[str, str] = json.loads((home / "example.json").read_bytes())
    return loaded

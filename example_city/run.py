"""`make run`: everything of one machine, with the example city loaded at the first start."""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from crypto.errors import LedgerError, RequestRefused
from example_city import home as example_home
from example_city.catalogue import DIVISIONS, OFFERS, Offer
from example_city.history import tell
from example_city.home import ORIGIN, PASSPHRASE, WITNESSES, Ports
from example_city.plan import BASIS
from example_city.recording import record_history
from example_city.services import test_parameters
from example_city.story import SCENARIO, Test, load_interfaces, load_sharing
from example_city.units import MEDICAL, unit_key
from ledger.chain.rpc import Rpc
from ledger.deployment import load_deployment
from ledger.processes import gateway_ready
from ledger.settings import Settings
from ledger.setup import initialise
from ledger.supervisor import Supervisor
from protocol.deployment import Deployment
from sanlian_client.data import Gateway
from sanlian_client.interface_test import request_interface_test
from sanlian_client.platform import Platform

GATEWAY_TIMEOUT_S = 30.0
INDEX_TIMEOUT_S = 120.0


def start_platform(
    supervisor: Supervisor, home: Path, ports: Ports, *, say: Callable[[str], None]
) -> Deployment:
    """Start node and api; deploy first where nothing is deployed yet.

    Raises:
        LedgerError: a process does not start, or the home is not the example's.
    """
    settings = example_home.settings_for(home, ports)
    children = example_home.processes(home, ports)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / "deployment.json"
    if path.exists() and not load_deployment(path).example:
        raise LedgerError("NOT_THE_EXAMPLE", f"{home} holds a deployment of its own")
    say("starting the node 启动账本节点")
    supervisor.start(children["node"])
    deployed = path.exists()
    deployment = load_deployment(path) if deployed else _initialise(settings, say)
    example_home.write_fixed_files(home, ports)
    say("starting the api 启动接口服务")
    supervisor.start(children["api"])
    return deployment


def _initialise(settings: Settings, say: Callable[[str], None]) -> Deployment:
    return initialise(
        settings,
        example_home.founders(),
        origin=ORIGIN,
        example=True,
        keys=example_home.platform_keys(),
        say=say,
    )


def open_platform(home: Path, ports: Ports) -> Platform:
    """Return the client of this instance's api, with its deployment file pinned."""
    info = Deployment.from_bytes((home / "deployment.json").read_bytes())
    return Platform(
        f"http://127.0.0.1:{ports.api}", f"http://127.0.0.1:{ports.gateway}", deployment=info
    )


def start_rest(
    supervisor: Supervisor, home: Path, ports: Ports, offers: Sequence[Offer] = OFFERS
) -> None:
    """Start the providers of these offers, gateway and witnesses."""
    found = example_home.processes(home, ports, offers)
    supervisor.start(*(found[name] for name in found if name not in ("node", "api")))


def await_index(ports: Ports, platform: Platform) -> None:
    """Wait until the api has followed the chain to where it is now.

    Raises:
        LedgerError: HEAD_STALE.
    """
    rpc = Rpc(f"http://127.0.0.1:{ports.node}")
    try:
        head = int(rpc.call("eth_blockNumber"), 16)
    finally:
        rpc.close()
    deadline = time.monotonic() + INDEX_TIMEOUT_S
    while True:
        try:
            platform.read("blocks", str(head))
        except RequestRefused as error:
            if time.monotonic() > deadline:
                raise LedgerError(
                    "HEAD_STALE", "the api does not follow the chain in time"
                ) from error
            time.sleep(0.1)
        else:
            return


def await_gateway(ports: Ports, block: int) -> None:
    """Wait until the gateway serves data and has seen a block.

    Raises:
        LedgerError: GATEWAY_NOT_READY.
    """
    is_ready = gateway_ready(f"http://127.0.0.1:{ports.gateway}", block=block)
    deadline = time.monotonic() + GATEWAY_TIMEOUT_S
    while not is_ready():
        if time.monotonic() > deadline:
            raise LedgerError("GATEWAY_NOT_READY", "the gateway does not serve data in time")
        time.sleep(0.1)


def make_test(ports: Ports, deployment: Deployment, platform: Platform) -> Test:
    """Return what lets the gateway test an interface, on behalf of the provider's operator."""

    def test(offer: Offer, interface: bytes) -> None:
        await_gateway(ports, platform.read("interfaces", interface.hex())["block_number"])
        url = f"http://127.0.0.1:{ports.gateway}"
        with Gateway(url, origin=deployment.origin, public_key=deployment.gateway_key) as gateway:
            done = request_interface_test(
                gateway,
                unit_key(offer.unit, "operator"),
                interface=interface,
                parameters=test_parameters(offer),
            )
        platform.wait_for(done.act_id)
        if not done.passed:
            raise LedgerError(
                "EXAMPLE_TEST_FAILED", f"the interface {offer.slug} failed: {done.report['code']}"
            )

    return test


def _load(
    supervisor: Supervisor,
    home: Path,
    ports: Ports,
    deployment: Deployment,
    say: Callable[[str], None],
) -> None:
    """Load the example; providers and gateway start in between, as interfaces are tested."""
    planner, started_at = example_home.plan_of(home, deployment)
    expires_at = planner.expires_at
    history = tell(planner, ORIGIN)
    planner.expires_at = expires_at
    with open_platform(home, ports) as platform:
        await_index(ports, platform)
        loaded = load_interfaces(planner, platform, history, say=say)
        example_home.write_interfaces(home, loaded)
        say("starting gateway, providers, witnesses 启动网关、提供方、见证方")
        start_rest(supervisor, home, ports)
        test = make_test(ports, deployment, platform)
        loaded = load_sharing(planner, platform, loaded, test=test, started_at=started_at, say=say)
        # Whoever asks for data at once is answered by a gateway that has seen the grant.
        await_gateway(ports, platform.read("requests", loaded.grant.hex())["block_number"])
    example_home.write_loaded(home, loaded)


def run(home: Path, ports: Ports, *, say: Callable[[str], None]) -> None:
    """Run until Ctrl-C or SIGTERM.

    Raises:
        LedgerError: something does not start or keeps ending.
    """
    home = home.absolute()
    supervisor = Supervisor(home / "processes", say=say)
    signal.signal(signal.SIGINT, supervisor.ask_stop)
    signal.signal(signal.SIGTERM, supervisor.ask_stop)
    try:
        record_history(home, ports, supervisor, say=say)
        deployment = start_platform(supervisor, home, ports, say=say)
        if not (home / "example.json").exists():
            say("first start: loading the example city 首次启动：载入示例城市")
            began = time.monotonic()
            _load(supervisor, home, ports, deployment, say)
            say(f"loaded in {time.monotonic() - began:.0f} s")
        else:
            say("starting gateway, providers, witnesses 启动网关、提供方、见证方")
            start_rest(supervisor, home, ports)
        say(banner(home, ports))
        supervisor.watch()
    except LedgerError as error:
        if error.code != "STOPPED":
            raise
    finally:
        say("stopping 正在停止")
        supervisor.stop()
        say("stopped; the next start continues here 已停止，下次启动从这里继续")


def banner(home: Path, ports: Ports) -> str:
    """Return what a newcomer needs: where to look, which keys, what to try."""
    grant = example_home.read_loaded(home)["grant"]
    keys = home / "example-keys"
    urls = f"--api http://127.0.0.1:{ports.api} --gateway http://127.0.0.1:{ports.gateway}"
    system = keys / f"{MEDICAL:02d}-system.pem"
    return f"""
sanlian 三链 is running.

  overview 总览        http://127.0.0.1:{ports.api}/
  API                  http://127.0.0.1:{ports.api}/docs
  gateway 网关         http://127.0.0.1:{ports.gateway}/health
  chain (JSON-RPC)     http://127.0.0.1:{ports.node}
  output of processes  {home / "processes"}

  example keys 示例密钥  {keys}/NN-role.pem, passphrase {PASSPHRASE}
    00 authority 市政数局 · 39 市民政局 · 01 市市监局 · 37 市人社局 · 38 市医保局 · 06 市住建局
    witnesses 见证方: {", ".join(name for _, name in WITNESSES)}
    THESE KEYS ARE PUBLIC: they count in this example only. 示例密钥人尽皆知，仅用于示例。

Three commands to try in another terminal 在另一个终端试试:

  export SANLIAN_KEY_PASSPHRASE={PASSPHRASE}
  .venv/bin/sanlian-client data get {grant} --parameters '{{"{DIVISIONS.parameter}":"441500"}}' \\
    --basis {BASIS} --scenario {SCENARIO} --receipts {home / "receipts"} \\
    --key {system} {urls}
  .venv/bin/sanlian-client receipt verify {home / "receipts"} {urls}
  .venv/bin/sanlian audit --home {home} --node http://127.0.0.1:{ports.node}

Ctrl-C ends everything. 按 Ctrl-C 停止。
"""

"""Where a command's calls go: options of api, gateway and deployment, and what they open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from crypto.sm2 import PublicKey
from protocol.deployment import Deployment
from sanlian_client.commands.console import FILE
from sanlian_client.data import Gateway
from sanlian_client.evidence import MAX_EVIDENCE_SIZE
from sanlian_client.files import read_limited
from sanlian_client.log import LogClient
from sanlian_client.platform import Platform

_FURTHER = "sanlian.further_gateways"
api_option = click.option(
    "--api",
    default="http://127.0.0.1:8440",
    show_default=True,
    help="URL of the api. 平台接口地址。",
)
gateway_option = click.option(
    "--gateway",
    default="http://127.0.0.1:8441",
    show_default=True,
    help="URL of the gateway. 网关地址。",
)
deployment_option = click.option(
    "--deployment",
    type=FILE,
    default=None,
    help="deployment.json from the authority; without it the api is believed. 部署文件。",
)


def _keep_further(
    context: click.Context, _option: click.Parameter, paths: tuple[Path, ...]
) -> None:
    context.meta[_FURTHER] = paths


further_option = click.option(
    "--further-deployment",
    type=FILE,
    multiple=True,
    expose_value=False,
    callback=_keep_further,
    help="deployment.json of another gateway behind the same address; several times. 其他网关。",
)


_authority = click.option(
    "--authority", default=None, help="host:port to sign for. 签名所用网关地址。"
)


def authority_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of whom a call is signed for, and whose receipts may come back."""
    return further_option(_authority(command))


def open_deployment(path: Path | None) -> Deployment | None:
    """Read a deployment file, if one is given."""
    return None if path is None else Deployment.from_bytes(read_limited(path, max_bytes=65536))


def open_platform(api: str, deployment: Path | None, gateway: str | None = None) -> Platform:
    """Return the platform with the deployment that is trusted."""
    return Platform(api, gateway, deployment=open_deployment(deployment))


def further_keys() -> dict[str, PublicKey]:
    """Return the keys of the other gateways that the running command names, by their origins."""
    context = click.get_current_context(silent=True)
    paths = () if context is None else context.meta.get(_FURTHER, ())
    others = [Deployment.from_bytes(read_limited(path, max_bytes=65536)) for path in paths]
    return {one.origin: one.gateway_key for one in others}


def open_gateway(
    api: str, gateway: str, deployment: Path | None, authority: str | None = None
) -> Gateway:
    """Return the client of a gateway, whose key comes from the deployment file or the api."""
    with open_platform(api, deployment) as platform:
        info = platform.deployment()
    return Gateway(
        gateway,
        origin=info.origin,
        public_key=info.gateway_key,
        further=further_keys(),
        authority=authority,
        max_answer_size=MAX_EVIDENCE_SIZE,
    )


def open_log(api: str, gateway: str, deployment: Path | None) -> LogClient:
    """Return the reader of a gateway's log, whose key comes from the deployment file or the api."""
    with open_platform(api, deployment) as platform:
        info = platform.deployment()
    return LogClient(gateway, origin=info.origin, public_key=info.gateway_key)

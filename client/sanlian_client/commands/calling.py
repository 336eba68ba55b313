"""A call to the gateway as one set of options: whose key signs it, and where it goes."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto.sm2 import Signer
from sanlian_client.commands.connecting import (
    api_option,
    deployment_option,
    gateway_option,
    open_gateway,
    open_platform,
)
from sanlian_client.commands.signing import key_option, open_key, passphrase_option
from sanlian_client.data import Gateway
from sanlian_client.platform import Platform


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls and whom, as the command line says it; nothing is opened before it is asked for.

    Attributes:
        key_file: key file, or pkcs11: URI of a key in a token.
        passphrase: of the key file; None: asked for when the key is opened.
        api: URL of the api.
        gateway: URL of the gateway.
        deployment: file of the deployment; None: the api is believed.
        authority: host:port that calls are signed for; None: that of the gateway's URL.
    """

    key_file: str
    passphrase: str | None
    api: str
    gateway: str
    deployment: Path | None
    authority: str | None

    def open_key(self) -> Signer:
        """Open the key, asking for passphrase or PIN if need be."""
        return open_key(self.key_file, self.passphrase)

    def open_gateway(self) -> Gateway:
        """Return the client of the gateway."""
        return open_gateway(self.api, self.gateway, self.deployment, self.authority)

    def open_platform(self) -> Platform:
        """Return the platform with the deployment that is trusted."""
        return open_platform(self.api, self.deployment)


_CALLER_OPTIONS = (key_option, passphrase_option, api_option, gateway_option, deployment_option)


def caller_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of key, api, gateway and deployment; the command gets them as ``caller``.

    With authority_option above it, the caller has the authority too.
    """

    @functools.wraps(command)
    def wrapped(
        *,
        key_file: str,
        passphrase: str | None,
        api: str,
        gateway: str,
        deployment: Path | None,
        authority: str | None = None,
        **options: Any,
    ) -> None:
        caller = Caller(key_file, passphrase, api, gateway, deployment, authority)
        command(caller=caller, **options)

    for option in reversed(_CALLER_OPTIONS):
        option(wrapped)
    return wrapped

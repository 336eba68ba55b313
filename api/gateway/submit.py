"""Hands the gateway's own acts to the api: signed here, accepted there like anybody's."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Self

import aiohttp

from crypto.canonical import canonical_json, parse_json
from crypto.errors import CryptoError, RequestRefused
from crypto.sm2 import Signer
from protocol.acts import Value, make_act, sign_act
from protocol.deployment import Deployment
from protocol.description import BY_NAME

LIFETIME_S = 3600
TIMEOUT_S = 10.0
_MAX_ANSWER = 64 * 1024


def _refuse(code: str = "") -> RequestRefused:
    details = {"reason": code[:64]} if code else {}
    return RequestRefused("TEST_NOT_SUBMITTED", "the ledger's api did not take the act", **details)


class ActSubmitter:
    """Signs acts with the gateway's key and hands them in. Use as an asynchronous context manager.

    Args:
        api_url: base URL of the ledger's api, from the settings; nothing else is called.
        key: the gateway's key.
        deployment: chain id and contracts.
    """

    def __init__(self, api_url: str, key: Signer, deployment: Deployment) -> None:
        self._api_url = api_url.rstrip("/")
        self._key = key
        self._deployment = deployment
        # One after the other: each takes the next nonce.
        self._lock = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def submit(
        self, name: str, values: Mapping[str, Value], *, target: bytes, revision: int
    ) -> bytes:
        """Sign an act and hand it in; return its id once the api has acknowledged it.

        Raises:
            RequestRefused: TEST_NOT_SUBMITTED, with the api's code where it gave one.
        """
        contract = BY_NAME[name].contract
        key_id = self._key.public_key.key_id
        async with self._lock:
            status, answer = await self._exchange(
                "GET", f"/v1/keys/{key_id.hex()}/nonce?contract={contract}", None
            )
            nonce = answer.get("nonce")
            if status != 200 or not isinstance(nonce, int):
                raise _refuse(str(answer.get("code", "")))
            act = make_act(
                name,
                chain_id=self._deployment.chain_id,
                contract=self._deployment.contracts[contract],
                key_id=key_id,
                nonce=nonce,
                expires_at=int(time.time()) + LIFETIME_S,
                values=values,
                target=target,
                revision=revision,
            )
            signed = sign_act(act, [self._key])
            body = canonical_json(
                {
                    "act": signed.data.hex(),
                    "signatures": [
                        {
                            "key_id": one.key_id.hex(),
                            "r": f"{one.signature.r:064x}",
                            "s": f"{one.signature.s:064x}",
                        }
                        for one in signed.signatures
                    ],
                    "documents": [],
                }
            )
            status, answer = await self._exchange("POST", "/v1/acts", body)
        if status != 202:
            raise _refuse(str(answer.get("code", "")))
        return signed.act_id

    async def _exchange(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[int, dict[str, Any]]:
        if self._session is None:
            raise AssertionError
        try:
            async with self._session.request(
                method,
                self._api_url + path,
                data=body,
                headers={"content-type": "application/json"},
                allow_redirects=False,
            ) as response:
                text = bytearray()
                async for piece in response.content.iter_any():
                    text += piece
                    if len(text) > _MAX_ANSWER:
                        response.close()
                        break  # parse_json refuses it
                value: Any = parse_json(bytes(text), max_bytes=_MAX_ANSWER)
                return response.status, value if isinstance(value, dict) else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, CryptoError) as error:
            raise _refuse() from error

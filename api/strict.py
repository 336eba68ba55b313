"""Routes that refuse unknown query parameters, and JSON that readers may differ on."""

import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from api.guard import MAX_BODY_BYTES
from crypto.canonical import parse_json
from crypto.errors import CryptoError


class _StrictRequest(Request):
    async def json(self) -> Any:
        """Parse the body as I-JSON: no repeated names, no number beyond 2^53."""
        body = await self.body()
        try:
            return parse_json(body, max_bytes=MAX_BODY_BYTES)
        except CryptoError as error:
            # The framework turns this class, and no other, into a validation error.
            raise json.JSONDecodeError(error.message, "", 0) from None


def _query_names(dependant: Dependant) -> Iterator[str]:
    """Yield the query parameters of a route and of what it depends on."""
    for field in dependant.query_params:
        yield field.alias
    for below in dependant.dependencies:
        yield from _query_names(below)


class StrictRoute(APIRoute):
    """A route that refuses unknown and repeated query parameters."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        handler = super().get_route_handler()
        known = set(_query_names(self.dependant))

        async def strict_handler(request: Request) -> Response:
            names = [name for name, _ in request.query_params.multi_items()]
            errors = [
                {"type": "parameter_unknown", "loc": ("query", name), "msg": "", "input": None}
                for name in names
                if name not in known
            ]
            errors += [
                {"type": "parameter_repeated", "loc": ("query", name), "msg": "", "input": None}
                for name in set(names)
                if names.count(name) > 1
            ]
            if errors:
                raise RequestValidationError(errors)
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict_handler

"""The three providers' own services, as they would stand in a department without any ledger."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from example_city.catalogue import COMPANIES, DIVISIONS, INSURANCE, Offer
from example_city.records import load_divisions, make_companies, make_insured

Endpoint = Callable[[Request], Awaitable[Response]]


def _select(records: list[dict[str, Any]], member: str, value: str | None) -> Response:
    found = [record for record in records if value is None or record[member] == value]
    return JSONResponse({"records": found})


def _by_query(offer: Offer, records: list[dict[str, Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return _select(records, offer.parameter, request.query_params.get(offer.parameter))

    return endpoint


def _by_body(offer: Offer, records: list[dict[str, Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        value = body.get(offer.parameter) if isinstance(body, dict) else None
        if not isinstance(value, str):
            return JSONResponse({"error": f"{offer.parameter} is missing"}, status_code=400)
        return _select(records, offer.parameter, value)

    return endpoint


def test_parameters(offer: Offer) -> dict[str, str]:
    """Return parameters whose answer holds every item of the offer, of nobody who exists."""
    records = {
        DIVISIONS.slug: load_divisions,
        COMPANIES.slug: make_companies,
        INSURANCE.slug: make_insured,
    }[offer.slug]()
    return {offer.parameter: str(records[0][offer.parameter])}


def create_service(slug: str) -> Starlette:
    """Return the service of one provider: "civil", "market" or "labour"."""
    offer, endpoint = {
        "civil": (DIVISIONS, _by_query(DIVISIONS, load_divisions())),
        "market": (COMPANIES, _by_query(COMPANIES, make_companies())),
        "labour": (INSURANCE, _by_body(INSURANCE, make_insured())),
    }[slug]
    return Starlette(routes=[Route(offer.path, endpoint, methods=[offer.method.upper()])])

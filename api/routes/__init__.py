"""Routes, one module per noun."""

from api.routes import (
    acts,
    authority,
    blocks,
    calendar,
    catalogue,
    claims,
    consents,
    corrections,
    cosignatures,
    departments,
    deployment,
    disputes,
    documents,
    entries,
    health,
    interfaces,
    keys,
    logs,
    pages,
    persons,
    refreshes,
    requests,
)

ROUTERS = tuple(
    module.router
    for module in (
        acts,
        deployment,
        authority,
        departments,
        persons,
        keys,
        calendar,
        entries,
        catalogue,
        claims,
        refreshes,
        interfaces,
        requests,
        corrections,
        disputes,
        consents,
        logs,
        blocks,
        cosignatures,
        documents,
        health,
        pages,
    )
)

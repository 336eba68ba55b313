"""Routes, one module per noun."""

from api.routes import (
    acts,
    blocks,
    calendar,
    claims,
    cosignatures,
    departments,
    deployment,
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
        departments,
        persons,
        keys,
        calendar,
        entries,
        claims,
        refreshes,
        interfaces,
        requests,
        logs,
        blocks,
        cosignatures,
        documents,
        health,
        pages,
    )
)

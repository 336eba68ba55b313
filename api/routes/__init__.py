"""Routes, one module per noun."""

from api.routes import (
    acts,
    blocks,
    calendar,
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

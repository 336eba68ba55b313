"""Routes, one module per noun."""

from api.routes import (
    acts,
    blocks,
    calendar,
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

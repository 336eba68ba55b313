"""What is fixed since deployment."""

from fastapi import APIRouter

from api.schemas import DeploymentOut
from api.services import ServicesDep
from api.strict import StrictRoute
from protocol.deployment import TYPE

router = APIRouter(prefix="/v1", tags=["deployment"], route_class=StrictRoute)


@router.get("/deployment", summary="部署信息 / Chain, contracts and keys")
def get_deployment(services: ServicesDep) -> DeploymentOut:
    """Return the deployment. A verifier pins these values; it does not take them from here."""
    deployment = services.deployment
    return DeploymentOut(
        type=TYPE,
        chain_id=deployment.chain_id,
        contracts={name: "0x" + a.hex() for name, a in deployment.contracts.items()},
        block=deployment.block,
        example=deployment.example,
        platform_key=deployment.platform_key.to_bytes().hex(),
        gateway_key=deployment.gateway_key.to_bytes().hex(),
        origin=deployment.origin,
        supplement_stops_clock=deployment.supplement_stops_clock,
    )

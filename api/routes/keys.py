"""Keys, and the nonce of a key's next act."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.reading import Cursor, IdFilter, Limit, as_bytes
from api.schemas import Hex32, NonceOut
from api.services import ServicesDep
from api.state_schemas import KeyOut, PageOut
from api.strict import StrictRoute
from ledger.reads import departments

router = APIRouter(prefix="/v1/keys", tags=["registry"], route_class=StrictRoute)


@router.get("", summary="密钥列表 / Keys")
def list_keys(
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    person: IdFilter = None,
    department: IdFilter = None,
) -> PageOut[KeyOut]:
    """Return keys, of one person or department where it is given."""
    page = services.read(
        departments.list_keys,
        cursor=cursor,
        limit=limit,
        person=as_bytes(person),
        department=as_bytes(department),
    )
    return PageOut[KeyOut].model_validate(page, from_attributes=True)


@router.get("/{key_id}", summary="密钥 / A key")
def get_key(key_id: Hex32, services: ServicesDep) -> KeyOut:
    """Return a key."""
    return KeyOut.model_validate(services.read(departments.get_key, bytes.fromhex(key_id)))


@router.get("/{key_id}/nonce", summary="下一个序号 / Nonce of a key's next act")
def get_nonce(
    key_id: Hex32,
    contract: Annotated[str, Query(max_length=32, description="name of the contract / 合约")],
    services: ServicesDep,
) -> NonceOut:
    """Return the nonce of a key's next act on a contract, behind its acts that wait here."""
    nonce = services.outbox.next_nonce(contract, bytes.fromhex(key_id))
    return NonceOut(key_id=key_id, contract=contract, nonce=nonce)

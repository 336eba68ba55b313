"""Applying genesis, acts and anchors to a state, with every check of the contracts.

The twin of contracts/: the same checks in the same order with the same error codes
(docs/protocol.md, 3.3, 3.4 and 4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crypto.errors import CryptoError
from crypto.sm2 import PublicKey, Signature, is_valid
from protocol.acts import (
    HEADER_SIZE,
    MAX_ACT_SIZE,
    MAX_LIFETIME_S,
    MAX_SIGNATURES,
    TAG,
    ZERO_ID,
    Act,
    SignedAct,
)
from protocol.checkpoint import MAX_SIZE, Checkpoint
from protocol.description import BY_CODE, WORD, ActType, Role
from protocol.model.authority_rules import AUTHORITY_RULES, MAX_AUTHORITY_PERSONS
from protocol.model.calendar_rules import CALENDAR_RULES
from protocol.model.claim_rules import CLAIM_RULES
from protocol.model.correction_rules import CORRECTION_RULES
from protocol.model.department_rules import DEPARTMENT_RULES
from protocol.model.dispute_rules import DISPUTE_RULES
from protocol.model.entry_rules import ENTRY_RULES
from protocol.model.head_key_rules import HEAD_KEY_RULES
from protocol.model.interface_rules import INTERFACE_RULES
from protocol.model.key_rules import KEY_RULES
from protocol.model.keys import Rule, require_active
from protocol.model.log_rules import LOG_RULES
from protocol.model.logs import Anchor
from protocol.model.oversight_rules import OVERSIGHT_RULES
from protocol.model.refresh_rules import REFRESH_RULES
from protocol.model.registry import Authority, Department, Key, KeyState, Person
from protocol.model.registry_rules import REGISTRY_RULES, read_new_key
from protocol.model.request_rules import REQUEST_RULES
from protocol.model.step import Step, refuse
from protocol.model.store import Store
from protocol.model.third_party_rules import THIRD_PARTY_RULES

RULES: dict[str, Rule] = {
    **DEPARTMENT_RULES,
    **REGISTRY_RULES,
    **KEY_RULES,
    **HEAD_KEY_RULES,
    **AUTHORITY_RULES,
    **ENTRY_RULES,
    **INTERFACE_RULES,
    **REQUEST_RULES,
    **LOG_RULES,
    **CORRECTION_RULES,
    **DISPUTE_RULES,
    **THIRD_PARTY_RULES,
    **CALENDAR_RULES,
    **CLAIM_RULES,
    **REFRESH_RULES,
    **OVERSIGHT_RULES,
}
#: The authority's department is a city's (level 3) department (kind 1).
AUTHORITY_LEVEL = 3
AUTHORITY_KIND = 1
MAX_REPLACEMENT_DELAY_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Applied:
    """What an accepted act did.

    Attributes:
        act: the decoded act.
        act_id: its id.
        target: id of what it created or changed.
        revision: the new revision of the target.
    """

    act: Act
    act_id: bytes
    target: bytes
    revision: int


def apply_genesis(
    store: Store,
    *,
    department: bytes,
    head: PublicKey,
    authority_keys: Sequence[PublicKey],
    threshold: int,
    replacement_delay_s: int,
    block_number: int,
) -> None:
    """Put what the registry's constructor made: the authority's department, head and keys.

    Args:
        store: an empty state.
        department: id of the authority's department as the event names it.
        head: key of its head.
        authority_keys: keys of the authority's persons.
        threshold: how many of them act together.
        replacement_delay_s: seconds for which a head can object to the replacement of the key.
        block_number: block of the event.

    Raises:
        ProtocolError: GENESIS_INVALID.
    """
    ids = [head.key_id, *(key.key_id for key in authority_keys)]
    if (
        store.find_authority() is not None
        or department != head.key_id
        or len(set(ids)) != len(ids)
        or len(authority_keys) > MAX_AUTHORITY_PERSONS
        or not 1 <= threshold <= len(authority_keys)
        or not 1 <= replacement_delay_s <= MAX_REPLACEMENT_DELAY_S
    ):
        raise refuse("GENESIS_INVALID", "the registry's genesis does not follow the protocol")
    count = len(authority_keys)
    store.put_authority(Authority(department, threshold, count, count, replacement_delay_s))
    store.put_department(
        Department(
            id=department,
            level=AUTHORITY_LEVEL,
            kind=AUTHORITY_KIND,
            region=0,
            parent=ZERO_ID,
            uscc="",
            uscc_override=0,
            name="",
            ended_day=0,
            successor=ZERO_ID,
            revision=1,
            block_number=block_number,
        )
    )
    for key in (head, *authority_keys):
        store.put_person(
            Person(
                id=key.key_id,
                department=department,
                roles=Role.HEAD if key == head else Role.AUTHORITY,
                revision=1,
                generation=0,
                has_active_key=key != head,
                block_number=block_number,
            )
        )
        store.put_key(
            Key(
                id=key.key_id,
                public_key=key,
                person=key.key_id,
                state=KeyState.ACTIVE,
                reason_code=0,
                valid_until=0,
                certificate_until=0,
                generation=0,
                revision=1,
                block_number=block_number,
            )
        )


def _decode(data: bytes, chain_id: int, contracts: Mapping[str, bytes]) -> tuple[Act, str]:
    """Decode in the contract's order: form, chain, contract, type, words."""
    if not HEADER_SIZE <= len(data) <= MAX_ACT_SIZE or len(data) % WORD or data[: len(TAG)] != TAG:
        raise refuse("ACT_MALFORMED", "this is not an act of version 1")
    if int.from_bytes(data[8:16], "big") != chain_id:
        raise refuse("WRONG_CHAIN", "the act counts on another chain")
    act_type: ActType | None = BY_CODE.get(int.from_bytes(data[52:56], "big"))
    names = [name for name, address in contracts.items() if address == data[32:52]]
    if len(names) != 1 or names[0] not in {known.contract for known in BY_CODE.values()}:
        raise refuse("WRONG_CONTRACT", "the act counts on another contract")
    if act_type is None or act_type.contract != names[0]:
        raise refuse("ACT_TYPE_UNKNOWN", "this contract does not know the act type")
    return Act.from_bytes(data), names[0]


def _signer_count(act_type: ActType, threshold: int) -> int:
    return sum(threshold if name == "AUTHORITY*m" else 1 for name in act_type.signers)


def apply_act(
    store: Store,
    signed: SignedAct,
    *,
    chain_id: int,
    contracts: Mapping[str, bytes],
    block_number: int,
    block_time: int,
    check_nonce: bool = True,
    verify_signatures: bool = True,
) -> Applied:
    """Check an act as its contract does and apply it.

    Nothing is put into the store unless every check holds.

    Args:
        store: the state, after genesis.
        signed: the act with its signatures.
        chain_id: chain id.
        contracts: 20-byte address of each contract by name.
        block_number: block that records it.
        block_time: time of that block, unix seconds.
        check_nonce: False where acts of the actor may be left out, as in evidence; then the nonce
            only must not fall.
        verify_signatures: False where the contract that emitted the act is trusted.

    Returns:
        The decoded act, what it changed and the new revision.

    Raises:
        ProtocolError: the contract's error as UPPER_SNAKE; VALUE_INVALID has details index, field.
    """
    act, contract = _decode(signed.data, chain_id, contracts)
    if block_time > act.expires_at:
        raise refuse("ACT_EXPIRED", "the act has expired")
    if act.expires_at > block_time + MAX_LIFETIME_S:
        raise refuse("EXPIRY_TOO_FAR", "an act expires within 30 days")
    authority = store.find_authority()
    if authority is None:
        raise refuse("GENESIS_MISSING", "the state has no genesis")
    signatures = signed.signatures
    if not 1 <= len(signatures) <= MAX_SIGNATURES or len(signatures) != _signer_count(
        act.type, authority.threshold
    ):
        raise refuse("SIGNATURE_COUNT", f"{act.type.name} has another number of signatures")
    if signatures[0].key_id != act.key_id:
        raise refuse("ACTOR_MISMATCH", "the first signer is not the actor")
    nonce = store.nonce(contract, act.key_id)
    if act.nonce != nonce and (check_nonce or act.nonce < nonce):
        raise refuse("NONCE_MISMATCH", "the nonce is not the next one", nonce=nonce)
    brings_key = act.type.brings_key
    known = signatures[:-1] if brings_key else signatures
    keys: list[Key] = []
    persons: list[Person] = []
    for signature in known:
        key = store.find_key(signature.key_id)
        if key is None:
            raise refuse("KEY_UNKNOWN", "a signer's key does not exist")
        person = _person_of(store, key)
        require_active(store, key, person, block_time, "a signer's")
        keys.append(key)
        persons.append(person)
    new_key = _new_key(store, act, signed) if brings_key else None
    if verify_signatures:
        owners = [key.public_key for key in keys] + ([new_key] if new_key else [])
        for owner, signature in zip(owners, signatures, strict=True):
            _verify(owner, signed.data, signature.signature)
    if len({person.id for person in persons}) != len(persons):
        raise refuse("SIGNER_REPEATED", "two signatures are of one person")
    step = Step(
        store=store,
        authority=authority,
        act=act,
        act_id=signed.act_id,
        persons=tuple(persons),
        key_ids=tuple(signature.key_id for signature in signatures),
        new_key=new_key,
        block_number=block_number,
        block_time=block_time,
    )
    target, revision = RULES[act.type.name](step)
    store.put_nonce(contract, act.key_id, act.nonce + 1)
    return Applied(act, signed.act_id, target, revision)


def _person_of(store: Store, key: Key) -> Person:
    person = store.find_person(key.person)
    if person is None:
        raise refuse("KEY_UNKNOWN", "a signer's key belongs to nobody")
    return person


def _verify(public_key: PublicKey, message: bytes, signature: Signature) -> None:
    if not is_valid(public_key, message, signature):
        raise refuse("SIGNATURE_INVALID", "a signature on the act does not hold")


def _new_key(store: Store, act: Act, signed: SignedAct) -> PublicKey:
    try:
        new_key = read_new_key(act.values)
    except CryptoError as error:
        raise refuse("PUBLIC_KEY_INVALID", "the new key is not a point of the curve") from error
    if store.find_key(new_key.key_id) is not None:
        raise refuse("KEY_TAKEN", "this key is registered already")
    if signed.signatures[-1].key_id != new_key.key_id:
        raise refuse("KEY_UNKNOWN", "the last signer is not the new key")
    return new_key


def apply_anchor(
    store: Store,
    log: bytes,
    size: int,
    root: bytes,
    signature: Signature,
    *,
    block_number: int,
    block_time: int,
    verify_signature: bool = True,
) -> Anchor:
    """Check an anchor as the contract does and keep it.

    Args:
        store: the state.
        log: id of the log.
        size: number of records.
        root: root hash of the tree.
        signature: the gateway's signature on the checkpoint's text.
        block_number: block that records it.
        block_time: time of that block, unix seconds.
        verify_signature: False where the contract that emitted the anchor is trusted.

    Raises:
        ProtocolError: TARGET_UNKNOWN, SIZE_INVALID, SIZE_SHRINKS, ALREADY_ANCHORED, ROOT_DIFFERS,
            KEY_UNKNOWN, KEY_NOT_ACTIVE, KEY_EXPIRED, ROLE_MISSING, SIGNATURE_INVALID.
    """
    found = store.find_log(log)
    if found is None:
        raise refuse("TARGET_UNKNOWN", "this log does not exist")
    if not 0 < size <= MAX_SIZE:
        raise refuse("SIZE_INVALID", "an anchored log has 1 to 2^63 - 1 records")
    newest = store.find_anchor(log)
    if newest is not None and size < newest.size:
        raise refuse("SIZE_SHRINKS", "a later anchor has more records")
    if newest is not None and size == newest.size:
        if root != newest.root:
            raise refuse("ROOT_DIFFERS", "this size is anchored with another root")
        raise refuse("ALREADY_ANCHORED", "this checkpoint is anchored already")
    key = store.find_key(found.gateway_key)
    if key is None:
        raise refuse("KEY_UNKNOWN", "the gateway's key does not exist")
    person = _person_of(store, key)
    require_active(store, key, person, block_time, "the gateway's")
    if not person.roles & Role.GATEWAY:
        raise refuse("ROLE_MISSING", "the key is no gateway's any more", role="GATEWAY")
    if verify_signature:
        text = Checkpoint(found.origin, size, root).text().encode()
        _verify(key.public_key, text, signature)
    anchor = Anchor(log, size, root, signature, block_number, block_time)
    store.put_anchor(anchor)
    return anchor

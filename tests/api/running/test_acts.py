"""Acts over HTTP: taken once, and refused early with the contract's own codes."""

from crypto.sm3 import sm3
from protocol.acts import ActSignature, SignedAct
from protocol.description import Role
from tests.api.running.story import ENTRY, INTERFACE, Story, key


def test_an_act_sent_again_changes_nothing(story: Story) -> None:
    signed = story.sign(
        "PersonRolesSet",
        ("housing head",),
        story.ids["housing operator"],
        roles=int(Role.OPERATOR | Role.OFFICER),
    )
    first = story.checked("post", "/v1/acts", story.post(signed), 202)
    second = story.checked("post", "/v1/acts", story.post(signed), 202)
    story.verify(first)
    story.verify(second)
    for name in ("received_at", "key_id", "public_key"):
        assert first["acknowledgement"][name] == second["acknowledgement"][name]
    recorded = story.record(signed)
    assert recorded["act"] == signed.data.hex()
    assert recorded["error"] is None
    roles = story.get(f"/v1/persons/{story.ids['housing operator']}")["role_names"]
    assert roles == ["OPERATOR", "OFFICER"]


def test_rules_are_refused_early_with_the_contracts_code(story: Story) -> None:
    entry, head = story.ids["entry"], ("civil affairs head",)
    retire = {"reason": sm3(b"reason")}
    sign = story.sign
    foreign = sign("EntryRetired", ("housing head",), entry, **retire)
    story.refused(foreign, "DEPARTMENT_MISMATCH", 403)
    story.refused(sign("EntryRetired", ("witness",), entry, **retire), "ROLE_MISSING", 403)
    story.refused(sign("EntryRetired", ("stranger",), entry, **retire), "KEY_UNKNOWN", 422)
    stale = sign("EntryRetired", head, entry, header={"revision": 1}, **retire)
    story.refused(stale, "STALE_REVISION", 409)
    gap = sign("EntryRetired", head, entry, header={"nonce": 9}, **retire)
    assert story.refused(gap, "NONCE_MISMATCH", 409)["details"]["expected"] == 0
    other_chain = sign("EntryRetired", head, entry, header={"chain_id": 1}, **retire)
    story.refused(other_chain, "WRONG_CHAIN", 422)
    dead = sign("EntryRetired", head, entry, header={"expires_at": 1}, **retire)
    story.refused(dead, "ACT_EXPIRED", 422)
    far = sign("EntryRetired", head, entry, header={"expires_at": 2**40}, **retire)
    story.refused(far, "EXPIRY_TOO_FAR", 422)
    good = sign("EntryRetired", head, entry, **retire)
    forged = ActSignature(good.signatures[0].key_id, key("housing head").sign(good.data))
    story.refused(SignedAct(good.data, (forged,)), "SIGNATURE_INVALID", 422)
    bare = sign("EntrySubmitted", ("civil affairs operator", *head), **story.entry_values())
    other = ENTRY.replace("低保".encode(), "高保".encode())
    story.refused(bare, "DOCUMENT_UNEXPECTED", 422, ENTRY, other)


def test_documents_that_disagree_with_their_act(story: Story) -> None:
    who = ("civil affairs operator", "civil affairs head")
    for changes in ({"basis": sm3(b"other")}, {"openness": 1}, {"mode": 4}, {"sensitive": 0}):
        signed = story.sign("EntrySubmitted", who, **story.entry_values(**changes))
        story.refused(signed, "DOCUMENT_DIFFERS", 422, ENTRY)
    uncovering = INTERFACE.replace(b'"/rows/*/state"', b'"/rows/*/stats"')
    signed = story.sign(
        "InterfaceRegistered",
        ("civil affairs operator",),
        entry=bytes.fromhex(story.ids["entry"]),
        entry_version=1,
        rate_per_minute=0,
        max_rows=0,
        items=0b011,
        document=sm3(uncovering),
        node="n",
    )
    found = story.refused(signed, "SCHEMA_NOT_COVERING", 422, uncovering)
    assert found["details"] == {"pattern": "/rows/*/stats", "item": 1}

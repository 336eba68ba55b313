"""Keys over time, and the authority as it stands."""

import time

from crypto.sm3 import sm3
from protocol.description import Role
from tests.api.running.story import Story, key_id, key_words


def test_keys_over_time(story: Story) -> None:
    """A department whose head loses the key, and a person who hands over and is stopped."""
    story.register("archive")
    head, archive = "archive head", story.ids["archive"]
    story.enrol("archivist", head, Role.OPERATOR)
    archivist = key_id("archivist")
    story.do("KeyRotated", ("archivist", "archivist 2"), archivist, **key_words("archivist 2"))
    old, new = (story.get(f"/v1/keys/{key_id(name)}") for name in ("archivist", "archivist 2"))
    assert (old["state"], old["reason_code"], new["state"]) == ("REVOKED", 1, "ACTIVE")
    assert old["person"] == new["person"] == story.ids["archivist"]
    story.do("KeySuspended", (head,), key_id("archivist 2"), reason_code=2)
    assert story.get(f"/v1/keys/{key_id('archivist 2')}")["state"] == "SUSPENDED"
    refused = story.post(
        story.sign("KeyRotated", ("archivist 2", "n"), key_id("archivist 2"), **key_words("n"))
    )
    assert story.checked("post", "/v1/acts", refused, 422)["code"] == "KEY_NOT_ACTIVE"
    story.do("KeyResumed", (head,), key_id("archivist 2"))
    end = int(time.time()) + 100_000
    story.do(
        "CertificateBound",
        (head,),
        key_id("archivist 2"),
        issuer=sm3(b"issuer"),
        serial=0xABC,
        certificate=sm3(b"certificate"),
        not_after=end,
    )
    bound = story.get(f"/v1/keys/{key_id('archivist 2')}")
    assert (bound["expires_at"], bound["valid_until"]) == (end, 0)
    assert bound["certificate"]["serial"] == f"{0xABC:064x}"

    signers = ("authority 1", "authority 2", "archive head 2")
    assert story.get(f"/v1/persons/{archive}")["proposal"] is None
    words = {**key_words("archive head 2"), "reason_code": 2}
    story.do("HeadKeyProposed", signers, archive, **words)
    pending = story.get(f"/v1/persons/{archive}")["proposal"]
    assert (pending["state"], pending["key_id"]) == ("PENDING", key_id("archive head 2"))
    named = {"key": bytes.fromhex(key_id("archive head 2"))}
    early = story.post(story.sign("HeadKeyReplaced", ("authority 1",), archive, **named))
    assert early.json()["code"] == "REPLACEMENT_TOO_EARLY"
    time.sleep(max(0.0, pending["ready_at"] + 2 - time.time()))
    story.do("HeadKeyReplaced", ("authority 1",), archive, **named)
    assert story.get(f"/v1/keys/{key_id(head)}")["state"] == "REVOKED"
    assert story.get(f"/v1/keys/{key_id(head)}")["reason_code"] == 2
    assert story.get(f"/v1/persons/{archive}")["proposal"]["state"] == "REPLACED"


def test_the_authority_as_it_stands(story: Story) -> None:
    before = story.get("/v1/authority")
    assert (before["threshold"], before["replacement_delay_s"]) == (2, 2)
    assert [one["has_active_key"] for one in before["persons"]] == [True] * 3
    department = before["department"]
    signers = ("authority 1", "authority 2")
    story.do("ThresholdSet", signers, department, threshold=3)
    assert story.get("/v1/authority")["threshold"] == 3
    lowered = story.post(story.sign("ThresholdSet", signers, department, threshold=1))
    assert story.checked("post", "/v1/acts", lowered, 422)["code"] == "SIGNATURE_COUNT"
    story.do("ThresholdSet", (*signers, "authority 3"), department, threshold=2)
    kinds = {kind: story.get(f"/v1/targets/{department}", kind=kind) for kind in ("person", "key")}
    assert {one["kind"] for one in kinds.values()} == {"person", "key"}

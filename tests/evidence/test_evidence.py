"""Evidence: built from a real chain and log, verified; each fault is named."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from crypto.canonical import canonical_json
from crypto.errors import LedgerError, VerificationError
from crypto.second_opinion import second_opinion
from crypto.sm2 import PrivateKey
from protocol.ethereum import Header
from protocol.evidence import Evidence, ReceiptProof, Status, verify_evidence
from protocol.trust import TrustRoot
from sanlian_client.cli import main
from tests.evidence.conftest import Told


def _fails(data: bytes, trust: TrustRoot) -> tuple[str, str]:
    with pytest.raises(VerificationError) as found:
        verify_evidence(data, trust)
    assert found.value.code == "EVIDENCE_INVALID"
    return str(found.value.details["part"]), str(found.value.details["cause"])


@pytest.mark.parametrize(
    "name", ["released", "denied", "skewed", "before_revocation", "revoked", "bundled"]
)
def test_valid(told: Told, name: str) -> None:
    verdict = verify_evidence(told.case.evidence(told.seqs[name]), told.case.trust)
    assert verdict.status is Status.VALID, verdict.reason
    assert verdict.facts["requester_name"] == "housing"
    assert verdict.facts["record"] == told.seqs[name]


def test_a_second_implementation_says_the_same(told: Told, tmp_path: Path) -> None:
    evidence, trust = tmp_path / "evidence.json", tmp_path / "trust.json"
    evidence.write_bytes(told.case.evidence(told.seqs["released"]))
    trust.write_bytes(told.case.trust.to_bytes())
    with second_opinion() as opinion:
        verify_evidence(evidence.read_bytes(), told.case.trust)
    assert opinion.asked >= 10, "the verifier's signatures are not observed"
    opinion.require_agreement()
    command = ["evidence", "verify", str(evidence), "--trust", str(trust), "--second-opinion"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "verdict: valid" in done.output


def test_denial_of_an_unknown_key_names_no_department(told: Told) -> None:
    verdict = verify_evidence(told.case.evidence(told.seqs["unknown_key"]), told.case.trust)
    assert verdict.status is Status.VALID
    assert (verdict.facts["requester"], verdict.facts["requester_name"]) == ("00" * 32, "")


def test_valid_says_what_was_released(told: Told) -> None:
    end = told.seqs["released"] + 1
    verdict = verify_evidence(told.case.evidence(end), told.case.trust)
    assert verdict.facts["provider_name"] == "civil affairs"
    assert (verdict.facts["result"], verdict.facts["released_items"]) == ("released", [0])
    assert "provider_name: civil affairs" in verdict.summary


@pytest.mark.parametrize(
    ("name", "part", "cause"),
    [
        ("altered_item_mask", "decision", "DECISION_WRONG"),
        ("wrong_denial", "decision", "DECISION_WRONG"),
        ("framed", "decision", "DECISION_WRONG"),
        ("framed_busy", "decision", "DECISION_WRONG"),
        ("revoked_grant_released", "decision", "DECISION_WRONG"),
        ("foreign_provider", "outcome", "PROVIDER_INVALID"),
        ("no_provider", "outcome", "PROVIDER_INVALID"),
        ("more_items", "outcome", "OUTCOME_INVALID"),
        ("late_answer", "outcome", "PROVIDER_INVALID"),
        ("dated_back", "blocks", "BLOCK_INVALID"),
    ],
)
def test_gateway_that_lies(told: Told, name: str, part: str, cause: str) -> None:
    assert _fails(told.case.evidence(told.seqs[name]), told.case.trust) == (part, cause)


def test_not_ready(told: Told) -> None:
    for name in ("open_intent", "unanchored"):
        with pytest.raises(LedgerError, match="EVIDENCE_NOT_READY"):
            told.case.evidence(told.seqs[name])
    with pytest.raises(LedgerError, match="EVIDENCE_UNSUPPORTED"):
        told.case.evidence(0)


def test_removed_witness_is_undecided(told: Told) -> None:
    data = told.case.evidence(told.seqs["released"], ["witness 1"])
    verdict = verify_evidence(data, told.case.trust)
    assert verdict.status is Status.UNDECIDED
    assert "vouches" in verdict.reason
    evidence = Evidence.from_bytes(data)
    bare = replace(evidence, cosignatures=()).to_bytes()
    assert verify_evidence(bare, told.case.trust).status is Status.UNDECIDED
    head = told.case.chain
    pinned = {
        number: head.get_header(number)[1].hash for number in range(1, told.case.chain.head() + 1)
    }
    assert verify_evidence(bare, told.case.trust, pinned=pinned).status is Status.VALID
    wrong = {number: bytes(32) for number in pinned}
    with pytest.raises(VerificationError) as found:
        verify_evidence(bare, told.case.trust, pinned=wrong)
    assert found.value.details["part"] == "cosignatures"


def test_wrong_witness(told: Told) -> None:
    trust = told.case.trust
    other = replace(trust, witnesses=(PrivateKey.generate().public_key, trust.witnesses[1]))
    data = told.case.evidence(told.seqs["released"])
    assert _fails(data, other) == ("cosignatures", "COSIGNATURE_INVALID")


def test_other_chain(told: Told) -> None:
    trust = told.case.trust
    data = told.case.evidence(told.seqs["released"])
    assert _fails(data, replace(trust, chain_id=trust.chain_id + 1)) == ("form", "WRONG_CHAIN")
    moved = {**trust.contracts, "Registry": bytes(20)}
    assert _fails(data, replace(trust, contracts=moved))[0] == "receipts"


def test_missing_receipt(told: Told) -> None:
    evidence = told.evidence("before_revocation")
    for place, block in enumerate(evidence.blocks):
        if not block.receipts:
            continue
        blocks = list(evidence.blocks)
        blocks[place] = replace(block, receipts=())
        _fails(replace(evidence, blocks=tuple(blocks)).to_bytes(), told.case.trust)


def test_receipt_of_another_place(told: Told) -> None:
    evidence = told.evidence("released")
    place = next(i for i, block in enumerate(evidence.blocks) if block.receipts)
    block = evidence.blocks[place]
    moved = ReceiptProof(block.receipts[0].index + 1, block.receipts[0].nodes)
    blocks = list(evidence.blocks)
    blocks[place] = replace(block, receipts=(moved,))
    data = replace(evidence, blocks=tuple(blocks)).to_bytes()
    assert _fails(data, told.case.trust) == ("receipts", "PROOF_INVALID")


def test_intent_without_outcome(told: Told) -> None:
    evidence = told.evidence("released")
    data = replace(evidence, records=evidence.records[:1]).to_bytes()
    assert _fails(data, told.case.trust) == ("records", "RECORD_MISSING")


def test_outcome_of_another_intent(told: Told) -> None:
    first, other = told.evidence("released"), told.evidence("more_items")
    data = replace(first, records=(first.records[0], other.records[1])).to_bytes()
    assert _fails(data, told.case.trust) == ("outcome", "OUTCOME_INVALID")


def _mutants(data: bytes, positions: list[int], seed: int) -> Iterator[tuple[int, bytes]]:
    source = random.Random(seed)  # noqa: S311 - repeatable, not secret
    for position in positions:
        changed = bytearray(data)
        # A neighbour of the same kind keeps the form whole more often than any byte would.
        new = ord(source.choice("0123456789abcdef")) if source.random() < 0.7 else 0
        changed[position] = new if new not in (0, data[position]) else data[position] ^ 1
        yield position, bytes(changed)


def _never_valid(data: bytes, trust: TrustRoot, positions: list[int]) -> None:
    for position, mutant in _mutants(data, positions, 7):
        outcome = _code_of(mutant, trust)
        assert outcome == "EVIDENCE_INVALID", f"byte {position}: {outcome}"


def _code_of(data: bytes, trust: TrustRoot) -> str:
    try:
        return verify_evidence(data, trust).status.name
    except VerificationError as error:
        return error.code


def test_mutated_byte(told: Told) -> None:
    data = told.case.evidence(told.seqs["released"])
    positions = random.Random(1).sample(range(len(data)), 300)  # noqa: S311 - repeatable
    # The last member is the blocks' cosignatures' neighbour: take its borders for sure.
    start = data.index(b'"cosignatures"')
    _never_valid(data, told.case.trust, [*positions, *range(start, start + 120)])


@pytest.mark.full
@pytest.mark.timeout(2400)
def test_mutated_byte_everywhere(told: Told) -> None:
    data = told.case.evidence(told.seqs["released"])
    _never_valid(data, told.case.trust, list(range(len(data))))


def test_capitals_are_another_file(told: Told) -> None:
    data = told.case.evidence(told.seqs["denied"])
    start = data.index(b'"log":"') + 7
    upper = data[:start] + data[start : start + 64].upper() + data[start + 64 :]
    assert upper != data
    assert _fails(upper, told.case.trust) == ("form", "EVIDENCE_MALFORMED")


def test_another_number_in_a_header(told: Told) -> None:
    """A block that stands by its child alone cannot be moved: that is invalid, not undecided."""
    value = json.loads(told.case.evidence(told.seqs["released"]))
    cosigned = {one["number"] for one in value["cosignatures"]}
    numbers = [Header.from_bytes(bytes.fromhex(b["header"])).number for b in value["blocks"]]
    place = next(
        i for i, n in enumerate(numbers[:-1]) if n not in cosigned and numbers[i + 1] == n + 1
    )
    header = value["blocks"][place]["header"]
    at = header.index(f"80{numbers[place]:02x}84") + 2
    moved = header[:at] + f"{numbers[place] - 1:02x}" + header[at + 2 :]
    value["blocks"][place]["header"] = moved
    assert _fails(canonical_json(value), told.case.trust) == ("form", "EVIDENCE_MALFORMED")

"""Contract, model and docs/protocol.md 3.4 name the same errors for each act type."""

import re
from typing import Any

import pytest

from protocol.description import ACT_TYPES, ActType
from protocol.model.errors import rule_errors
from tests.model.contract_errors import ROOT, ContractErrors, Node, load_trees, upper_snake


@pytest.fixture(scope="module")
def trees() -> dict[str, Node]:
    return load_trees()


@pytest.fixture(scope="module")
def contract_errors(trees: dict[str, Node]) -> ContractErrors:
    return ContractErrors(trees)


@pytest.fixture(scope="module")
def table() -> dict[str, set[str]]:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    rows: dict[str, set[str]] = {}
    for part in text.split("| act | errors of its own rules |\n|---|---|\n")[1:]:
        for row in part.split("\n\n")[0].splitlines():
            _, name, errors, _ = row.split("|")
            rows[name.strip()] = {upper_snake(e) for e in re.findall(r"`(\w+)`", errors)}
    return rows


@pytest.mark.parametrize("act_type", ACT_TYPES, ids=lambda a: a.name)
def test_contract_model_and_table_name_the_same_errors(
    act_type: ActType, contract_errors: ContractErrors, table: dict[str, set[str]]
) -> None:
    contract = contract_errors.of(act_type.contract, act_type.name)
    assert contract == rule_errors(act_type.name) == table[act_type.name]
    assert "ROLE_MISSING" in contract or "NOT_OWN_KEY" in contract


def test_an_error_that_the_contract_lost_is_noticed() -> None:
    trees = load_trees()
    source = trees["contracts/sharing/Corrections.sol"]

    def strip(node: Any) -> Any:
        if isinstance(node, list):
            return [strip(n) for n in node if "OwnData" not in _reverted(n)]
        if isinstance(node, dict):
            kept = {k: strip(v) for k, v in node.items()}
            if "OwnData" in _reverted(node.get("trueBody")):
                kept["trueBody"] = None
            return kept
        return node

    trees["contracts/sharing/Corrections.sol"] = strip(source)
    lost = rule_errors("CorrectionFiled") - ContractErrors(trees).of(
        "Corrections", "CorrectionFiled"
    )
    assert lost == {"OWN_DATA"}


def _reverted(node: object) -> str:
    if isinstance(node, dict) and node.get("nodeType") == "RevertStatement":
        return str(node["errorCall"]["expression"].get("name"))
    return ""

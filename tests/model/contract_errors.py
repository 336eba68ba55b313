"""The errors with which a contract's rule of an act type can revert, read from its syntax tree."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Node = dict[str, Any]


def upper_snake(name: str) -> str:
    """Return StateInvalid as STATE_INVALID."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def load_trees() -> dict[str, Node]:
    """Compile the contracts as far as their syntax trees."""
    done = subprocess.run(
        ("node", "scripts/ast.js"), cwd=ROOT, capture_output=True, text=True, check=True
    )
    trees: dict[str, Node] = json.loads(done.stdout)
    return trees


def _nodes(tree: Any) -> Iterator[Node]:
    queue = [tree]
    while queue:
        node = queue.pop()
        if isinstance(node, list):
            queue += node
        elif isinstance(node, dict):
            if "nodeType" in node:
                yield node
            queue += node.values()


class ContractErrors:
    """The call graph of the contracts, followed for one act type at a time.

    Branches on `step.code` are taken as the act type decides; every other branch is taken.
    """

    def __init__(self, trees: dict[str, Node]) -> None:
        """Read the trees."""
        self._by_id: dict[int, Node] = {}
        self._contracts: dict[str, Node] = {}
        self._implementing: dict[int, list[tuple[Node, Node]]] = {}
        for node in _nodes(list(trees.values())):
            if "id" not in node:  # parts of inline assembly have none
                continue
            self._by_id[node["id"]] = node
            if node["nodeType"] == "ContractDefinition":
                self._contracts[node["name"]] = node
        for contract in self._contracts.values():
            for member in contract["nodes"]:
                for base in member.get("baseFunctions", []):
                    self._implementing.setdefault(base, []).append((contract, member))

    def of(self, contract: str, act_type: str) -> frozenset[str]:
        """Return the codes with which a contract's own rule of an act type can revert."""
        home = self._contracts[contract]
        entry = next(
            f
            for base in home["linearizedBaseContracts"]
            for f in self._by_id[base]["nodes"]
            if f.get("name") == "_apply" and f.get("body")
        )
        self._code, self._found, self._seen = upper_snake(act_type), set[str](), set[Any]()
        self._function(entry, home)
        return frozenset(self._found)

    def _function(self, function: Node, home: Node) -> None:
        if (function["id"], home["id"]) in self._seen:
            return
        self._seen.add((function["id"], home["id"]))
        if function["nodeType"] == "FunctionDefinition" and not function.get("body"):
            for owner, member in self._implementing.get(function["id"], []):
                self._function(member, self._deployed(owner))
            return
        self._statement(function.get("body"), home)
        for modifier in function.get("modifiers", []):
            raise AssertionError(f"a modifier is not followed: {modifier}")

    def _deployed(self, owner: Node) -> Node:
        """Return the contract that is deployed with this base."""
        return next(
            c
            for c in self._contracts.values()
            if owner["id"] in c["linearizedBaseContracts"]
            and c["contractKind"] == "contract"
            and not c["abstract"]
        )

    def _statement(self, node: Any, home: Node) -> bool:
        """Follow a statement; return whether what comes after it is never reached."""
        if node is None:
            return False
        kind = node["nodeType"]
        if kind in ("Block", "UncheckedBlock"):
            return any(self._statement(one, home) for one in node["statements"])
        if kind == "IfStatement":
            wanted = self._decided(node["condition"])
            if wanted is not None:
                return self._statement(node["trueBody"] if wanted else node.get("falseBody"), home)
            self._expressions(node["condition"], home)
            ends = self._statement(node["trueBody"], home)
            other = self._statement(node.get("falseBody"), home)
            return ends and other
        if kind in ("ForStatement", "WhileStatement"):
            self._expressions({k: v for k, v in node.items() if k != "body"}, home)
            self._statement(node["body"], home)
            return False
        self._expressions(node, home)
        return kind in ("Return", "RevertStatement")

    def _decided(self, condition: Node) -> bool | None:
        """Return what `step.code == ActTypes.NAME` is; None for another condition."""
        left, right = condition.get("leftExpression"), condition.get("rightExpression")
        if (
            condition.get("operator") == "=="
            and left is not None
            and left.get("memberName") == "code"
            and right is not None
            and "memberName" in right
        ):
            return bool(right["memberName"] == self._code)
        return None

    def _expressions(self, tree: Any, home: Node) -> None:
        for node in _nodes(tree):
            declared = self._by_id.get(node.get("referencedDeclaration", -1))
            if declared is None:
                continue
            if declared["nodeType"] == "ErrorDefinition":
                self._found.add(upper_snake(declared["name"]))
            elif declared["nodeType"] == "FunctionDefinition":
                self._function(*self._resolved(declared, home))

    def _resolved(self, function: Node, home: Node) -> tuple[Node, Node]:
        """Return the most derived override of a function of this contract."""
        if function.get("scope") not in home["linearizedBaseContracts"]:
            return function, home
        for base in home["linearizedBaseContracts"]:
            for member in self._by_id[base]["nodes"]:
                if member["nodeType"] == "FunctionDefinition" and (
                    member["id"] == function["id"]
                    or function["id"] in member.get("baseFunctions", [])
                ):
                    return member, home
        return function, home

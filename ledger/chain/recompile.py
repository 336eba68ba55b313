"""Does the committed bytecode come from this source? Compiles again and compares.

py-solc-x drives the compiler; the compiler is the npm package, through scripts/solc, since a
government network has no way to download another one.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import solcx

from crypto.errors import VerificationError
from ledger.chain.artifacts import ABI_DIRECTORY
from protocol.description import CONTRACTS

MAX_SOURCE_SIZE = 1024 * 1024


def recompile(root: Path) -> Mapping[str, int]:
    """Compile every contract from a source tree and compare with the committed artifacts.

    Args:
        root: directory that holds contracts/, scripts/solc and node_modules/.

    Returns:
        Size of the runtime code in bytes by contract.

    Raises:
        VerificationError: SOURCE_DIFFERS, with the contract; COMPILER_FAILED.
    """
    sizes: dict[str, int] = {}
    for name in CONTRACTS:
        artifact: dict[str, Any] = json.loads((ABI_DIRECTORY / f"{name}.json").read_bytes())
        code = _compile(root, name, artifact)
        for member, made in (
            ("bytecode", code["bytecode"]["object"]),
            ("deployedBytecode", code["deployedBytecode"]["object"]),
        ):
            if artifact[member] != "0x" + made:
                raise VerificationError(
                    "SOURCE_DIFFERS", f"the {member} of {name} is not what its source gives"
                )
        sizes[name] = len(code["deployedBytecode"]["object"]) // 2
    return sizes


def _compile(root: Path, name: str, artifact: Mapping[str, Any]) -> dict[str, Any]:
    sources = {}
    for source in artifact["sources"]:
        path = root / source
        if not path.is_file() or path.stat().st_size > MAX_SOURCE_SIZE:
            raise VerificationError("SOURCE_DIFFERS", f"the source {source} is missing")
        sources[source] = {"content": path.read_text("utf-8")}
    settings = {
        **artifact["solc"]["settings"],
        "outputSelection": {"*": {"*": ["evm.bytecode.object", "evm.deployedBytecode.object"]}},
    }
    try:
        output = solcx.compile_standard(
            {"language": "Solidity", "sources": sources, "settings": settings},
            solc_binary=root / "scripts" / "solc",
        )
    except (solcx.exceptions.SolcError, OSError) as error:
        raise VerificationError("COMPILER_FAILED", "the compiler does not run") from error
    for contracts in output["contracts"].values():
        if name in contracts:
            found: dict[str, Any] = contracts[name]["evm"]
            return found
    raise VerificationError("SOURCE_DIFFERS", f"the source of {name} does not hold it")

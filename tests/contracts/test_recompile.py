"""The committed bytecode comes from the committed source: py-solc-x compiles it again."""

import shutil
from pathlib import Path

import pytest

from crypto.errors import VerificationError
from ledger.chain.recompile import recompile

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.full
@pytest.mark.timeout(900)
def test_source_gives_the_committed_bytecode() -> None:
    """Every contract, compiled from its source, is byte for byte what Python deploys."""
    sizes = recompile(ROOT)
    assert sizes
    assert all(0 < size <= 22 * 1024 for size in sizes.values())


@pytest.mark.full
@pytest.mark.timeout(900)
def test_an_altered_source_is_found(tmp_path: Path) -> None:
    """One changed character of a contract is named."""
    for name in ("contracts", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    path = tmp_path / "contracts" / "sm" / "SM2.sol"
    path.write_text(path.read_text("utf-8").replace("fffffffe", "fffffffd", 1), "utf-8")
    with pytest.raises(VerificationError) as caught:
        recompile(tmp_path)
    assert caught.value.code in ("SOURCE_DIFFERS", "COMPILER_FAILED")


def test_a_missing_source_is_found(tmp_path: Path) -> None:
    """A tree without the contracts is refused, not compiled."""
    with pytest.raises(VerificationError) as caught:
        recompile(tmp_path)
    assert caught.value.code == "SOURCE_DIFFERS"

"""Writes docs/errors.md from the one table of error codes (api/codes.py and the gateway's).

`--check` writes nothing and fails when the file is not what the table makes.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from api.problems import CODES  # noqa: E402 - the path must stand first

TARGET = ROOT / "docs" / "errors.md"
_HEAD = """# Error codes / 错误代码

Every error has a stable code. Over HTTP it comes as problem details (RFC 9457) with the status
below; command lines print the code before the message. A contract's custom error has the same name
in another spelling: `NonceMismatch` is `NONCE_MISMATCH`.
每个错误都有固定代码，经接口返回时附下列状态。

This file is generated from `api/codes.py` and `api/gateway/codes.py` by `scripts/error_codes.py`.

| code | status | 中文 | English |
|---|---|---|---|
"""


def render() -> str:
    """Return the text of docs/errors.md."""
    rows = "".join(
        f"| `{code}` | {status} | {zh} | {en} |\n"
        for code, (status, zh, en) in sorted(CODES.items())
    )
    return _HEAD + rows


def main() -> int:
    """Write the file, or check it."""
    text = render()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("docs/errors.md is not fresh: run `make docs`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""A copy of a process never makes the randomness of its original again.

The gateway's log is written by such a copy, and both sign with one key: two SM2 signatures with one
nonce would give the key away.
"""

import subprocess
import sys

PROGRAM = """
import os
import secrets
import sys

from crypto.sm2 import PrivateKey

key = PrivateKey.generate()
key.sign(b"before")  # whatever is kept between signatures is there now


def make():
    return [key.sign(b"one message").to_bytes() for _ in range(20)] + [secrets.token_bytes(32)]


ours, theirs = os.pipe()
if os.fork() == 0:
    os.write(theirs, b"".join(make()))
    os._exit(0)
os.close(theirs)
mine = make()
with os.fdopen(ours, "rb") as end:
    other = end.read()
assert len(other) == len(b"".join(mine)) == 20 * 64 + 32
found = [other[start : start + 64] for start in range(0, 20 * 64, 64)] + [other[20 * 64 :]]
first = {one[:32] for one in mine + found}
assert len(first) == 42, "a nonce came twice"
"""


def test_a_fork_has_randomness_of_its_own() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr

"""Child process of the kill test: appends intents and outcomes and reports each receipt it gets.

Every line it prints is one receipt, written to the pipe before the next record is awaited.
"""

import os
import sys
import threading

from crypto.merkle import leaf_hash
from crypto.sm2 import PrivateKey
from ledger.log.entries import Quota
from ledger.log.writer import LogWriter
from protocol.receipt import Receipt
from tests.log.conftest import LOG_ID, ORIGIN, Drafts


def main() -> None:
    url, secret, *named = sys.argv[1:]
    origin, log_id = (named[0], bytes.fromhex(named[1])) if named else (ORIGIN, LOG_ID)
    key = PrivateKey.from_int(int(secret, 16))
    writer = LogWriter(url, origin=origin, log_id=log_id, key=key)
    drafts = Drafts()

    # Nobody ends this one.
    left, nonce = drafts.intent()
    writer.append(left, nonce=nonce).result()

    def report(receipt: Receipt) -> None:
        os.write(1, receipt.to_header().encode() + b"\n")

    def work() -> None:
        while True:
            draft, nonce = drafts.intent()
            quota = Quota(drafts.grant, 10**9)
            intent = writer.append(draft, nonce=nonce, quota=quota).result()
            report(intent)
            outcome = drafts.outcome(intent.index, leaf_hash(intent.record))
            report(writer.append(outcome).result())

    for _ in range(8):
        threading.Thread(target=work).start()


if __name__ == "__main__":
    main()

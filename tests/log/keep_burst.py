"""Child process of a kill test: writes intents with envelopes, and a line for each receipt."""

import os
import sys
import threading
from pathlib import Path

from crypto.sm2 import PrivateKey
from tests.log.test_kept import Log


def main() -> None:
    directory, secret = sys.argv[1:]
    log = Log(Path(directory), PrivateKey.from_int(int(secret, 16)))

    def work() -> None:
        while True:
            os.write(1, f"{log.keep()}\n".encode())

    for _ in range(8):
        threading.Thread(target=work).start()


if __name__ == "__main__":
    main()

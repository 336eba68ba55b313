"""A log's process whose work a thread of the test does, so that a test can look at both ends."""

import socket
import threading

from crypto.sm2 import PrivateKey
from ledger.log.process import LogProcess, serve


class Threaded(LogProcess):
    """In the place of a started process."""

    def __init__(self, key: PrivateKey) -> None:
        own, self.other = socket.socketpair()
        super().__init__(0, own)
        self.thread = threading.Thread(target=serve, args=(self.other, key), daemon=True)
        self.thread.start()

    def _wait(self) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()

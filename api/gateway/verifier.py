"""Checks SM2 signatures for a gateway, as a process of its own: `python -m api.gateway.verifier`.

It reads batches from its standard input, which is a socket, and answers each with one byte per
signature: 1 where it holds. It ends when the gateway does, whose end of the socket closes then.
"""

import signal
import socket
import struct

from crypto.errors import CryptoError
from crypto.sm2 import PublicKey, Signature, is_valid

#: Before each batch: the number of its bytes. Before each message: the key, the signature, and the
#: number of the message's bytes.
BATCH = struct.Struct(">I")
JOB = struct.Struct(">64s64sI")
MAX_BATCH_SIZE = 16 * 1024 * 1024


def encode_job(public_key: bytes, signature: bytes, message: bytes) -> bytes:
    """Return one signature to check, as it stands in a batch."""
    return JOB.pack(public_key, signature, len(message)) + message


def check_batch(batch: bytes) -> bytes:
    """Return one byte for each signature of a batch."""
    results = bytearray()
    place = 0
    while place < len(batch):
        key, signature, size = JOB.unpack_from(batch, place)
        place += JOB.size
        try:
            holds = is_valid(
                PublicKey.from_bytes(key),
                batch[place : place + size],
                Signature.from_bytes(signature),
            )
        except CryptoError:
            holds = False
        results.append(holds)
        place += size
    return bytes(results)


def _receive(source: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = source.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def main() -> None:
    """Answer batches until the other side closes."""
    # Ctrl-C goes to every process of the terminal; the gateway ends its own.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=0) as source:
        try:
            while True:
                (size,) = BATCH.unpack(_receive(source, BATCH.size))
                if size > MAX_BATCH_SIZE:
                    return
                source.sendall(check_batch(_receive(source, size)))
        except (EOFError, OSError):
            return


if __name__ == "__main__":
    main()

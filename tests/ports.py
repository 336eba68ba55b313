"""Ports of loopback for servers of the tests."""

import random
import socket

#: Below the ports that the system gives to outgoing connections: a server that is started again
#: would find its port taken by whoever asked something meanwhile. Above are the example's.
_RANGE = range(12_000, 20_000)


def free_port() -> int:
    """Return a port that is free now."""
    for port in random.SystemRandom().sample(_RANGE, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port of loopback is free")

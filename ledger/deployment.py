"""The file `deployment.json` in the home directory."""

from pathlib import Path

from crypto.errors import LedgerError
from protocol.deployment import Deployment


def load_deployment(path: Path) -> Deployment:
    """Read the file.

    Raises:
        LedgerError: DEPLOYMENT_MISSING.
        ProtocolError: DEPLOYMENT_MALFORMED.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise LedgerError(
            "DEPLOYMENT_MISSING", "nothing is deployed here: run `sanlian init` or `make run`"
        ) from error
    return Deployment.from_bytes(data)

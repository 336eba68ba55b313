"""Gas of each type of act on the embedded engine's node, part of bench.gas."""

from eth_account import Account

from bench.report import CannotMeasure, Result
from crypto.errors import LedgerError
from tests.contracts.chain import SENDER_KEY, build_tables, deploy_city, started_chain
from tests.contracts.city import City
from tests.contracts.every_act import missing, record_every_act, signers


class ActsMissing(Exception):
    """Act types without a step in tests/contracts/every_act.py, so that nothing measures them."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(f"no step in tests/contracts/every_act.py: {', '.join(sorted(names))}")
        self.names = names


def measure_acts() -> list[Result]:
    """Return the gas of the whole transaction for each act type, in the order of the protocol.

    Where a type was recorded several times, its dearest.

    Raises:
        ActsMissing: act types that the scenario does not record.
        CannotMeasure: the engine is not installed.
    """
    try:
        with started_chain() as rpc:
            deployed = deploy_city(rpc)
            snapshot = rpc.call("evm_snapshot")
            plain = City(rpc, deployed.contracts, Account.from_key(SENDER_KEY))
            record_every_act(plain)
            if absent := missing(plain):
                raise ActsMissing(absent)
            points = signers(plain)
            assert rpc.call("evm_revert", snapshot) is True
            build_tables(rpc, deployed.contracts["Sm"], points)
            cheap = City(rpc, deployed.contracts, Account.from_key(SENDER_KEY))
            record_every_act(cheap)
    except LedgerError as error:
        if error.code == "ENGINE_MISSING":
            raise CannotMeasure(str(error)) from error
        raise
    results = []
    for name in plain.gas:
        results.append(Result(f"gas_act_{name}", cheap.gas[name], "gas"))
        results.append(Result(f"gas_act_{name}_without_tables", plain.gas[name], "gas"))
    return results

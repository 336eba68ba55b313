"""Calls of the Sm contract in an EVM node, over JSON-RPC."""

import json
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from typing import Any

from eth_abi import decode, encode

from crypto.keccak import keccak256

SM_ADDRESS = "0x00000000000000000000000000000000005a0001"
METER_ADDRESS = "0x00000000000000000000000000000000005a0002"
SENDER = "0x00000000000000000000000000000000005a0003"
# Verifications per call of verifyMany: without tables some 60 million gas.
MANY = 256
# Calls per JSON-RPC batch.
BATCH = 100


def wait_until(predicate: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {timeout_s} s")
        time.sleep(0.02)


class Refused(Exception):
    """A call reverted; `data` is what it reverted with."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


class Node:
    """Calls of one contract in an EVM node, many at a time."""

    def __init__(self, port: int) -> None:
        self._port = port

    def request(self, body: object) -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("POST", "/", json.dumps(body), {"content-type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def rpc(self, method: str, *params: object) -> Any:
        answer = self.request({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert "error" not in answer, answer
        return answer["result"]

    def is_up(self) -> bool:
        try:
            return bool(self.rpc("eth_chainId"))
        except OSError:
            return False

    def call_each(
        self, signature: str, output: str, calls: Sequence[Sequence[object]]
    ) -> list[Any]:
        """Return what each call gives: its value, or Refused."""
        types = signature[signature.index("(") + 1 : -1].split(",")
        selector = keccak256(signature.encode())[:4]
        results: list[Any] = []
        for start in range(0, len(calls), BATCH):
            part = calls[start : start + BATCH]
            answers = self.request(
                [
                    {
                        "jsonrpc": "2.0",
                        "id": i,
                        "method": "eth_call",
                        "params": [
                            {
                                "to": SM_ADDRESS,
                                "data": "0x" + (selector + encode(types, arguments)).hex(),
                            },
                            "latest",
                        ],
                    }
                    for i, arguments in enumerate(part)
                ]
            )
            assert isinstance(answers, list), answers
            by_id = {answer["id"]: answer for answer in answers}
            assert len(by_id) == len(part)
            for i in range(len(part)):
                if "error" in by_id[i]:
                    data = by_id[i]["error"]["data"]
                    results.append(Refused(bytes.fromhex(data.removeprefix("0x"))))
                else:
                    result = bytes.fromhex(by_id[i]["result"].removeprefix("0x"))
                    results.append(decode([output], result)[0])
        return results

    def call_meter(self, name: str, types: Sequence[str], output: str, *arguments: object) -> Any:
        """Return what the SmMeter contract gives."""
        data = keccak256(f"{name}({','.join(types)})".encode())[:4] + encode(types, arguments)
        request = {"to": METER_ADDRESS, "data": "0x" + data.hex(), "gas": hex(300_000_000)}
        result = self.rpc("eth_call", request, "latest")
        return decode([output], bytes.fromhex(result.removeprefix("0x")))[0]

    def verify_many(self, cases: Sequence[tuple[int, int, int, int, int]]) -> list[bool]:
        """Return the verdicts of e, r, s, x, y, many in one call."""
        verdicts: list[bool] = []
        for start in range(0, len(cases), MANY):
            part = cases[start : start + MANY]
            types = ["address", "uint256[5][]"]
            words = self.call_meter("verifyMany", types, "uint256[]", SM_ADDRESS, part)
            verdicts += [bool(words[i // 256] >> i % 256 & 1) for i in range(len(part))]
        return verdicts

    def build_table(self, x: int, y: int) -> str:
        """Send buildTable, mine, and return the transaction's hash."""
        data = keccak256(b"buildTable(uint256,uint256)")[:4] + encode(["uint256"] * 2, [x, y])
        sent = {"from": SENDER, "to": SM_ADDRESS, "data": "0x" + data.hex(), "gas": hex(20_000_000)}
        transaction = str(self.rpc("eth_sendTransaction", {**sent, "gasPrice": "0x0"}))
        self.rpc("evm_mine")
        return transaction

    def is_refused(self, signature: str, arguments: bytes) -> bool:
        """Return whether a call with these raw arguments reverts."""
        data = "0x" + (keccak256(signature.encode())[:4] + arguments).hex()
        call = {"to": SM_ADDRESS, "data": data}
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"]}
        return "error" in self.request(body)

    def call(self, signature: str, output: str, *arguments: object) -> Any:
        result = self.call_each(signature, output, [arguments])[0]
        if isinstance(result, Refused):
            raise result
        return result

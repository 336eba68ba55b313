"""What others may ask of the engine, and what they may not."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crypto.errors import LedgerError

from .conftest import ACCOUNT, CHAIN_ID, INIT, Node, post, sign

JSON = {"Host": "127.0.0.1", "Content-Type": "application/json"}
ASK = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    started = Node(tmp_path_factory.mktemp("server") / "node", "--allowed-host", "node.internal")
    started.record(0)
    yield started
    assert started.stop() == 0


def refusal(ask: Callable[[], object]) -> LedgerError:
    with pytest.raises(LedgerError) as refused:
        ask()
    assert refused.value.code == "NODE_REFUSED"
    return refused.value


@pytest.mark.parametrize(
    "method",
    [
        "anvil_setCode",
        "anvil_setStorageAt",
        "anvil_impersonateAccount",
        "anvil_dumpState",
        "anvil_loadState",
        "anvil_reset",
        "evm_mine",
        "evm_setNextBlockTimestamp",
        "evm_revert",
        "hardhat_setCode",
        "eth_sendTransaction",
        "eth_sign",
        "eth_newFilter",
        "eth_subscribe",
        "debug_traceTransaction",
        "txpool_content",
        "ots_getApiLevel",
        "ETH_CHAINID",
        "",
    ],
)
def test_what_is_not_listed_does_not_exist(node: Node, method: str) -> None:
    error = refusal(lambda: node(method))
    assert error.details["rpc_code"] == -32601
    assert error.details["data"] == {"code": "RPC_METHOD_UNKNOWN"}


def test_reads(node: Node) -> None:
    head = node("sanlian_head")
    block = node.block(head["number"])
    assert block["hash"] == head["hash"]
    assert int(block["timestamp"], 16) == head["time"]
    assert int(node("eth_chainId"), 16) == CHAIN_ID == int(node("net_version"))
    assert int(node("eth_blockNumber"), 16) == head["number"]
    (transaction_hash,) = block["transactions"]
    transaction = node("eth_getTransactionByHash", transaction_hash)
    assert transaction["input"] == "0x" + INIT.hex()
    assert node("eth_getTransactionCount", ACCOUNT.address, "latest") == "0x1"
    address = node("eth_getTransactionReceipt", transaction_hash)["contractAddress"]
    assert len(node("eth_getCode", address)) > 2
    assert node("eth_getBlockByHash", block["hash"])["number"] == block["number"]
    (receipt,) = node("eth_getBlockReceipts", block["number"])
    assert receipt["transactionHash"] == transaction_hash
    assert node("eth_call", {"to": address, "data": "0x" + "00" * 32}, "latest") == "0x"
    assert int(node("eth_estimateGas", {"to": address, "data": "0x" + "00" * 32}), 16) > 21000
    assert node("eth_getProof", address, ["0x0"])["storageProof"][0]["value"] == "0x0"
    assert int(node("eth_getStorageAt", address, "0x0"), 16) == 0
    assert node("eth_gasPrice") == "0x0"
    assert node("web3_clientVersion").startswith("sanlian/anvil ")


def test_reads_through_web3(node: Node) -> None:
    assert node.rpc is not None
    assert node.rpc.web3.eth.chain_id == CHAIN_ID
    assert node.rpc.web3.eth.get_block("latest")["number"] >= 1
    assert node.rpc.call_many([("eth_chainId", []), ("net_version", [])]) == [
        hex(CHAIN_ID),
        str(CHAIN_ID),
    ]


def test_a_revert_carries_its_data(node: Node) -> None:
    # init code: mstore8(0, 0xab); revert(0, 1)
    error = refusal(lambda: node("eth_call", {"data": "0x60ab60005360016000fd"}, "latest"))
    assert error.details["data"] == "0xab"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBlockByNumber", ["pending", False]),
        ("eth_call", [{}, "pending"]),
        ("eth_call", [{"to": "0x12"}, "latest"]),
        ("eth_call", [{}, "latest", {"0x" + "00" * 20: {"code": "0x00"}}]),
        ("eth_call", [{"authorizationList": []}, "latest"]),
        ("eth_getCode", ["0x" + "00" * 20, "latest", "extra"]),
        ("eth_getCode", []),
        ("eth_getTransactionReceipt", ["0x12"]),
        ("eth_getTransactionReceipt", [None]),
        ("eth_getProof", ["0x" + "00" * 20, ["0x0"] * 65, "latest"]),
        ("eth_getLogs", [{"fromBlock": "0x2", "toBlock": "0x1"}]),
        ("eth_getLogs", [{"fromBlock": "pending"}]),
        ("eth_getLogs", [{"topics": [None] * 5}]),
        ("eth_getLogs", [{"unknown": 1}]),
        ("eth_sendRawTransaction", ["zz"]),
        ("eth_sendRawTransaction", [1]),
    ],
)
def test_parameters_are_checked(node: Node, method: str, params: list[object]) -> None:
    error = refusal(lambda: node(method, *params))
    assert error.details["rpc_code"] == -32602


def test_log_range_is_limited(node: Node) -> None:
    assert node("eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(9_999)}) == []
    error = refusal(lambda: node("eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(10_000)}))
    assert error.details["data"] == {"code": "LOG_RANGE_TOO_WIDE"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"nonce": 7}, "TRANSACTION_NONCE_GAP"),
        ({"nonce": 0, "data": b"\x01"}, "TRANSACTION_NONCE_TOO_LOW"),
        ({"nonce": 1, "chainId": 5}, "TRANSACTION_REFUSED"),
        ({"nonce": 1, "value": 1}, "TRANSACTION_REFUSED"),
        ({"nonce": 1, "gasPrice": 1}, "TRANSACTION_REFUSED"),
        ({"nonce": 1, "gas": 21_000}, "TRANSACTION_REFUSED"),
        ({"nonce": 1, "gas": 30_000_001}, "TRANSACTION_REFUSED"),
    ],
)
def test_bad_transactions_are_refused(node: Node, fault: dict[str, int], code: str) -> None:
    raw, _ = sign(**fault)  # type: ignore[arg-type]  # fields of a transaction
    data = refusal(lambda: node("eth_sendRawTransaction", raw)).details["data"]
    assert isinstance(data, dict)
    assert data["code"] == code
    # Nothing of it stays behind: the next one is still number 1.
    assert node("eth_getTransactionCount", ACCOUNT.address, "pending") == "0x1"


@pytest.mark.parametrize(
    "raw", ["0x", "0x00", "0xc0", "0x02c0", "0x" + "c1" * 5000, "0xf8ff", "0x" + "ff" * 300]
)
def test_what_is_no_transaction_is_refused(node: Node, raw: str) -> None:
    data = refusal(lambda: node("eth_sendRawTransaction", raw)).details["data"]
    assert data == {"code": "TRANSACTION_REFUSED"}


def test_sending_again_changes_nothing(node: Node) -> None:
    raw, transaction_hash = sign(0)
    assert node("eth_sendRawTransaction", raw) == transaction_hash
    assert node("eth_getTransactionCount", ACCOUNT.address, "pending") == "0x1"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8545", 200),
        ("LOCALHOST", 200),
        ("node.internal:1", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example:127.0.0.1", 403),
        ("", 403),
    ],
)
def test_host_must_be_this_machine(node: Node, host: str, status: int) -> None:
    assert post(node.url, ASK, {**JSON, "Host": host})[0] == status


def test_limits_of_a_request(node: Node) -> None:
    assert post(node.url, ASK, {**JSON, "Content-Type": "text/plain"})[0] == 415
    assert post(node.url, b"{", JSON)[0] == 400
    assert post(node.url, b"[]", JSON)[0] == 400
    assert post(node.url, b"[" + b",".join([ASK] * 101) + b"]", JSON)[0] == 400
    status, answers = post(node.url, b"[" + b",".join([ASK] * 100) + b"]", JSON)
    assert (status, len(answers)) == (200, 100)
    assert post(node.url, b"1", JSON)[1]["error"]["code"] == -32600
    assert post(node.url, b'{"jsonrpc":"2.0","method":"eth_chainId"}', JSON)[0] == 204
    status, answer = post(node.url, b" " * (1024 * 1024 + 1), JSON)
    assert (status, answer["error"]["code"]) == (413, -32005)
    assert post(node.url, ASK.ljust(1024 * 1024), JSON)[1]["result"] == hex(CHAIN_ID)


def test_no_preflight_is_answered(node: Node) -> None:
    headers = {**JSON, "Origin": "http://evil.example"}
    _, answer = post(node.url, ASK, headers)
    assert answer["result"] == hex(CHAIN_ID)
    import http.client

    connection = http.client.HTTPConnection(node.url.removeprefix("http://"), timeout=10)
    connection.request("OPTIONS", "/", headers=headers)
    response = connection.getresponse()
    assert response.status == 405
    assert not [h for h, _ in response.getheaders() if h.lower().startswith("access-control")]
    connection.close()


def test_taken_port_is_named(node: Node, tmp_path: Path) -> None:
    port = int(node.url.rsplit(":", 1)[1])
    other = Node(tmp_path / "node", port=port)
    assert other.stop() == 1
    assert "ENGINE_PORT_IN_USE" in other.errors


def test_json_escapes_do_not_reach_the_engine(node: Node) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "anvil_setCode", "params": []})
    escaped = body.replace("anvil_setCode", "\\u0061nvil_setCode").encode()
    assert post(node.url, escaped, JSON)[1]["error"]["code"] == -32601

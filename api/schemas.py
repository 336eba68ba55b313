"""Forms of requests and of the answers about acts, cosignatures, deployment and health.

Ids, digests, keys and signatures are hex in lower case; times are unix seconds.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Hex32 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Hex64 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{128}$")]
ActHex = Annotated[str, StringConstraints(pattern="^(?:[0-9a-f]{64}){4,20}$", max_length=1280)]
Address = Annotated[str, StringConstraints(pattern="^0x[0-9a-f]{40}$")]


def _whole(value: object) -> object:
    """Take 7.0 for 7: JSON has one number for both, and writers differ (RFC 8259 clause 6)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: Whole numbers that every JSON reader holds exactly.
Natural = Annotated[int, Field(ge=0, le=2**53 - 1), BeforeValidator(_whole)]


class Strict(BaseModel):
    """Base of all forms: unknown members are refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SignatureIn(Strict):
    """A signature on an act / 签署件上的一个签名."""

    key_id: Hex32 = Field(description="key id of the signer / 签名人密钥标识")
    r: Hex32
    s: Hex32


class ActIn(Strict):
    """A signed act with the public documents that it names / 已签署的签署件及其公开文件."""

    act: ActHex = Field(description="bytes of the act (docs/protocol.md 3.1) / 签署件字节")
    signatures: list[SignatureIn] = Field(
        min_length=1, max_length=8, description="in the order of the act type / 按类型规定的顺序"
    )
    documents: list[Annotated[str, StringConstraints(max_length=90_000)]] = Field(
        default_factory=list,
        max_length=4,
        description="base64 of each document's canonical bytes / 公开文件的 base64",
    )


ActState = Literal["queued", "sent", "recorded", "refused", "sign_again"]


class Acknowledgement(Strict):
    """The platform's signature: these bytes are durable here (docs/protocol.md 3.6) / 平台回执."""

    received_at: Natural = Field(description="unix seconds / 收到时间")
    key_id: Hex32
    public_key: Hex64
    signature: Hex64


class ActAccepted(Strict):
    """Answer to a new act, and to the same act sent again / 已受理."""

    act_id: Hex32
    status: ActState
    status_url: str = Field(description="where to ask what became of it / 查询地址")
    acknowledgement: Acknowledgement


class ErrorTitle(Strict):
    """An error code with what it means / 错误代码及含义."""

    code: str
    title: str
    title_zh: str
    title_en: str


class SignatureOut(Strict):
    """A signature on an act / 签名."""

    key_id: Hex32
    r: Hex32
    s: Hex32


class ActOut(Strict):
    """What is known of an act / 签署件状态."""

    act_id: Hex32
    type: str = Field(description="name of the act type / 类型")
    contract: str
    key_id: Hex32 = Field(description="key of the actor / 行为人密钥")
    nonce: int = Field(ge=0)
    target: Hex32 = Field(description="what it acts on; its own id where it creates / 目标")
    act: ActHex = Field(description="bytes of the act / 签署件字节")
    signatures: list[SignatureOut]
    status: ActState
    received_at: Natural | None = Field(description="null: it did not come through here / 收到时间")
    transaction_hash: Hex32 | None
    block_number: Natural | None
    revision: Natural | None = Field(description="new revision of the target / 目标新版次")
    error: ErrorTitle | None = Field(description="why it was refused / 拒绝原因")


class NonceOut(Strict):
    """Nonce of a key's next act on a contract / 下一个序号."""

    key_id: Hex32
    contract: str
    nonce: int = Field(ge=0)


class TargetOut(Strict):
    """What an act may name as its target / 可作为目标的对象."""

    id: Hex32
    kind: Literal[
        "department",
        "person",
        "key",
        "calendar_year",
        "entry",
        "claim",
        "refresh",
        "oversight_report",
        "interface",
        "request",
        "log",
        "correction",
        "dispute",
        "consent",
    ]
    revision: int = Field(ge=0, description="revision that the next act must name / 当前版次")


class BlockCosignatureIn(Strict):
    """A witness's signature on a block (docs/protocol.md 8) / 见证人对区块的签名."""

    number: Natural
    hash: Hex32
    time: Natural
    key_id: Hex32
    signature: Hex64


class CheckpointCosignatureIn(Strict):
    """A witness's line on a checkpoint (docs/protocol.md 8) / 见证人对检查点的签名."""

    log: Hex32
    note: Annotated[str, StringConstraints(max_length=8192)]
    line: Annotated[str, StringConstraints(max_length=512)]


class Taken(Strict):
    """It is stored / 已保存."""

    status: Literal["stored"] = "stored"


class DeploymentOut(Strict):
    """What is fixed since deployment / 部署信息."""

    type: str
    chain_id: Natural
    contracts: dict[str, Address]
    block: Natural = Field(description="block that holds the last contract / 合约部署所在区块")
    example: bool = Field(description="true: example data, whose keys are public / 是否示例数据")
    platform_key: Hex64
    gateway_key: Hex64
    origin: str = Field(description="origin of the gateway's log / 日志名称")
    supplement_stops_clock: bool = Field(
        description="the answer's clock stands still until a supplement arrives / 补正期间不计时"
    )


class WorkerOut(Strict):
    """A thread of the ledger / 后台线程."""

    name: str
    running: bool
    failures: int = Field(ge=0, description="failed steps since the last good one / 连续失败次数")
    error_code: str
    succeeded_at: Natural


class HealthOut(Strict):
    """How the service is / 运行状态."""

    status: Literal["ok", "failing"]
    reasons: list[str] = Field(description="codes of what is wrong / 问题代码")
    head_number: Natural | None
    head_hash: Hex32 | None
    head_time: Natural | None
    head_age_s: int | None = Field(description="seconds since the chain was last read / 距上次读取")
    outbox_queued: int = Field(ge=0)
    outbox_sent: int = Field(ge=0)
    workers: list[WorkerOut]

"""Forms of what the chains hold: one per noun, with the names of docs/protocol.md.

A mask is 64 hex digits; bit i is item i. A u64 beyond 2^53 - 1 is decimal text. `block_number` is
the block that changed the row last.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, StringConstraints

from api.schemas import Hex32, Hex64, Natural, SignatureOut, Strict

Decimal64 = Annotated[str, StringConstraints(pattern="^[1-9][0-9]{15,19}$")]
U64 = Natural | Decimal64
Item = TypeVar("Item")

EntryState = Literal["SUBMITTED", "PUBLISHED", "RETIRED"]
ClaimState = Literal["SOURCE", "CONFLICT", "REJECTED", "RELEASED"]
InterfaceState = Literal["REGISTERED", "ONLINE", "SUSPENDED", "RETIRED"]
RequestState = Literal[
    "FILED",
    "SUPPLEMENT",
    "AGREED",
    "REFUSED",
    "WITHDRAWN",
    "PROVIDED",
    "SUSPENDED",
    "REVOKED",
    "DISPOSED",
]
CorrectionState = Literal["FILED", "VERIFIED", "CORRECTED", "REJECTED"]
DisputeState = Literal["NEGOTIATION", "AUTHORITY", "GOVERNMENT", "DECIDED"]
ConsentState = Literal["CONSENTED", "REVOKED"]
Day = Annotated[str, StringConstraints(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Side = Literal["PROVIDER", "AUTHORITY"]


class PageOut(Strict, Generic[Item]):
    """One page of a list / 一页."""

    model_config = ConfigDict(json_schema_extra={"description": "One page of a list / 一页"})

    items: list[Item]
    next_cursor: str | None = Field(description="give it as `cursor`; null at the end / 下一页")


class DepartmentOut(Strict):
    """A department / 部门."""

    id: Hex32
    level: int = Field(description="1 state 2 province 3 city 4 county 5 town 6 village / 层级")
    kind: int = Field(description="1 department 2 government 3 zone 4 institution 5 bank / 类别")
    region: int = Field(description="GB/T 2260 code or a local code / 区划代码")
    parent: Hex32 = Field(description="department above; zeros if none / 上级部门")
    uscc: str = Field(description="unified social credit code, or empty / 统一社会信用代码")
    uscc_override: int
    name: str
    ended_day: Day | None = Field(description="day it ended; null before / 撤销日期")
    successor: Hex32 = Field(description="department that took over; zeros if none / 承接部门")
    revision: Natural
    block_number: Natural


class ProposalOut(Strict):
    """A key that is to replace all keys of a head / 拟更换的负责人密钥."""

    id: Hex32 = Field(description="the act that proposed it / 提出更换的签署件")
    key_id: Hex32
    public_key: Hex64
    valid_until: U64 = Field(description="unix time; 0: no end / 密钥有效期")
    reason_code: Natural
    proposed_at: Natural
    ready_at: Natural = Field(description="until then the head's objection wins / 异议期满时间")
    state: Literal["PENDING", "OBJECTED", "REPLACED", "LAPSED"]
    block_number: Natural


class PersonOut(Strict):
    """A person: roles in one department; names are not recorded / 人员."""

    id: Hex32
    department: Hex32
    roles: Natural = Field(description="role bits / 角色位")
    role_names: list[str]
    proposal: ProposalOut | None = Field(
        description="newest proposal of a head's key / 最近一次负责人密钥更换"
    )
    revision: Natural
    block_number: Natural


class CertificateOut(Strict):
    """The certificate that a key is bound to / 绑定的数字证书."""

    issuer: Hex32 = Field(description="SM3 of the issuer's name in DER / 颁发者摘要")
    serial: Hex32 = Field(description="serial number / 序列号")
    certificate: Hex32 = Field(description="SM3 of the certificate in DER / 证书摘要")
    not_after: U64
    act_id: Hex32
    block_number: Natural


class AuthorityPersonOut(Strict):
    """A person of the authority / 主管部门人员."""

    id: Hex32
    has_active_key: bool


class SuccessorOut(Strict):
    """The contract that follows one of this deployment / 后继合约."""

    contract: str
    successor: str
    act_id: Hex32
    block_number: Natural


class AuthorityOut(Strict):
    """The authority: who acts together, and how many / 主管部门及门限."""

    department: Hex32
    threshold: Natural = Field(description="signatures that an act of weight needs / 门限")
    active_keys: Natural = Field(description="persons with an active key / 有效密钥数")
    replacement_delay_s: Natural = Field(
        description="seconds for which a head can object / 负责人换钥异议期"
    )
    persons: list[AuthorityPersonOut]
    successors: list[SuccessorOut]
    block_number: Natural


class KeyOut(Strict):
    """A person's SM2 key / 密钥."""

    id: Hex32
    public_key: Hex64
    person: Hex32
    state: Literal["ACTIVE", "SUSPENDED", "REVOKED", "EXPIRED"] = Field(
        description="state at the time of the answer / 当前状态"
    )
    reason_code: Natural = Field(
        description="0 while active; 1 rotated 2 lost 3 compromised 4 left / 原因"
    )
    valid_until: U64 = Field(description="unix time; 0: no end / 有效期")
    expires_at: U64 = Field(
        description="end by validity or certificate, the sooner; 0: no end / 实际到期时间"
    )
    certificate: CertificateOut | None
    revision: Natural
    block_number: Natural


class CalendarYearOut(Strict):
    """The working days of a year / 工作日历."""

    id: Hex32
    year: Natural
    working_days: Hex64 = Field(
        description="bit i is day i of the year, 0 is 1 January / 第 i 位为该年第 i 天"
    )
    working_day_count: Natural
    weekdays_off: list[str] = Field(description="Mondays to Fridays that are off / 放假的平日")
    weekend_days_worked: list[str] = Field(description="weekend days that are worked / 调休上班")
    source: Hex32 = Field(description="SM3 of the State Council's notice / 国务院办公厅通知摘要")
    reason: Hex32 = Field(description="commitment of the last correction, or zeros / 更正理由")
    revision: Natural = Field(description="above 1 the year was corrected / 大于 1 即经更正")
    block_number: Natural


class CalendarYearUsed(Strict):
    """A year that an answer rests on / 所依据的年份."""

    year: Natural
    revision: Natural


class DueDayOut(Strict):
    """A due day / 到期日."""

    start: str = Field(description="day of receipt, not counted / 收到之日，不计入")
    working_days: Natural
    due: str = Field(description="last day in time / 最后一日")
    late_from: Natural = Field(description="unix seconds: 24:00 of that day / 当日 24 时")
    years: list[CalendarYearUsed]


class VersionOut(Strict):
    """What versions of entries and interfaces share / 版本."""

    number: Natural
    items: Hex32 = Field(description="mask of the items / 信息项")
    document: Hex32 = Field(description="digest of the document / 文件摘要")
    title: str | None = Field(description="name in the document, if it is known here / 名称")
    act_id: Hex32
    block_number: Natural


class EntryVersionOut(VersionOut):
    """A version of an entry / 目录条目版本."""

    sharing_class: int = Field(description="1 unconditional 2 conditional 3 not shared / 共享类型")
    library: int
    update_cycle: int
    openness: int
    mode: int
    grading: int = Field(description="1 general 2 important 3 core data / 数据分级")
    sensitive: Hex32 = Field(description="mask of the sensitive items / 敏感信息项")
    secrecy_assessment: Hex32
    privacy_assessment: Hex32
    basis: Hex32
    submitted_day: Natural = Field(description="day number, see protocol 3.5 / 提交日")
    published_day: Natural = Field(description="0 before / 发布日")
    returned_day: Natural = Field(description="0 unless it was returned / 退回日")
    returned_reason: Hex32 = Field(description="commitment to the reason / 退回理由承诺值")
    change_day: Natural = Field(description="day of the change that it answers, or 0 / 变更日")
    extended_day: Natural = Field(description="day of the consent to an extension, or 0 / 延期日")


class ClocksOut(Strict):
    """Clocks of an entry on the day of the newest block / 期限."""

    day: str = Field(description="day of the newest block / 当日")
    review_due: str | None = Field(description="last day for the review (Art 17) / 审核期限")
    review_late: bool
    update_due: str | None = Field(description="last day for the update (Art 16) / 更新期限")
    update_late: bool
    refreshed_until: str | None = Field(description="data is complete up to this day / 数据截至日")
    fresh: bool = Field(description="as fresh as the update cycle promises / 是否鲜活")
    calendar_unknown: int | None = Field(description="year without a calendar / 缺少日历的年份")


class EntryVersionWithText(EntryVersionOut):
    """A version of an entry with its document / 目录条目版本及其文件."""

    document_text: Any = Field(
        description="the document's JSON, null if it is not known / 文件内容"
    )


class EntryOut(Strict):
    """A catalogue entry / 目录条目."""

    id: Hex32
    department: Hex32
    state: EntryState
    title: str | None
    current: EntryVersionOut | None
    pending: EntryVersionOut | None
    change_day: Natural = Field(description="change that waits for its update, or 0 / 变更日")
    extended_day: Natural
    clocks: ClocksOut
    revision: Natural
    block_number: Natural


class EntryDetail(EntryOut):
    """A catalogue entry with all versions and their documents / 目录条目详情."""

    current: EntryVersionWithText | None
    pending: EntryVersionWithText | None
    versions: list[EntryVersionWithText]


class ClaimOut(Strict):
    """A department's claim to be the source of a data element / 数源认领."""

    id: Hex32
    element: Hex32 = Field(description="city-wide code of the data element / 数据元代码")
    entry: Hex32
    item: Natural = Field(description="index of the item in the entry / 信息项序号")
    department: Hex32
    state: ClaimState
    live: bool = Field(description="it counts: its item stands in a live entry / 是否有效")
    revision: Natural
    block_number: Natural


class SourceOut(Strict):
    """The source department of a data element / 数源部门."""

    element: Hex32
    department: Hex32 | None = Field(description="null while there is none / 数源部门")
    claim: Hex32 | None


class RefreshOut(Strict):
    """A statement that an entry's data was refreshed / 数据更新申报."""

    id: Hex32
    entry: Hex32
    department: Hex32
    from_day: Natural = Field(description="day number, see protocol 3.5 / 起始日")
    until_day: Natural = Field(description="data is complete up to this day / 截至日")
    rows: U64
    day: Natural = Field(description="day on which it was recorded / 申报日")
    revision: Natural
    block_number: Natural


class OversightReportOut(Strict):
    """A chief data officer's report on a period / 首席数据官监督报告."""

    id: Hex32
    department: Hex32
    person: Hex32
    from_day: Natural = Field(description="day number, see protocol 3.5 / 起始日")
    until_day: Natural = Field(description="day number, see protocol 3.5 / 截止日")
    report_kind: int = Field(description="1 figures of performance, 2 other / 报告类别")
    report_digest: Hex32 = Field(description="SM3 of the report's bytes / 报告摘要")
    findings: Hex32 = Field(description="commitment to sealed findings, or zeros / 意见承诺值")
    day: Natural = Field(description="day on which it was recorded / 提交日")
    revision: Natural
    block_number: Natural


class InterfaceVersionOut(VersionOut):
    """A version of an interface / 接口版本."""

    entry_version: Natural
    rate_per_minute: Natural = Field(description="0: no limit / 每分钟次数")
    max_rows: Natural = Field(description="0: no limit / 最多行数")
    node: str = Field(description="name of the exchange node / 交换节点")
    test_result: Natural = Field(description="0 not tested 1 passed 2 failed / 测试结果")
    test_log: Hex32 = Field(description="log of the gateway that tested / 测试网关的日志")
    test_report: Hex32 = Field(description="commitment to the report / 测试报告承诺值")


class InterfaceVersionWithText(InterfaceVersionOut):
    """A version of an interface with its document / 接口版本及其文件."""

    document_text: Any = Field(
        description="the document's JSON, null if it is not known / 文件内容"
    )


class InterfaceOut(Strict):
    """An interface / 接口."""

    id: Hex32
    department: Hex32
    entry: Hex32
    state: InterfaceState
    title: str | None
    current: InterfaceVersionOut | None
    pending: InterfaceVersionOut | None
    suspended_by: Side | None
    revision: Natural
    block_number: Natural


class InterfaceDetail(InterfaceOut):
    """An interface with all versions and their documents / 接口详情."""

    current: InterfaceVersionWithText | None
    pending: InterfaceVersionWithText | None
    versions: list[InterfaceVersionWithText]


class RequestClockOut(Strict):
    """Statutory clocks of a request, Order 809 Art 21 and 22 / 办理时限.

    Days are those of Asia/Shanghai; null: not yet. Due days need the published calendar.
    """

    answer_days: Natural = Field(description="working days for the answer / 答复工作日数")
    extension_days: Natural = Field(description="working days of the extension / 延长工作日数")
    filed_day: Day
    asked_day: Day | None = Field(description="notice of what is missing / 补正告知日")
    supplemented_day: Day | None = Field(description="day of the supplement / 补正日")
    extended_day: Day | None = Field(description="day of the extension / 延期日")
    answered_day: Day | None = Field(description="agreed, refused or withdrawn / 答复日")
    provision_day: Day | None = Field(description="provided, or ended before / 提供日")
    as_of_day: Day = Field(description="day as of which it is said what is late / 计算日")
    answer_due: Day | None = Field(description="null while the clock stands still / 答复到期日")
    answer_late: bool | None = Field(description="null without the calendar / 答复是否逾期")
    provide_due: Day | None = Field(description="null unless agreed / 提供到期日")
    provision_late: bool | None = Field(description="null without the calendar / 提供是否逾期")
    calendar_missing: Natural | None = Field(
        description="year whose working days are not published / 未发布工作日历的年份"
    )


class RequestOut(Strict):
    """A share request and the grant that it became / 共享申请与授权."""

    id: Hex32
    requester: Hex32
    provider: Hex32
    interface: Hex32
    interface_version: Natural
    way: int = Field(description="1 service, 2 batch, 3 file (Art 20) / 共享方式")
    state: RequestState
    items: Hex32
    valid_from: U64
    valid_until: U64
    quota: U64
    legal_basis: str
    scenario: str
    case: Hex32 = Field(description="commitment to the sealed scenario / 场景文件承诺值")
    granted_items: Hex32
    granted_valid_from: U64 | None
    granted_valid_until: U64 | None
    granted_quota: U64 | None
    suspended_by: Side | None
    clock: RequestClockOut
    reported_day: Day | None = Field(description="last day a use report covers / 使用报告截至日")
    live: bool = Field(description="the grant releases data now / 授权现时可用")
    expired: bool = Field(description="the grant's term is over / 授权已到期")
    revision: Natural
    block_number: Natural


class CorrectionOut(Strict):
    """Errors that a department found in data of another one / 校核."""

    id: Hex32
    requester: Hex32
    provider: Hex32
    subject: Hex32 = Field(description="grant or entry / 授权或目录条目")
    subject_kind: Literal[1, 2] = Field(description="1 grant, 2 entry / 对象类别")
    items: Hex32 = Field(description="mask of the items in error / 有误的信息项")
    errors: Hex32 = Field(description="commitment to the sealed description / 错误说明承诺值")
    state: CorrectionState
    filed_day: Day
    closed_day: Day | None = Field(description="null before the report / 办结日")
    as_of_day: Day = Field(description="day as of which it is said what is late / 计算日")
    due: Day | None = Field(description="null without the calendar / 到期日")
    late: bool | None = Field(description="null without the calendar / 是否逾期")
    calendar_missing: Natural | None = Field(
        description="year whose working days are not published / 未发布工作日历的年份"
    )
    revision: Natural
    block_number: Natural


class DisputeOut(Strict):
    """A dispute over a request or grant / 争议."""

    id: Hex32
    request: Hex32
    requester: Hex32
    provider: Hex32
    state: DisputeState
    superior: Hex32 = Field(description="department above both; zeros if none / 共同上级")
    ruling: Literal["REQUESTER", "PROVIDER", "PARTLY", "SETTLED"] | None = Field(
        description="how it ended / 处理结果"
    )
    revision: Natural
    block_number: Natural


class ConsentOut(Strict):
    """A provider's consent that data are passed on / 同意向第三方提供."""

    id: Hex32
    grant: Hex32
    provider: Hex32
    third_party: Hex32 = Field(description="department, or commitment to who it is / 第三方")
    third_party_kind: Literal[1, 2] = Field(description="1 department, 2 outside / 第三方类别")
    items: Hex32
    effective_items: Hex32 = Field(description="what may be passed on now / 现时可提供的信息项")
    valid_until: U64
    purpose: Hex32 = Field(description="commitment to the sealed purpose / 目的承诺值")
    state: ConsentState
    live: bool = Field(description="it holds now / 现时有效")
    revision: Natural
    block_number: Natural


class AnchorOut(Strict):
    """A checkpoint of a log on the chain / 锚定."""

    log: Hex32
    size: U64
    root: Hex32
    signature: Hex64
    block_number: Natural
    block_time: Natural
    transaction_hash: Hex32


class CheckpointCosignatureOut(Strict):
    """A witness's line on a checkpoint / 见证人对检查点的签名."""

    log: Hex32
    size: U64
    key_id: Hex32
    root: Hex32
    time: Natural
    line: str


class AnchorWithCosignatures(AnchorOut):
    """An anchor with witnesses' lines on its checkpoint / 锚定及见证."""

    cosignatures: list[CheckpointCosignatureOut]


class LogOut(Strict):
    """An access log / 访问日志."""

    id: Hex32
    gateway_key: Hex32
    origin: str
    revision: Natural
    block_number: Natural
    anchor: AnchorOut | None = Field(description="newest anchor / 最新锚定")


class BlockCosignatureOut(Strict):
    """A witness's signature on a block / 见证人对区块的签名."""

    key_id: Hex32
    time: Natural
    signature: Hex64


class BlockOut(Strict):
    """A block / 区块."""

    number: Natural
    hash: Hex32
    parent_hash: Hex32
    time: Natural
    act_count: Natural
    cosignatures: list[BlockCosignatureOut]


class BlockDetail(BlockOut):
    """A block with the ids of its acts / 区块详情."""

    acts: list[Hex32]


class RecordedActOut(Strict):
    """An act that a contract accepted / 已上链的签署件."""

    act_id: Hex32
    type: str
    contract: str
    key_id: Hex32
    target: Hex32
    revision: Natural
    nonce: Natural
    expires_at: Natural
    values: dict[str, int | str] = Field(
        description="the act's own values; bytes and large numbers as hex / 各字段"
    )
    act: str
    signatures: list[SignatureOut]
    block_number: Natural
    block_time: Natural
    transaction_hash: Hex32

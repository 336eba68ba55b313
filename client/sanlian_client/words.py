"""An act in plain words, in Chinese and English: what a person reads before signing it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

from crypto.errors import ProtocolError
from protocol.acts import ZERO_ID, Act, Value
from protocol.calendar import FIRST_YEAR, LAST_YEAR, date_of, days_in, days_of, plain_weekdays
from protocol.description import Field, Role
from protocol.documents import (
    WORD_CHOICES,
    document_digest,
    parse_entry_document,
    parse_interface_document,
)

Language = Literal["zh", "en"]

_CHINA = timezone(timedelta(hours=8))

#: act type -> Chinese and English name
ACT_NAMES: dict[str, tuple[str, str]] = {
    "DepartmentRegistered": ("登记部门", "Register a department"),
    "DepartmentChanged": ("变更部门信息", "Change a department's words"),
    "DepartmentEnded": ("撤销部门", "End a department"),
    "PersonEnrolled": ("登记人员", "Enrol a person"),
    "PersonRolesSet": ("设定人员角色", "Set a person's roles"),
    "KeyAdded": ("增加密钥", "Add a key"),
    "KeyRevoked": ("吊销密钥", "Revoke a key"),
    "KeyRotated": ("更换密钥", "Rotate a key"),
    "KeySuspended": ("中止密钥", "Suspend a key"),
    "KeyResumed": ("恢复密钥", "Resume a key"),
    "AuthorityKeyResumed": ("恢复主管部门密钥", "Resume a key of the authority"),
    "HeadKeyProposed": ("提出更换负责人密钥", "Propose a new key of a head"),
    "HeadKeyObjected": ("反对更换负责人密钥", "Object to a new key of a head"),
    "HeadKeyReplaced": ("更换负责人密钥", "Replace all keys of a head"),
    "ThresholdSet": ("设定主管部门门限", "Set the authority's threshold"),
    "AuthorityPersonAdded": ("增加主管部门人员", "Add a person to the authority"),
    "AuthorityPersonRemoved": ("撤销主管部门人员", "Remove a person from the authority"),
    "CertificateBound": ("绑定数字证书", "Bind a certificate to a key"),
    "SuccessorNamed": ("指定后继合约", "Name a contract's successor"),
    "CalendarPublished": ("公布工作日历", "Publish a year's working days"),
    "CalendarCorrected": ("更正工作日历", "Correct a year's working days"),
    "OversightReported": ("提交首席数据官监督报告", "Report on a period as chief data officer"),
    "EntrySubmitted": ("提交目录条目", "Submit a catalogue entry"),
    "EntryPublished": ("发布目录条目", "Publish a catalogue entry"),
    "EntryRetired": ("撤销目录条目", "Retire a catalogue entry"),
    "EntryReturned": ("退回目录条目", "Return a catalogue entry"),
    "ChangeNoted": ("记录职责或数据变更", "Note a change of duty or data"),
    "UpdateExtended": ("同意延长更新期限", "Extend the time for an update"),
    "DataRefreshed": ("申报数据更新", "State that data was refreshed"),
    "ElementClaimed": ("认领数据元（数源）", "Claim to be the source of a data element"),
    "ElementReleased": ("放弃数据元认领", "Release a data element"),
    "ConflictDecided": ("裁定数源部门", "Decide the source of a data element"),
    "InterfaceRegistered": ("登记接口", "Register an interface"),
    "InterfaceTested": ("接口测试结果", "Result of an interface's test"),
    "InterfaceOnline": ("接口上线", "Put an interface online"),
    "InterfaceSuspended": ("暂停接口", "Suspend an interface"),
    "InterfaceResumed": ("恢复接口", "Resume an interface"),
    "InterfaceRetired": ("接口下线", "Retire an interface"),
    "RequestFiled": ("提出共享申请", "File a share request"),
    "RequestAgreed": ("同意共享申请", "Agree to a share request"),
    "RequestRefused": ("拒绝共享申请", "Refuse a share request"),
    "GrantSuspended": ("暂停授权", "Suspend a grant"),
    "GrantResumed": ("恢复授权", "Resume a grant"),
    "GrantRevoked": ("撤销授权", "Revoke a grant"),
    "SupplementAsked": ("一次性告知补正", "Ask once for what a request lacks"),
    "RequestSupplemented": ("补正共享申请", "Supplement a share request"),
    "RequestExtended": ("延长答复期限", "Extend the time for the answer"),
    "RequestWithdrawn": ("撤回共享申请", "Withdraw a share request"),
    "DataProvided": ("提供数据", "Say that the data are provided"),
    "GrantRenewed": ("授权续期", "Renew a grant"),
    "UseReported": ("报告使用情况", "Report the use of data"),
    "DataDisposed": ("报告数据销毁", "Say that the data are disposed of"),
    "CorrectionFiled": ("提出校核", "File a correction"),
    "CorrectionVerified": ("核查校核事项", "Verify a correction"),
    "CorrectionClosed": ("办结校核", "Close a correction"),
    "DisputeOpened": ("提出共享争议", "Open a dispute"),
    "DisputeSettled": ("协商一致结束争议", "Settle a dispute"),
    "DisputeEscalated": ("争议提请协调", "Take a dispute to the authority"),
    "DisputeMediated": ("协调未果，报请决定", "Refer a dispute to the government"),
    "DisputeDecided": ("决定争议", "Decide a dispute"),
    "ThirdPartyConsented": ("同意向第三方提供", "Consent to a third party"),
    "ThirdPartyRevoked": ("撤回第三方提供同意", "Take back the consent to a third party"),
    "LogRegistered": ("登记访问日志", "Register an access log"),
    "ParametersDisposed": ("记载参数密钥销毁", "Tell that keys of parameters were disposed of"),
}

#: field -> Chinese and English label
FIELD_NAMES: dict[str, tuple[str, str]] = {
    "level": ("层级", "level"),
    "kind": ("类别", "kind"),
    "region": ("行政区划代码", "region code"),
    "parent": ("上级部门", "parent department"),
    "uscc": ("统一社会信用代码", "unified social credit code"),
    "uscc_override": ("代码校验位例外", "code accepted although its check character fails"),
    "name": ("名称", "name"),
    "key_x": ("新公钥 x", "new public key x"),
    "key_y": ("新公钥 y", "new public key y"),
    "roles": ("角色", "roles"),
    "year": ("年份", "year"),
    "working_days": ("工作日", "working days"),
    "source": ("国务院办公厅通知摘要", "digest of the State Council's notice"),
    "reason_code": ("原因", "reason"),
    "key": ("拟启用的密钥", "the proposed key"),
    "threshold": ("门限人数", "persons who act together"),
    "issuer": ("证书颁发者摘要", "digest of the certificate's issuer"),
    "serial": ("证书序列号", "serial number of the certificate"),
    "certificate": ("证书摘要", "digest of the certificate"),
    "not_after": ("证书有效期至", "certificate valid until"),
    "contract": ("原合约", "contract that is followed"),
    "successor": ("承接方", "successor"),
    "sharing_class": ("共享类型", "sharing class"),
    "library": ("资源库", "library"),
    "update_cycle": ("更新周期", "update cycle"),
    "openness": ("开放属性", "openness"),
    "mode": ("共享方式", "mode"),
    "items": ("信息项", "items"),
    "sensitive": ("敏感信息项", "sensitive items"),
    "document": ("文件摘要", "document digest"),
    "secrecy_assessment": ("保密评估承诺值", "secrecy assessment, sealed"),
    "privacy_assessment": ("个人信息保护评估承诺值", "personal-information assessment, sealed"),
    "basis": ("共享条件或依据摘要", "digest of conditions or citation"),
    "reason": ("理由承诺值", "reason, sealed"),
    "entry": ("目录条目", "entry"),
    "entry_version": ("条目版本", "entry version"),
    "rate_per_minute": ("每分钟最多次数", "most requests a minute"),
    "max_rows": ("每次最多行数", "most rows in a response"),
    "node": ("交换节点", "exchange node"),
    "interface": ("接口", "interface"),
    "valid_from": ("起始时间", "valid from"),
    "valid_until": ("截止时间", "valid until"),
    "quota": ("总次数", "quota"),
    "interface_version": ("接口版本", "interface version"),
    "legal_basis": ("法律依据代码", "legal basis"),
    "scenario": ("应用场景代码", "scenario"),
    "case": ("办件材料承诺值", "case, sealed"),
    "grading": ("数据分级", "grading"),
    "change_day": ("变更日期", "day of the change"),
    "rows": ("数据量（行）", "rows"),
    "test_result": ("测试结果", "result of the test"),
    "log": ("访问日志", "access log"),
    "element": ("数据元代码", "data element"),
    "item": ("信息项序号", "index of the item"),
    "source_department": ("数源部门", "source department"),
    "cause": ("事由", "cause"),
    "missing": ("补正清单承诺值", "list of what is missing, sealed"),
    "extension_days": ("延长工作日数", "working days of the extension"),
    "way": ("共享方式", "way of sharing"),
    "from_day": ("起始日", "from day"),
    "until_day": ("截止日", "until day"),
    "subject": ("校核对象", "grant or entry in error"),
    "subject_kind": ("校核对象类别", "kind of subject"),
    "errors": ("错误说明承诺值", "description of the errors, sealed"),
    "finding": ("核查结果承诺值", "result of the verification, sealed"),
    "result": ("校核结果", "result"),
    "request": ("共享申请", "request"),
    "statement": ("当事部门陈述承诺值", "statement of the party, sealed"),
    "terms": ("协商结果承诺值", "terms, sealed"),
    "superior": ("共同上级部门", "common superior"),
    "requester_steps": ("需求部门至共同上级的层数", "parents from the requester to it"),
    "provider_steps": ("提供部门至共同上级的层数", "parents from the provider to it"),
    "proposal": ("协调报告承诺值", "report of the mediation, sealed"),
    "ruling": ("决定结果", "ruling"),
    "decision": ("决定书承诺值", "decision, sealed"),
    "grant": ("授权", "grant"),
    "third_party": ("第三方", "third party"),
    "third_party_kind": ("第三方类别", "kind of third party"),
    "purpose": ("使用目的承诺值", "purpose, sealed"),
    "uses": ("使用次数", "number of uses"),
    "report": ("报告承诺值", "report, sealed"),
    "report_kind": ("报告类别", "kind of report"),
    "report_digest": ("报告摘要", "digest of the report"),
    "findings": ("监督意见承诺值", "findings, sealed"),
    "disposal": ("销毁记录承诺值", "record of the disposal, sealed"),
    "gateway_key": ("网关密钥", "gateway key"),
    "origin": ("日志名称", "origin of the log"),
    "disposed_kind": ("销毁内容", "what was disposed of"),
    "period": ("月份", "month, as YYYYMM"),
    "record": ("日志记录序号", "index of the log's record"),
    "record_leaf": ("日志记录摘要", "leaf hash of the record"),
}

_CHOICES: dict[str, Mapping[int, tuple[str, str]]] = {
    "level": {
        1: ("国家", "state"),
        2: ("省", "province"),
        3: ("市", "city"),
        4: ("县", "county"),
        5: ("乡镇", "town"),
        6: ("村", "village"),
    },
    "kind": {
        1: ("部门", "department"),
        2: ("政府", "government"),
        3: ("园区", "zone"),
        4: ("事业单位", "institution"),
        5: ("银行", "bank"),
    },
    "reason_code": {
        1: ("更换", "rotated"),
        2: ("丢失", "lost"),
        3: ("泄露", "compromised"),
        4: ("离岗", "left"),
    },
    **WORD_CHOICES,
    "grading": {
        1: ("一般数据", "general data"),
        2: ("重要数据", "important data"),
        3: ("核心数据", "core data"),
    },
    "disposed_kind": {
        1: ("当月参数摘要密钥", "a month's key of digests"),
        2: ("当月留存信封密钥", "keys of a month's envelopes"),
        3: ("单条留存信封密钥", "key of one envelope"),
    },
    "test_result": {1: ("通过", "passed"), 2: ("未通过", "failed")},
    "uscc_override": {0: ("否", "no"), 1: ("是", "yes")},
    "cause": {
        1: ("滥用数据", "misuse"),
        2: ("安全风险", "security risk"),
        3: ("法律依据消失", "legal basis gone"),
        4: ("使用目的终止", "purpose ended"),
    },
    "subject_kind": {1: ("授权", "grant"), 2: ("目录条目", "entry")},
    "result": {1: ("已更正", "corrected"), 2: ("不予更正", "rejected")},
    "ruling": {
        1: ("支持需求部门", "for the requester"),
        2: ("支持提供部门", "for the provider"),
        3: ("部分支持", "in part"),
    },
    "report_kind": {1: ("部门绩效", "performance of departments"), 2: ("其他", "other")},
    "third_party_kind": {1: ("本账本部门", "department"), 2: ("账本外机构", "outside the ledger")},
    "way": {
        1: ("服务接口", "service interface"),
        2: ("批量交换", "batch exchange"),
        3: ("文件下载", "file download"),
    },
}

_HEADER = {
    "act": ("行为", "Act"),
    "chain": ("链", "Chain"),
    "contract": ("合约", "Contract"),
    "actor": ("签署密钥", "Actor's key"),
    "nonce": ("序号", "Nonce"),
    "expires": ("有效期至", "Expires"),
    "target": ("对象", "Target"),
    "revision": ("对象修订号", "Revision of the target"),
    "document": ("附文件", "Document"),
    "id": ("编号", "Id"),
}


def describe_act(
    act: Act,
    act_id: bytes,
    language: Language,
    *,
    documents: Sequence[bytes] = (),
    contracts: Mapping[str, bytes] | None = None,
) -> list[str]:
    """Return an act's words, one line each; every signed value stands in them.

    Args:
        act: the act.
        act_id: its id.
        language: zh or en.
        documents: public documents that come with it.
        contracts: addresses of the deployment that the reader trusts; an act for another
            contract is refused.

    Raises:
        ProtocolError: WRONG_CONTRACT; DOCUMENT_MISMATCH when a document is not one that the act
            names; DOCUMENT_MALFORMED.
    """
    at = 0 if language == "zh" else 1
    if contracts is not None and contracts[act.type.contract] != act.contract:
        raise ProtocolError("WRONG_CONTRACT", "the act is for another deployment's contract")
    lines = [
        _line("act", f"{ACT_NAMES[act.type.name][at]} ({act.type.name})", at),
        _line("id", act_id.hex(), at),
        _line("chain", str(act.chain_id), at),
        _line("contract", f"{act.type.contract} 0x{act.contract.hex()}", at),
        _line("actor", act.key_id.hex(), at),
        _line("nonce", str(act.nonce), at),
        _line("expires", _time(act.expires_at), at),
    ]
    if act.target != ZERO_ID:
        lines += [_line("target", act.target.hex(), at), _line("revision", str(act.revision), at)]
    for word in act.type.words:
        for field in word:
            text = _value(field, act.values[field.name], language)
            if field.name == "working_days":
                text = _working_days(act.number("year"), act.number("working_days"), language)
            lines.append(f"{FIELD_NAMES[field.name][at]}: {text}")
    for document in documents:
        lines.append(_line("document", _document(act, document), at))
    return lines


def _line(name: str, text: str, at: int) -> str:
    return f"{_HEADER[name][at]}: {text}"


def _time(seconds: int) -> str:
    try:
        utc = datetime.fromtimestamp(seconds, UTC)
        return f"{utc:%Y-%m-%d %H:%M:%S} UTC ({utc.astimezone(_CHINA):%Y-%m-%d %H:%M:%S} +08:00)"
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _value(field: Field, value: Value, language: Language) -> str:
    if isinstance(value, bytes):
        if field.name == "element" and (code := element_text(value)) is not None:
            return f"{value.hex()} “{code}”"
        return "-" if not any(value) else value.hex()
    if isinstance(value, str):
        # Quotes and escapes, so that no text can look like another line or field.
        return value.encode("unicode_escape").decode() if not value.isprintable() else f"“{value}”"
    if field.name in _CHOICES:
        choice = _CHOICES[field.name].get(value)
        return f"{value} {choice[0 if language == 'zh' else 1]}" if choice else f"{value} (?)"
    if field.name == "roles":
        return f"{value} {' '.join(role.name or '?' for role in Role if role & value) or '-'}"
    if field.name in ("items", "sensitive"):
        return " ".join(str(i) for i in range(256) if value >> i & 1) or "-"
    if field.name == "valid_until" and value == 0:
        return "0 无期限" if language == "zh" else "0 no end"
    if field.name in ("valid_from", "valid_until", "not_after"):
        return _time(value)
    if field.name == "serial":
        return f"{value:x}"
    if field.name in ("change_day", "from_day", "until_day"):
        return _day(value)
    if field.name in ("key_x", "key_y"):
        return f"{value:064x}"
    return str(value)


def _working_days(year: int, bits: int, language: Language) -> str:
    """Say what differs from Monday to Friday: with the year it says every bit."""
    if not FIRST_YEAR <= year <= LAST_YEAR or bits >> days_in(year):
        return f"{bits:0128x} (?)"
    plain = plain_weekdays(year)
    off = " ".join(day.strftime("%m-%d") for day in days_of(year, plain & ~bits)) or "-"
    worked = " ".join(day.strftime("%m-%d") for day in days_of(year, bits & ~plain)) or "-"
    count = bits.bit_count()
    if language == "zh":
        return f"{count} 天；周一至周五中放假 {off}；周末中上班 {worked}"
    return f"{count}; Mondays to Fridays off {off}; weekend days worked {worked}"


def _day(day: int) -> str:
    try:
        return f"{date_of(day):%Y-%m-%d} ({day})"
    except (OverflowError, ValueError):
        return str(day)


def element_text(element: bytes) -> str | None:
    """Return the code of a data element when its 32 bytes are one in ASCII, padded with zeros."""
    code = element.rstrip(b"\0")
    if not code or not code.isascii() or not code.decode().isprintable():
        return None
    return code.decode()


def _document(act: Act, document: bytes) -> str:
    digest = document_digest(document)
    if digest not in (act.values.get("document"), act.values.get("basis")):
        raise ProtocolError("DOCUMENT_MISMATCH", "a document is not one that the act names")
    title = ""
    if digest == act.values.get("document"):
        if act.type.contract == "Entries":
            entry = parse_entry_document(document)
            title = f"“{entry.name}” " + ", ".join(
                f"{item.index} {item.name}{'*' if item.sensitive else ''}" for item in entry.items
            )
        else:
            interface = parse_interface_document(document)
            title = f"“{interface.title}” {interface.method} {interface.path}"
    title = "".join(c if c.isprintable() else "�" for c in title)
    return f"{digest.hex()} {title}".rstrip()

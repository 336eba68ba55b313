"""Error codes of gateway and access log: code -> (HTTP status, title in Chinese, in English)."""

from typing import Final

CODES: Final[dict[str, tuple[int, str, str]]] = {
    # Before the signature was found valid: counted, not recorded one by one.
    "AUTHORITY_MISMATCH": (421, "请求指向另一个网关", "The request is for another gateway"),
    "GATEWAY_BUSY": (503, "网关繁忙，请稍后重试", "The gateway is busy; try again later"),
    "GATEWAY_NOT_READY": (503, "网关尚未就绪", "The gateway is not ready"),
    # Refused before the provider is called: record `denied`.
    "BODY_MALFORMED": (400, "请求体格式不正确", "The request's body is malformed"),
    "CLOCK_SKEW": (401, "签名时间与网关时钟相差过大", "The signature's time is too far off"),
    "DEPARTMENT_BUSY": (
        503,
        "本部门同时处理的请求过多",
        "The department has too many requests in work",
    ),
    "DEPARTMENT_RATE_EXCEEDED": (
        429,
        "超过部门每分钟次数",
        "The department's rate is exceeded",
    ),
    "INTERFACE_DOCUMENT_MISSING": (
        503,
        "接口说明文件缺失或无效",
        "The interface's description is missing or not valid",
    ),
    "GRANT_DISPOSED": (403, "授权已终止，数据已销毁", "The grant has ended and its data are gone"),
    "GRANT_EXPIRED": (403, "授权已过期", "The grant has expired"),
    "GRANT_NOT_LIVE": (403, "授权未生效", "The grant is not in force"),
    "GRANT_NOT_YET_VALID": (403, "授权尚未到生效时间", "The grant is not valid yet"),
    "GRANT_NOT_YOURS": (403, "授权不属于本部门", "The grant is another department's"),
    "GRANT_RATE_EXCEEDED": (429, "超过授权每分钟次数", "The grant's rate is exceeded"),
    "GRANT_REVOKED": (403, "授权已撤销", "The grant was revoked"),
    "GRANT_SUSPENDED": (403, "授权已中止", "The grant is suspended"),
    "GRANT_UNKNOWN": (403, "授权不存在", "The grant does not exist"),
    "HEAD_STALE": (503, "账本状态过期", "The ledger's state is too old to decide"),
    "LEDGER_HALTED": (503, "账本因核验问题停止更新", "The ledger stopped at a finding"),
    "NODE_NOT_LISTED": (503, "交换节点未登记地址", "The exchange node has no listed address"),
    "NONCE_REPLAYED": (409, "请求随机数已使用", "The nonce was used before"),
    "NO_ITEMS": (403, "没有可返回的信息项", "No item is left to release"),
    "PARAMETERS_INVALID": (422, "参数不符合接口说明", "The parameters do not fit the interface"),
    "PROVIDER_BUSY": (503, "提供方连接已满", "Too many calls to the provider at a time"),
    "PROVIDER_PAUSED": (
        503,
        "提供方连续无应答，暂停调用",
        "The provider does not answer and is not called for a while",
    ),
    "PURPOSE_MISMATCH": (403, "依据或场景与授权不符", "Basis or scenario is not the grant's"),
    "QUOTA_EXCEEDED": (403, "授权次数已用尽", "The grant's data requests are used up"),
    "RATE_EXCEEDED": (429, "超过接口每分钟次数", "The interface's rate is exceeded"),
    "SOURCE_NOT_ALLOWED": (
        403,
        "来源地址不在授权的允许范围内",
        "The grant may not be used from this address",
    ),
    # Networks of grants.
    "NETWORK_MALFORMED": (400, "网段格式不正确", "A network is malformed"),
    "RESTRICTION_NOT_ALLOWED": (
        403,
        "仅授权双方的共享负责人或安全管理员可限定来源地址",
        "Only officers and security administrators of the grant's two sides declare its networks",
    ),
    # The call failed: record `outcome` with result `failed`.
    "PROVIDER_FAILED": (502, "提供方返回错误", "The provider answered with an error"),
    "PROVIDER_KEY_UNKNOWN": (502, "提供方密钥未登记", "The provider's key is not registered"),
    "PROVIDER_NOT_JSON": (502, "提供方应答不是规定的 JSON", "The provider's answer is not JSON"),
    "PROVIDER_REDIRECTED": (502, "提供方应答为重定向", "The provider answered with a redirect"),
    "PROVIDER_RESPONSE_TOO_LARGE": (502, "提供方应答过大", "The provider's answer is too large"),
    "PROVIDER_SIGNATURE_INVALID": (
        502,
        "提供方签名验证不通过",
        "The provider's signature does not hold",
    ),
    "PROVIDER_TIMEOUT": (504, "提供方应答超时", "The provider did not answer in time"),
    "PROVIDER_UNREACHABLE": (502, "无法连接提供方", "The provider cannot be reached"),
    "RELEASE_FAILED": (500, "网关处理应答时出错", "The gateway failed to process the answer"),
    "TOO_MANY_ROWS": (502, "返回行数超过限制", "The answer has more rows than allowed"),
    # Tests of interfaces.
    "NOTHING_TO_TEST": (
        409,
        "没有待测试的接口版本",
        "No version waits for a test",
    ),
    "TEST_NOT_ALLOWED": (
        403,
        "仅提供方的操作员或共享负责人可申请测试",
        "Only the provider's operators and officers ask for its test",
    ),
    "TEST_NOT_SUBMITTED": (
        503,
        "测试已完成，但结果未能提交上链",
        "The test was made, but its result could not be handed in",
    ),
    "ANSWER_NOT_AS_DESCRIBED": (
        502,
        "应答与接口说明不符",
        "The answer is not as the interface's document describes",
    ),
    "CHECK_FAILED": (502, "应答无法在限定内核对", "The answer could not be checked within limits"),
    "ITEMS_MISSING": (502, "应答中缺少登记的信息项", "Items that were registered are missing"),
    # Evidence and proofs.
    "EVIDENCE_NOT_ALLOWED": (403, "无权取得该记录的证据", "This record's evidence is not yours"),
    # Sealed texts.
    "RECIPIENT_NOT_A_PARTY": (403, "收件密钥不属于当事部门", "A key in the envelope is no party's"),
    "SEALED_DISPOSED": (410, "密封文本已销毁", "The sealed text was disposed of"),
    "SEALED_LIMIT": (
        409,
        "本部门存放的密封信封已达上限",
        "The department keeps too many envelopes",
    ),
    "SEALED_MISSING": (404, "没有可由该密钥开启的密封文本", "No sealed text is there for this key"),
    "SEALED_NOT_ALLOWED": (
        403,
        "本部门不是该密封文本的当事方",
        "Your department is no party to it",
    ),
    "SEALED_STORE_FAILED": (503, "密封文本存储失败", "The envelopes cannot be read or written"),
    "SEALED_UNKNOWN": (404, "没有对应的已上链密封文本", "No recorded act commits to such a text"),
    # Access records of another platform.
    "BATCH_TOO_LARGE": (413, "批次过大", "The batch has too many records"),
    "OBSERVATION_DIFFERS": (
        409,
        "同一编号的访问记录内容不同",
        "Another record with this id was handed in before",
    ),
    "OBSERVATION_LATER": (422, "访问记录时间晚于当前", "The access record tells of a time to come"),
    "OBSERVATION_MALFORMED": (400, "访问记录格式不正确", "The access record is malformed"),
    "OBSERVATION_REPEATED": (500, "访问记录重复入账", "An access record was kept twice"),
    "OBSERVATION_SIGNATURE_INVALID": (
        422,
        "访问记录签名不成立",
        "The access record's signature does not hold",
    ),
    # The access log.
    "INTENT_CLOSED": (500, "访问意向已结束", "The intent has ended already"),
    "LOG_ANCHOR_DIFFERS": (500, "日志与链上锚定不符", "The log is not the one that was anchored"),
    "LOG_BEHIND_ANCHOR": (500, "日志短于链上锚定", "The log is shorter than its anchor"),
    "LOG_BUSY": (503, "日志写入繁忙", "Too many records wait to be written"),
    "LOG_CHECKPOINT_UNKNOWN": (404, "没有该长度的检查点", "No checkpoint of this size was signed"),
    "LOG_CLOSED": (503, "日志已关闭", "The access log is closed"),
    "LOG_DAMAGED": (500, "日志已损坏", "The access log is damaged"),
    "LOG_DATABASE_UNSUPPORTED": (500, "日志数据库不受支持", "The log's database is not supported"),
    "LOG_ENTRIES_CLOSED": (403, "日志记录不公开", "The log's records are not public"),
    "LOG_IN_USE": (500, "日志正被另一进程写入", "Another process writes the access log"),
    "LOG_MISSING": (500, "日志文件不存在", "The access log's file is missing"),
    "LOG_OTHER_IDENTITY": (500, "日志属于另一网关", "The log is another gateway's"),
    "LOG_RECORD_UNKNOWN": (404, "没有该序号的记录", "The log has no record of this index"),
    "LOG_SIZE_UNKNOWN": (404, "日志未达到该长度", "The log has not reached this size"),
    "LOG_WRITE_FAILED": (503, "日志写入失败", "The access log could not be written"),
    "PROVIDERS_MALFORMED": (500, "提供方地址文件不正确", "The providers file is malformed"),
}

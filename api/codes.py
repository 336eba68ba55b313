"""The one table of error codes: code -> (HTTP status, title in Chinese, title in English).

The gateway's own codes stand in api/gateway/codes.py; api/problems.py joins the two. docs/errors.md
is generated from the joined table by scripts/error_codes.py.
"""

from typing import Final

Row = tuple[int, str, str]

#: Errors that the contracts raise: UPPER_SNAKE of the Solidity custom error.
CONTRACT_CODES: Final[dict[str, Row]] = {
    "ACT_MALFORMED": (400, "签署件格式不正确", "The act is malformed"),
    "WRONG_CHAIN": (422, "签署件指向另一条链", "The act is for another chain"),
    "WRONG_CONTRACT": (422, "签署件指向另一个合约", "The act is for another contract"),
    "ACT_TYPE_UNKNOWN": (422, "不认识的签署件类型", "The act type is not known"),
    "ACT_EXPIRED": (422, "签署件已过期", "The act has expired"),
    "EXPIRY_TOO_FAR": (422, "签署件有效期超过三十天", "The act expires more than 30 days ahead"),
    "SIGNATURE_COUNT": (422, "签名数量不符", "The number of signatures is wrong"),
    "ACTOR_MISMATCH": (
        422,
        "首个签名人不是签署件所载的行为人",
        "The first signer is not the actor",
    ),
    "NONCE_MISMATCH": (
        409,
        "序号不是该密钥的下一个序号，请重新签署",
        "The nonce is not the key's next one; sign again",
    ),
    "KEY_UNKNOWN": (422, "密钥未登记", "The key is not registered"),
    "KEY_NOT_ACTIVE": (422, "密钥已失效", "The key is not active"),
    "KEY_TAKEN": (409, "密钥已被登记", "The key is registered already"),
    "SIGNATURE_INVALID": (422, "签名验证不通过", "A signature does not hold"),
    "SIGNER_REPEATED": (422, "多个签名来自同一人", "Two signatures come from one person"),
    "TARGET_UNKNOWN": (404, "目标不存在", "The target does not exist"),
    "STALE_REVISION": (
        409,
        "目标在签署之后已变更，请核对后重新签署",
        "The target has changed since it was signed; look again and sign again",
    ),
    "ROLE_MISSING": (403, "签名人没有所需的角色", "A signer lacks the role"),
    "ROLES_MIXED": (422, "同一人的角色须属同一组", "The roles of a person lie within one group"),
    "DEPARTMENT_MISMATCH": (403, "签名人不属于所需的部门", "A signer is of another department"),
    "STATE_INVALID": (409, "目标当前状态不允许此操作", "The target's state does not allow this"),
    "VALUE_INVALID": (422, "字段取值不合规则", "A value breaks a rule"),
    "ITEMS_NOT_COVERED": (422, "信息项超出允许范围", "Items are not covered"),
    "ENTRY_NOT_SHARED": (409, "目录条目不可共享", "The entry is not live or not shared"),
    "ENTRY_NOT_LIVE": (409, "目录条目不在有效状态", "The entry is not live"),
    "VERSION_NOT_CURRENT": (409, "所引用的版本不是现行版本", "The version is not the current one"),
    "INTERFACE_NOT_LIVE": (409, "接口未上线", "The interface is not live"),
    "OWN_DATA": (422, "不能申请本部门的数据", "A department cannot request its own data"),
    "SUSPENDED_BY_OTHER": (403, "须由中止方恢复", "Only the side that suspended may resume"),
    "ORIGIN_TAKEN": (409, "日志名称已被使用", "The log's origin is used already"),
    "LOG_UNKNOWN": (404, "日志未登记", "The log is not registered"),
    "SIZE_SHRINKS": (409, "日志长度小于已锚定的长度", "The log is shorter than its last anchor"),
    "ROOT_DIFFERS": (409, "同一长度出现第二个根", "A second root for one size"),
    "ALREADY_ANCHORED": (409, "该检查点已锚定", "The checkpoint is anchored already"),
    "PIECE_INVALID": (422, "文件分片不合规则", "A document's piece breaks a rule"),
}

#: crypto/ and protocol/: bytes, keys, signatures, proofs.
BYTES_CODES: Final[dict[str, Row]] = {
    "ACKNOWLEDGEMENT_INVALID": (
        422,
        "平台回执验证不通过",
        "The platform's acknowledgement does not hold",
    ),
    "AUTHORITY_MALFORMED": (400, "主机名格式不正确", "The authority is malformed"),
    "CHECKPOINT_INVALID": (422, "检查点验证不通过", "The checkpoint does not hold"),
    "CHECKPOINT_MALFORMED": (400, "检查点格式不正确", "The checkpoint is malformed"),
    "DIGEST_MALFORMED": (400, "内容摘要格式不正确", "The content digest is malformed"),
    "DIGEST_MISMATCH": (400, "内容与摘要不符", "The content has another digest"),
    "DOCUMENT_MALFORMED": (422, "文件内容不合规范", "The document does not follow its format"),
    "HEADER_MALFORMED": (400, "请求头格式不正确", "A header is malformed"),
    "HEADER_REPEATED": (400, "请求头重复", "A header stands twice"),
    "INTENT_MISMATCH": (422, "应答与意向记录不符", "The answer is for another intent"),
    "JSON_MALFORMED": (400, "不是可接受的 JSON", "The JSON is not acceptable"),
    "KEYFILE_INVALID": (500, "密钥文件无法使用", "The key file cannot be used"),
    "KEYFILE_PARAMETERS": (500, "密钥文件参数不正确", "The key file's parameters are not valid"),
    "KEYFILE_PASSPHRASE_WRONG": (500, "密钥文件口令不正确", "The passphrase is wrong"),
    "KEY_INVALID": (422, "不是有效的 SM2 密钥", "This is not a valid SM2 key"),
    "LIBCRYPTO_FAILED": (500, "密码库执行失败", "The cryptographic library failed"),
    "LIBCRYPTO_UNSUITABLE": (
        500,
        "密码库不支持国密算法",
        "The cryptographic library is unsuitable",
    ),
    "NAME_MALFORMED": (400, "名称格式不正确", "The name is malformed"),
    "NOT_CANONICAL": (400, "不是规范 JSON", "This is not canonical JSON"),
    "ORIGIN_MALFORMED": (400, "日志名称格式不正确", "The origin is malformed"),
    "PROOF_INVALID": (422, "默克尔证明不成立", "The Merkle proof does not hold"),
    "RECEIPT_INVALID": (422, "收据验证不通过", "The receipt does not hold"),
    "RECEIPT_MALFORMED": (400, "收据格式不正确", "The receipt is malformed"),
    "RECORD_MALFORMED": (400, "记录格式不正确", "The record is malformed"),
    "SEALED_INVALID": (422, "封存文件无法打开", "The sealed document cannot be opened"),
    "SIGNATURE_MALFORMED": (400, "签名格式不正确", "The signature is malformed"),
    "SIGNATURE_MISSING": (401, "缺少签名", "The signature is missing"),
    "TRUST_MALFORMED": (400, "信任根格式不正确", "The trust root is malformed"),
    "USER_ID_INVALID": (422, "SM2 用户标识不正确", "The SM2 user id is not valid"),
}

#: ledger/: deployment, engine, outbox, relay, index, evidence.
LEDGER_CODES: Final[dict[str, Row]] = {
    "DEPLOYMENT_MALFORMED": (500, "部署文件已损坏", "The deployment file is damaged"),
    "DEPLOYMENT_MISSING": (500, "尚未部署", "Nothing is deployed"),
    "OUTBOX_FULL": (503, "待发送的签署件过多，请稍后再试", "Too many acts are waiting; try later"),
}

#: api/: requests over HTTP.
API_CODES: Final[dict[str, Row]] = {
    "BODY_TOO_LARGE": (413, "请求体过大", "The request body is too large"),
    "BODY_TOO_SLOW": (408, "请求体发送过慢", "The request body came too slowly"),
    "CURSOR_INVALID": (400, "翻页游标无效", "The cursor is not valid"),
    "HEADERS_TOO_LARGE": (431, "请求头过大", "The request headers are too large"),
    "INTERNAL_ERROR": (500, "内部错误", "Internal error"),
    "METHOD_NOT_ALLOWED": (405, "不支持该方法", "The method is not allowed"),
    "NOT_FOUND": (404, "未找到", "Not found"),
    "RATE_LIMITED": (429, "请求过于频繁", "Too many requests"),
    "REQUEST_MALFORMED": (400, "请求格式不正确", "The request is malformed"),
}

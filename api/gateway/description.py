"""The gateway's OpenAPI description: what docs/protocol.md 6 and 7 say of its routes, for machines.

The calls are signed, and their bodies are canonical JSON: no schema can say which signature fits.
"""

from functools import cache
from typing import Any, Final

from api.problems import MEDIA_TYPE, Problem
from protocol.batch_receipts import MAX_PATH
from protocol.checkpoint import MAX_SIZE
from protocol.httpsig import (
    CLOSING_PATH,
    CONSULTATION_PATH,
    CONTENT_TYPE,
    DATA_PATH,
    NOT_SENT_PATH,
    OBSERVATIONS_PATH,
    OFFER_PATH,
    OPEN_OFFERS_PATH,
    RESTRICTION_PATH,
    SEALED_PATHS,
    TEST_PATH,
)
from protocol.httpsig.common import tag_of
from protocol.not_sent import MAX_RANGES, REASONS
from protocol.observation import MAX_BATCH_RECORDS
from protocol.stream import MAX_SEQUENCE
from protocol.transfer import MAX_OFFER_PARTS, MAX_PARTS

Json = dict[str, Any]

PATH: Final = "/openapi.json"
EVIDENCE_PATH: Final = "/v1/evidence"
#: A month.
PERIOD: Final = "^[0-9]{4}-(0[1-9]|1[0-2])$"
_MAX_INT: Final = 2**53 - 1
_DESCRIPTION: Final = (
    "数据请求经此网关受理、记录并转发。调用以 SM2 密钥签名（RFC 9421），请求体为规范 JSON；"
    "错误按 RFC 9457 返回，code 固定不变。 / "
    "Data requests are checked, recorded and passed on here. Calls are signed with SM2 keys "
    "(RFC 9421) and their bodies are canonical JSON; errors follow RFC 9457 with a stable code."
)
_TAGS: Final = {
    "data": "数据请求 / data requests",
    "records": "访问记录与声明 / access records and statements",
    "transfers": "批次与分段传输 / batches and transfers in parts",
    "sealed": "密封文本 / sealed texts",
    "log": "访问日志 / the access log's tree",
    "health": "运行状态 / health",
}


def _text(pattern: str) -> Json:
    return {"type": "string", "pattern": pattern}


def _number(least: int = 0, most: int = _MAX_INT) -> Json:
    return {"type": "integer", "minimum": least, "maximum": most}


def _list(of: Json, least: int = 0, most: int | None = None) -> Json:
    bounds = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": of, "minItems": least, **bounds}


def _members(**members: Json) -> Json:
    """Return the schema of an object with exactly these members."""
    return {
        "type": "object",
        "properties": members,
        "required": sorted(members),
        "additionalProperties": False,
    }


_HEX32: Final = _text("^[0-9a-f]{64}$")
_HEX64: Final = _text("^[0-9a-f]{128}$")
_WORD: Final = _text("^[!-~]{1,128}$")
_DIGEST: Final = _text("^sm3=:[A-Za-z0-9+/]{43}=:$")
_ANY: Final[Json] = {"type": "object"}
_RECEIPT: Final = {
    "sanlian-receipt": {
        "description": "docs/protocol.md 6.4",
        "required": True,
        "schema": {"type": "string"},
    }
}
_CONTENT_DIGEST: Final = {
    "content-digest": {"description": "SM3 of the body", "required": True, "schema": _DIGEST}
}
_ENVELOPE_OF: Final = {"act": _HEX32, "salt": _HEX32, "word": {"type": "string"}}
_OBSERVATION: Final = _members(key_id=_HEX32, record=_ANY, signature=_HEX64)
_KEPT: Final[Json] = {
    "checkpoint": _number(0, MAX_BATCH_RECORDS),
    "common": _number(0, MAX_BATCH_RECORDS),
    "index": _number(),
    "path": _list(_number(), 0, MAX_PATH),
}
_RESULT: Final = {
    "anyOf": [
        _members(code=_text("^[A-Z][A-Z0-9_]*$")),
        _members(**_KEPT),
        _members(**_KEPT, signature=_HEX64),
    ]
}


def _header(name: str, schema: Json, *, required: bool = True) -> Json:
    return {"name": name, "in": "header", "required": required, "schema": schema}


def _signature_headers(path: str) -> list[Json]:
    """Return the headers of a signed call (docs/protocol.md 7.1)."""
    tag = tag_of(path)
    listed = r"\([^)]*\)"
    fixed = (
        f'^sanlian={listed};created=(0|[1-9][0-9]{{0,14}});keyid="[0-9a-f]{{64}}";'
        f'nonce="[0-9a-f]{{32}}";tag="{tag}"$'
    )
    texts = ("sanlian-person", "sanlian-basis", "sanlian-scenario", "sanlian-case")
    headers = [
        _header("content-digest", _DIGEST),
        _header("sanlian-grant", _HEX32),
        *(_header(name, _WORD) for name in texts),
        _header("signature-input", _text(fixed)),
        _header("signature", _text("^sanlian=:[A-Za-z0-9+/]{86}==:$")),
        _header("sanlian-key", _HEX64),
    ]
    if path == DATA_PATH:
        stream = _text("^[A-Za-z0-9._-]{1,64};[1-9][0-9]{0,15}$")
        headers.append(_header("sanlian-stream", stream, required=False))
    return headers


def _failures() -> Json:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        "4XX": {
            "description": "请求被拒绝 / the request was refused",
            "content": {MEDIA_TYPE: problem},
        },
        "5XX": {
            "description": "服务或提供方异常 / the service or the provider failed",
            "content": {MEDIA_TYPE: problem},
        },
    }


def _call(  # noqa: PLR0917 - the columns of a table
    path: str, name: str, tag: str, summary: str, body: Json, answer: Json, *, receipt: bool = True
) -> Json:
    """Return the path item of a signed call."""
    good = {
        "description": "成功 / done",
        "headers": {**(_RECEIPT if receipt else {}), **_CONTENT_DIGEST},
        "content": {CONTENT_TYPE: {"schema": answer}},
    }
    content = {CONTENT_TYPE: {"schema": body}}
    operation = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "parameters": _signature_headers(path),
        "requestBody": {"required": True, "content": content},
        "responses": {"200": good, **_failures()},
    }
    return {path: {"post": operation}}


def _calls() -> Json:
    problem_free = _members(data={}, salt=_HEX32)
    sequence = _number(1, MAX_SEQUENCE)
    networks = _list({"type": "string"}, most=32)
    name = _text("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
    return {
        **_call(
            DATA_PATH, "ask", "data", "数据请求 / Ask for data",
            _members(parameters=_ANY, salt=_HEX32), problem_free),
        **_call(
            TEST_PATH, "test_interface", "data", "接口测试 / Test an interface",
            _members(interface=_HEX32, parameters=_ANY, salt=_HEX32),
            _members(act_id=_HEX32, report=_ANY, salt=_HEX32)),
        **_call(
            EVIDENCE_PATH, "get_evidence", "records", "访问证据 / Evidence of one record",
            _members(log={"type": "string"}, salt=_HEX32, seq=_number()), _ANY),
        **_call(
            OBSERVATIONS_PATH, "add_observations", "records",
            "提交其他平台的访问记录 / Hand in access records of another platform",
            _members(observations=_list(_OBSERVATION, 1, MAX_BATCH_RECORDS), salt=_HEX32),
            _members(
                checkpoints=_list({"type": "string"}), common=_list(_ANY, most=MAX_BATCH_RECORDS),
                nodes=_list(_HEX32), results=_list(_RESULT)),
            receipt=False),
        **_call(
            NOT_SENT_PATH, "state_not_sent", "records",
            "声明未发送的序号 / State numbers that were not sent",
            _members(
                reason={"enum": list(REASONS)}, salt=_HEX32,
                sequences=_list(_list(sequence, 2, 2), 1, MAX_RANGES),
                stream=_text("^[A-Za-z0-9._-]{1,64}$")),
            _members(recorded=_number())),
        **_call(
            RESTRICTION_PATH, "restrict", "records",
            "限定授权的网络范围 / Declare a grant's networks",
            _members(networks=networks, salt=_HEX32),
            _members(networks=networks, side={"enum": ["provider", "requester"]})),
        **_call(
            OFFER_PATH, "offer_batch", "transfers", "通知批次已就绪 / Offer a batch",
            _members(
                manifest=_HEX32, name=name, parts=_number(1, MAX_OFFER_PARTS), rows=_number(),
                salt=_HEX32),
            _members(recorded=_number())),
        **_call(
            OPEN_OFFERS_PATH, "list_open_offers", "transfers",
            "待接收的批次 / Offers that wait to be taken",
            _members(after=_number(-1), salt=_HEX32),
            _members(
                next={"anyOf": [_number(), {"type": "null"}]},
                offers=_list(_members(receipt={"type": "string"}, seq=_number()), most=100)),
            receipt=False),
        **_call(
            CLOSING_PATH, "close_transfer", "transfers", "声明传输完结 / End a transfer",
            _members(
                first=_number(), last=_number(), manifest=_HEX32,
                offer={"anyOf": [_number(), {"type": "null"}]},
                parts=_number(1, MAX_PARTS), rows=_number(), salt=_HEX32),
            _members(recorded=_number())),
        **_call(
            CONSULTATION_PATH, "consult", "records",
            "审计查阅登记 / Record what an auditor is about to look into",
            _members(
                operation={"enum": ["search", "open"]}, periods=_list(_text(PERIOD), most=120),
                record={"anyOf": [_number(), {"type": "null"}]}, salt=_HEX32),
            _members(index=_number())),
        **_call(
            SEALED_PATHS["keep"], "keep_sealed", "sealed", "提交密封文本 / Hand in a sealed text",
            _members(**_ENVELOPE_OF, envelope={"type": "string"}), _members(kept=_HEX32)),
        **_call(
            SEALED_PATHS["fetch"], "fetch_sealed", "sealed", "取回密封文本 / Fetch a sealed text",
            _members(**_ENVELOPE_OF), _ANY),
        **_call(
            SEALED_PATHS["dispose"], "dispose_sealed", "sealed",
            "销毁密封文本 / Dispose of a sealed text",
            _members(**_ENVELOPE_OF), _members(disposed=_number())),
    }  # fmt: skip  # a table reads better in rows


def _get(  # noqa: PLR0917 - the columns of a table
    path: str,
    name: str,
    tag: str,
    summary: str,
    content: Json,
    parameters: tuple[Json, ...] = (),
    more: Json | None = None,
) -> Json:
    """Return the path item of something that anybody may read."""
    operation = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "parameters": list(parameters),
        "responses": {
            "200": {"description": "成功 / done", "content": content},
            **(more or {}),
            **_failures(),
        },
    }
    return {path: {"get": operation}}


def _query(name: str, *, required: bool = True) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": _number()}


def _in_path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _tiles() -> Json:
    """Return the tiles' paths of up to six digits; larger numbers have more groups.

    Higher levels are those of logs with more than 2^48 records.
    """
    group = _in_path("group", _text("^x(00[1-9]|0[1-9][0-9]|[1-9][0-9]{2})$"))
    index = _in_path("index", _text("^[0-9]{3}$"))
    width = _in_path("width", _number(1, 255))
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    summary = "日志树的瓦片 / A tile of the log's tree"
    found: Json = {}
    for name, top, groups in (("tile", 5, ()), ("grouped_tile", 4, (group,))):
        level = _in_path("level", _number(0, top))
        path = "/log/tile/{level}/" + ("{group}/" if groups else "") + "{index}"
        places = (level, *groups, index)
        found |= _get(path, name, "log", summary, content, places)
        partial = (*places, width)
        found |= _get(path + ".p/{width}", f"partial_{name}", "log", summary, content, partial)
    return found


def _reads() -> Json:
    note = {"text/plain": {"schema": {"type": "string"}}}
    hashes = _list(_HEX32)
    nullable = {"anyOf": [_number(0, MAX_SIZE), {"type": "null"}]}
    status = {"enum": ["ok", "starting", "stale", "log_failing", "failed"]}
    health = {
        CONTENT_TYPE: {
            "schema": _members(
                status=status,
                block_number=nullable,
                log_size=nullable,
                head_age_s=nullable,
                anchored_size=nullable,
                unanchored_records=nullable,
                unanchored_age_s=nullable,
            )
        }
    }
    return {
        **_get(
            "/log/checkpoint", "get_checkpoint", "log", "检查点 / Newest checkpoint, or of a size",
            note, (_query("size", required=False),)),
        **_get(
            "/log/consistency", "get_consistency", "log", "一致性证明 / Consistency proof",
            {CONTENT_TYPE: {"schema": _members(old=_number(), new=_number(), path=hashes)}},
            (_query("old"), _query("new"))),
        **_get(
            "/log/inclusion", "get_inclusion", "log", "包含证明 / Inclusion proof",
            {CONTENT_TYPE: {"schema": _members(index=_number(), size=_number(), path=hashes)}},
            (_query("index"), _query("size"))),
        **_tiles(),
        **_get(
            "/health", "get_health", "health", "运行状态 / Health", health,
            more={"503": {"description": "不可用 / it does not serve", "content": health}}),
    }  # fmt: skip  # a table reads better in rows


@cache
def describe() -> Json:
    """Return the OpenAPI 3.1 document; callers leave it as it is."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "三链 sanlian 网关 / gateway",
            "summary": "政务数据请求网关 / gateway of data requests between departments",
            "description": _DESCRIPTION,
            "version": "1",
        },
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {**_calls(), **_reads()},
        "components": {"schemas": {"Problem": Problem.model_json_schema()}},
    }

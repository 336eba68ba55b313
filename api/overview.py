"""The first page: what this is, what it holds, its latest blocks and anchors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from sqlalchemy import Engine, Row, func, select
from sqlalchemy.orm import InstrumentedAttribute

from api.page import Markup, join, page, table
from ledger.db.engine import read_transaction
from ledger.db.models import Anchor, Block, Department, Entry, Interface, Log, Request
from protocol.deployment import Deployment

LATEST = 10
_CHINA = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first page shows.

    Attributes:
        counts: number of departments, entries, interfaces and requests.
        blocks: latest blocks, newest first.
        anchors: latest anchors, newest first.
    """

    counts: dict[str, int]
    blocks: Sequence[Row[int, bytes, int]]
    anchors: Sequence[Row[str, int, bytes, int, int]]


def read_overview(engine: Engine) -> Overview:
    """Read it from one snapshot of the database."""
    ids: dict[str, InstrumentedAttribute[bytes]] = {
        "departments": Department.id,
        "entries": Entry.id,
        "interfaces": Interface.id,
        "requests": Request.id,
    }
    with read_transaction(engine) as connection:
        counts = {
            noun: connection.execute(select(func.count(column))).scalar_one()
            for noun, column in ids.items()
        }
        blocks = connection.execute(
            select(Block.number, Block.hash, Block.time).order_by(Block.number.desc()).limit(LATEST)
        ).all()
        anchors = connection.execute(
            select(Log.origin, Anchor.size, Anchor.root, Anchor.block_number, Anchor.block_time)
            .join(Log, Log.id == Anchor.log)
            .order_by(Anchor.block_number.desc(), Anchor.size.desc())
            .limit(LATEST)
        ).all()
    return Overview(counts, blocks, anchors)


def time_text(time: int) -> str:
    """Return unix seconds as a date and time of Beijing."""
    return datetime.fromtimestamp(time, UTC).astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S +08:00")


def overview_page(overview: Overview, deployment: Deployment, *, chinese: bool) -> str:
    """Render the page."""
    names = (
        {"departments": "部门", "entries": "目录条目", "interfaces": "接口", "requests": "共享申请"}
        if chinese
        else {name: name.capitalize() for name in overview.counts}
    )
    tiles = join(
        Markup(f"<div>{Markup.of('dt', names[noun]).html}{Markup.of('dd', str(count)).html}</div>")
        for noun, count in overview.counts.items()
    )
    parts = [Markup.of("p", _WHAT_ZH if chinese else _WHAT_EN)]
    if deployment.example:
        parts.append(
            Markup.of("p", _EXAMPLE_ZH if chinese else _EXAMPLE_EN, css="notice"),
        )
    parts += [
        Markup(f'<dl class="counts">{tiles.html}</dl>'),
        Markup.of("h2", "最新区块" if chinese else "Latest blocks"),
        table(
            ["高度", "时间", "哈希"] if chinese else ["number", "time", "hash"],
            [
                (b.number, time_text(b.time), Markup.of("span", b.hash.hex(), css="hex"))
                for b in overview.blocks
            ],
        ),
        Markup.of("h2", "访问日志的最新锚定" if chinese else "Latest anchors of the access log"),
        table(
            ["日志", "记录数", "区块", "时间", "根"]
            if chinese
            else ["log", "records", "block", "time", "root"],
            [
                (
                    a.origin,
                    a.size,
                    a.block_number,
                    time_text(a.block_time),
                    Markup.of("span", a.root.hex(), css="hex"),
                )
                for a in overview.anchors
            ],
        ),
    ]
    return page("总览" if chinese else "Overview", join(parts), chinese=chinese, path="/")


_WHAT_ZH = (
    "政务数据共享的账本：目录链记载有哪些数据，接口链记载数据如何提供，共享链记载谁经谁同意、"
    "依据什么使用数据。每一项决定都由经办人用自己的 SM2 密钥签署，并由合约验证；"
    "每一次取用数据都先留下记录，记录的摘要锚定在链上。"
)
_WHAT_EN = (
    "A ledger for data sharing between government departments. The directory chain says which data "
    "exist, the interface chain how they are provided, the sharing chain who uses them with whose "
    "consent and on which basis. Every decision is signed with the SM2 key of the person who takes "
    "it and verified by a contract; every access to data leaves a record first, and the digests of "
    "the records are anchored on the chain."
)
_EXAMPLE_ZH = "这是示例城市：部门、人员和数据均为虚构，其私钥是公开的，不得用于真实业务。"
_EXAMPLE_EN = (
    "This is the example city: departments, persons and data are made up, and their private keys "
    "are public. It must not carry real work."
)

"""A performance report as text for people."""

from collections.abc import Mapping
from typing import Any

_DUTIES = (
    ("answers", "answers 答复"),
    ("provisions", "provision 提供"),
    ("updates", "updates 更新"),
    ("reviews", "reviews 审核"),
    ("corrections", "corrections 校核"),
)


def describe_report(report: Mapping[str, Any], digest: str) -> str:
    """Return a report in lines; departments without anything to tell are left out.

    Args:
        report: the report of protocol.performance.
        digest: SM3 of its canonical JSON, hex.
    """
    block = report["block"]
    so_far = "" if report["final"] else " (so far: the last day is not over 期间未结束)"
    lines = [
        f"{report['from']} to {report['until']}{so_far}, chain {report['chain_id']}, "
        f"block {block['number']} {block['hash']}",
        f"SM3 of the report 报告摘要: {digest}",
    ]
    silent = 0
    for department in report["departments"]:
        told = _describe(department)
        silent += not told
        if told:
            lines += ["", _title(department), *told]
    if silent:
        lines += ["", f"{silent} departments had nothing due, published or shared 无记录"]
    return "\n".join(lines)


def _title(department: Mapping[str, Any]) -> str:
    # Genesis gives the authority's department no name; every other one has one.
    title = f"{department['name'] or 'authority 主管部门'}  {department['id']}"
    ended = department["ended_day"]
    return title if ended is None else f"{title}, ended 撤销 {ended}"


def _describe(department: Mapping[str, Any]) -> list[str]:
    lines = []
    for kind, name in _DUTIES:
        found = department[kind]
        text = f"in time 按时 {found['in_time']}, late 逾期 {found['late']}"
        if found["overdue"]:
            text += f", still open 逾期未办 {found['overdue']}"
        if found["undecided"]:
            years = ", ".join(map(str, found["years_not_published"]))
            text += f", undecided 待定 {found['undecided']} (no calendar 缺日历: {years})"
        if any(found[x] for x in ("in_time", "late", "overdue", "undecided")):
            lines.append(f"  {name}: {text}")
    entries = department["entries"]
    if count := entries["published"]:
        lines.append(
            f"  entries 目录: {count}; fresh 鲜活 {entries['fresh']}/{count}, "
            f"complete 完整 {entries['fields_filled']}/{entries['fields']}, "
            f"accurate 准确 {entries['accurate']}/{count}"
        )
    use = department["use"]
    if any(use.values()):
        lines.append(
            f"  as provider 供方: requests 申请 {use['requests_received']}, grants 授权 "
            f"{use['grants_given']}, uses 使用 {use['uses_of_own_data']}; as requester 需方: "
            f"{use['requests_filed']}, {use['grants_held']}, {use['uses_reported']}"
        )
    return lines

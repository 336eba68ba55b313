"""What each test finds on chain: departments, an entry, an interface, a request and its grant."""

import time

from crypto.sm3 import sm3
from ledger.setup import load_key
from protocol.calendar import day_at
from protocol.description import Role
from sanlian_client.calendar import read_package
from tests.api.running.process import ORIGIN, Running
from tests.api.running.story import ENTRY, INTERFACE, Story

ZERO = "00" * 32
ELEMENT = b"DE00017".ljust(32, b"\0")


def begin(running: Running) -> Story:
    """Go the whole way once: departments, entry, interface, request, grant, log."""
    s = running.story
    s.register("civil affairs")
    s.register("housing")
    for name in ("civil affairs", "housing"):
        s.enrol(f"{name} operator", f"{name} head", Role.OPERATOR)
        s.enrol(f"{name} officer", f"{name} head", Role.OFFICER)
    for year in (2025, 2026):
        s.ids[f"calendar {year}"] = s.do(
            "CalendarPublished",
            ("authority 1",),
            year=year,
            working_days=read_package(year),
            source=sm3(b"notice"),
        )
    s.enrol("witness", "city head", Role.WITNESS)
    gateway = load_key(running.settings, "gateway")
    s.enrol("gateway", "city head", Role.GATEWAY, gateway)
    s.ids["log"] = s.do(
        "LogRegistered",
        ("authority 1", gateway),
        gateway_key=gateway.public_key.key_id,
        origin=ORIGIN,
    )
    s.ids["entry"] = s.do(
        "EntrySubmitted",
        ("civil affairs operator", "civil affairs head"),
        None,
        ENTRY,
        **s.entry_values(),
    )
    s.do("EntryPublished", ("authority 1",), s.ids["entry"], document=sm3(ENTRY))
    s.ids["claim"] = s.do(
        "ElementClaimed",
        ("civil affairs operator", "civil affairs head"),
        entry=bytes.fromhex(s.ids["entry"]),
        element=ELEMENT,
        item=1,
    )
    today = day_at(int(time.time()))
    s.enrol("housing data officer", "housing head", Role.CDO)
    s.ids["oversight report"] = s.do(
        "OversightReported",
        ("housing data officer",),
        from_day=day_at(int(time.time())) - 31,
        until_day=day_at(int(time.time())) - 1,
        report_kind=1,
        report_digest=sm3(b"report"),
        findings=bytes(32),
    )
    s.ids["refresh"] = s.do(
        "DataRefreshed",
        ("civil affairs operator",),
        entry=bytes.fromhex(s.ids["entry"]),
        from_day=today - 30,
        until_day=today - 1,
        rows=2**64 - 1,
    )
    s.ids["interface"] = s.do(
        "InterfaceRegistered",
        ("civil affairs operator",),
        None,
        INTERFACE,
        entry=bytes.fromhex(s.ids["entry"]),
        entry_version=1,
        rate_per_minute=60,
        max_rows=100,
        items=0b011,
        document=sm3(INTERFACE),
        node="node-1",
    )
    s.do(
        "InterfaceTested",
        (gateway,),
        s.ids["interface"],
        document=sm3(INTERFACE),
        test_result=1,
        log=bytes.fromhex(s.ids["log"]),
        report=sm3(b"report"),
    )
    s.do("InterfaceOnline", ("civil affairs officer",), s.ids["interface"], document=sm3(INTERFACE))
    s.ids["request"] = s.do(
        "RequestFiled",
        ("housing operator", "housing officer"),
        interface=bytes.fromhex(s.ids["interface"]),
        interface_version=1,
        way=1,
        valid_from=1,
        valid_until=2**64 - 1,
        quota=100,
        items=0b011,
        legal_basis="809-20",
        scenario="housing",
        case=sm3(b"case"),
    )
    s.do(
        "RequestAgreed",
        ("civil affairs officer",),
        s.ids["request"],
        items=0b001,
        valid_from=1,
        valid_until=2**63,
        quota=10,
    )
    return s

"""The main path: outbox, relay, contracts, indexer."""

import time

from ledger_city import (
    AUTHORITY,
    ORIGIN,
    City,
    entry_document,
    entry_values,
    interface_document,
    key,
    on_both,
)

from crypto.sm3 import sm3
from ledger.db.engine import read_transaction
from ledger.reads import acts, departments, entries, interfaces, requests
from ledger.reads.search import EntryFilter
from protocol.acknowledgement import verify_acknowledgement
from protocol.description import Role


@on_both
def test_everything_from_department_to_grant(city: City) -> None:
    provider, requester = city.register("civil"), city.register("tax")
    document, description = entry_document("长" * 200), interface_document()
    signed = city.sign(
        "EntrySubmitted", [key("civil operator"), key("civil head")], entry_values(document)
    )
    accepted = city.accept(signed, document)
    verify_acknowledgement(
        city.deployment.platform_key,
        accepted.acknowledgement,
        chain_id=city.deployment.chain_id,
        act_id=accepted.act_id,
        received_at=accepted.received_at,
    )
    entry = accepted.act_id
    city.run()
    assert city.status(entry) == "recorded"

    city.accept(
        city.sign("EntryPublished", AUTHORITY[:1], {"document": sm3(document)}, target=entry)
    )
    city.run()
    interface = city.accept(
        city.sign(
            "InterfaceRegistered",
            [key("civil operator")],
            {
                "entry": entry,
                "entry_version": 1,
                "rate_per_minute": 0,
                "max_rows": 0,
                "items": 3,
                "document": sm3(description),
                "node": "civil",
            },
        ),
        description,
    ).act_id
    city.run()
    city.enrol("gateway", Role.GATEWAY, "authority head")
    city.run()
    gateway = {"gateway_key": key("gateway").public_key.key_id, "origin": ORIGIN}
    log = city.accept(city.sign("LogRegistered", [AUTHORITY[0], key("gateway")], gateway)).act_id
    city.run()
    tested = city.sign(
        "InterfaceTested",
        [key("gateway")],
        {"document": sm3(description), "test_result": 1, "log": log, "report": sm3(b"report")},
        target=interface,
    )
    city.accept(tested)
    city.run()
    online = city.sign(
        "InterfaceOnline",
        [key("civil officer")],
        {"document": sm3(description)},
        target=interface,
    )
    city.accept(online)
    now = int(time.time())
    term = {"valid_from": now, "valid_until": now + 86400, "quota": 2**64 - 1}
    request = city.accept(
        city.sign(
            "RequestFiled",
            [key("tax operator"), key("tax officer")],
            {
                "interface": interface,
                **term,
                "interface_version": 1,
                "way": 1,
                "items": 1,
                "legal_basis": "LAW-1",
                "scenario": "S-1",
                "case": sm3(b"case"),
            },
        )
    ).act_id
    city.run()
    city.accept(
        city.sign("RequestAgreed", [key("civil officer")], {"items": 1, **term}, target=request)
    )
    city.run()

    with read_transaction(city.engine) as connection:
        assert departments.get_department(connection, provider)["name"] == "civil"
        found = entries.get_entry(connection, entry)
        assert found["state"] == "PUBLISHED"
        assert found["current"]["document_text"]["name"] == "婚姻登记信息"
        named = entries.list_entries(connection, wanted=EntryFilter(text="婚姻"))
        assert [one["id"] for one in named.items] == [entry.hex()]
        assert not entries.list_entries(connection, wanted=EntryFilter(text="_%")).items
        shown = interfaces.get_interface(connection, interface)
        assert shown["state"] == "ONLINE"
        assert shown["current"]["document_text"]["info"]["title"] == "婚姻登记查询"
        grant = requests.get_request(
            connection, request, at_s=int(time.time()), supplement_stops_clock=True
        )
        assert (grant["state"], grant["granted_quota"]) == ("AGREED", str(2**64 - 1))
        assert (grant["requester"], grant["provider"]) == (requester.hex(), provider.hex())
        history = acts.list_acts(connection, target=request).items
        assert [one["type"] for one in history] == ["RequestFiled", "RequestAgreed"]
        assert [one["revision"] for one in history] == [1, 2]

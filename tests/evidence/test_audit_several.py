"""The audit of several gateways' logs: what is used once counts once over all of them."""

from typing import cast

from ledger.audit.audit import Audit, AuditedLog, _RecordAudit
from ledger.audit.chain import ChainReader
from protocol.model import Log


def test_a_nonce_counts_over_all_logs() -> None:
    chain = cast("ChainReader", None)  # this part of the audit reads none
    others = {"y": cast("AuditedLog", None)}
    audit = Audit(chain, chain_id=1, contracts={}, log=None, origin="x", others=others)
    first, second = (_RecordAudit(audit, Log(bytes(32), bytes(32), o, 1, 1)) for o in ("x", "y"))
    record = {"event": "intent", "seq": 3, "request": {"public_key": "aa", "nonce": "bb"}}
    assert not list(first._begin(record))
    # At the same place of another log it is another record, and the nonce is used again.
    assert list(second._begin(record)) == [
        ("record 3 of x has the same key and nonce", "NONCE_REPLAYED")
    ]

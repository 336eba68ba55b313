"""Drafts about the logs of gateways."""

from protocol.acts import Value
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft


class LogActs(ActBuilder):
    """A log's registration, and the disposal of keys of its parameters."""

    def register_log(self, authority: bytes, gateway: bytes, *, origin: str) -> Draft:
        """Draft the registration of a gateway's log; the gateway's key signs second."""
        values: dict[str, Value] = {"gateway_key": gateway, "origin": origin}
        return self.build("LogRegistered", [authority, gateway], values)

    def parameters_disposed(
        self,
        gateway: bytes,
        log: bytes,
        *,
        disposed_kind: int,
        period: int,
        record: int,
        record_leaf: bytes,
    ) -> Draft:
        """Draft what a gateway files by itself when keys of its log's parameters are disposed of.

        Args:
            gateway: key id of the log's gateway.
            log: the log.
            disposed_kind: 1 a month's key of digests, 2 a month's envelopes, 3 one envelope.
            period: month as YYYYMM.
            record: index of the log's record of the disposal.
            record_leaf: its leaf hash, 32 bytes.
        """
        values: dict[str, Value] = {
            "disposed_kind": disposed_kind,
            "period": period,
            "record": record,
            "record_leaf": record_leaf,
        }
        return self.build("ParametersDisposed", [gateway], values, target=log)

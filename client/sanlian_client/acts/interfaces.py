"""Drafts about the interfaces of the interface chain."""

from protocol.acts import ZERO_ID, Value
from protocol.documents import document_digest, parse_interface_document
from sanlian_client.acts.building import ActBuilder
from sanlian_client.drafts import Draft
from sanlian_client.sealing import Sealed


class InterfaceActs(ActBuilder):
    """An interface's registration, test, going online, suspension and retirement."""

    def register_interface(
        self,
        operator: bytes,
        *,
        entry: bytes,
        entry_version: int,
        document: bytes,
        node: str,
        rate_per_minute: int = 0,
        max_rows: int = 0,
        interface: bytes = ZERO_ID,
    ) -> Draft:
        """Draft the registration of an interface, or of a new version of one.

        Args:
            operator: key id of the provider's operator.
            entry: the entry it serves.
            entry_version: the entry's current version.
            document: its OpenAPI description; the items it maps become a word of the act.
            node: name of the exchange node.
            rate_per_minute: most data requests a minute, 0 for no limit.
            max_rows: most rows in a response, 0 for no limit.
            interface: the interface of which this is a new version.

        Raises:
            ProtocolError: DOCUMENT_MALFORMED, SCHEMA_NOT_COVERING, ACT_MALFORMED.
        """
        values: dict[str, Value] = {
            "entry": entry,
            "entry_version": entry_version,
            "rate_per_minute": rate_per_minute,
            "max_rows": max_rows,
            "items": parse_interface_document(document).mask,
            "document": document_digest(document),
            "node": node,
        }
        return self.build(
            "InterfaceRegistered", [operator], values, target=interface, documents=[document]
        )

    def interface_tested(
        self,
        gateway: bytes,
        interface: bytes,
        *,
        document_id: bytes,
        passed: bool,
        log: bytes,
        report: bytes,
    ) -> Draft:
        """Draft the result of a gateway's test; gateways make it when they have tested.

        Args:
            gateway: key id of the gateway.
            interface: the interface whose pending version was tested.
            document_id: digest of its document.
            passed: whether the answer was as described.
            log: id of the gateway's log.
            report: commitment to the report.
        """
        values: dict[str, Value] = {
            "document": document_id,
            "test_result": 1 if passed else 2,
            "log": log,
            "report": report,
        }
        return self.build("InterfaceTested", [gateway], values, target=interface)

    def interface_online(self, officer: bytes, interface: bytes, document_id: bytes) -> Draft:
        """Draft that the pending version goes online; document_id is its document's digest."""
        return self.build("InterfaceOnline", [officer], {"document": document_id}, target=interface)

    def suspend_interface(
        self, signer: bytes, interface: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft a suspension by the provider's officer or the authority."""
        return self._reasoned("InterfaceSuspended", signer, interface, reason)

    def resume_interface(self, signer: bytes, interface: bytes) -> Draft:
        """Draft the end of a suspension, by the side that suspended."""
        return self.build("InterfaceResumed", [signer], {}, target=interface)

    def retire_interface(
        self, officer: bytes, interface: bytes, reason: bytes
    ) -> tuple[Draft, Sealed]:
        """Draft the retirement of an interface for a sealed reason."""
        return self._reasoned("InterfaceRetired", officer, interface, reason)

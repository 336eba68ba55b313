"""Keyed digests of parameters, so that an auditor can ask for one (docs/protocol.md, 6.3)."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.gateway.gatekeeper import NOBODY, Admitted, parse_body
from crypto.errors import (
    SanlianError,
)
from ledger.log.parameter_keys import ParameterKeys
from protocol.parameters import parameter_member, period_at


class ParameterDigests:
    """Makes the keyed digests of the parameters that an auditor must be able to ask for.

    Args:
        keys: the periods' keys.
        pointers: which parameters; with none nothing is made and no key.
    """

    def __init__(self, keys: ParameterKeys, pointers: Sequence[str]) -> None:
        self._keys = keys
        self._pointers = tuple(pointers)

    def of(self, admitted: Admitted, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the member of a record about a request, empty when none is wanted.

        Raises:
            LedgerError: PARAMETER_KEY_DISPOSED, PARAMETER_KEY_UNREADABLE.
            ProtocolError: PARAMETER_INVALID.
        """
        if not self._pointers:
            return {}
        period = period_at(admitted.time_ms)
        key = self._keys.get_or_make(period)
        return {"parameters": parameter_member(key, period, self._pointers, parameters)}

    def of_denied(self, admitted: Admitted, body: bytes) -> dict[str, Any]:
        """Return the same for a refusal, empty where the body or the key cannot be used.

        A refusal is recorded whatever its reason is; nothing is made for keys nobody registered.
        """
        if not self._pointers or admitted.department == NOBODY:
            return {}
        try:
            value = parse_body(body, ("parameters", "salt"))
            if not isinstance(value["parameters"], dict):
                return {}
            return self.of(admitted, value["parameters"])
        except SanlianError:
            return {}

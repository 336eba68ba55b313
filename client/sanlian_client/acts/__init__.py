"""Builders for the acts: from a department's words to a draft that its people sign.

    acts = Acts(platform)
    draft, sealed = acts.file_request(operator, officer, interface=…, …)
    acts.submit(draft.sign(operator_key).sign(officer_key))

Each module holds the drafts of one subject; what is sealed in them: sanlian_client.sealing.
"""

from sanlian_client.acts.authority import AuthorityActs
from sanlian_client.acts.calendar import CalendarActs
from sanlian_client.acts.consents import ConsentActs
from sanlian_client.acts.corrections import CorrectionActs
from sanlian_client.acts.departments import DepartmentActs
from sanlian_client.acts.disputes import DisputeActs
from sanlian_client.acts.elements import ElementActs
from sanlian_client.acts.entries import EntryActs
from sanlian_client.acts.grants import GrantActs
from sanlian_client.acts.interfaces import InterfaceActs
from sanlian_client.acts.keys import KeyActs
from sanlian_client.acts.logs import LogActs
from sanlian_client.acts.oversight import OversightActs
from sanlian_client.acts.requests import RequestActs


class Acts(
    DepartmentActs,
    KeyActs,
    AuthorityActs,
    EntryActs,
    ElementActs,
    OversightActs,
    InterfaceActs,
    RequestActs,
    GrantActs,
    ConsentActs,
    CorrectionActs,
    DisputeActs,
    LogActs,
    CalendarActs,
):
    """Drafts of all subjects for one platform; see sanlian_client.acts.building.ActBuilder."""

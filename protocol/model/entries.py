"""Catalogue entries and their versions (docs/protocol.md, 3.4 and 3.5)."""

from dataclasses import dataclass
from enum import StrEnum


class EntryState(StrEnum):
    """State of an entry; a PUBLISHED one may have a further version pending."""

    SUBMITTED = "SUBMITTED"
    PUBLISHED = "PUBLISHED"
    RETIRED = "RETIRED"


@dataclass(frozen=True, slots=True)
class EntryVersion:
    """One version of an entry.

    Attributes:
        number: number of the version, from 1.
        sharing_class: 1 unconditional, 2 conditional, 3 not shared.
        library: 1 base, 2 shared, 3 theme, 4 special, 5 model.
        update_cycle: 1 real time to 7 year.
        openness: 0 closed, 1 conditional, 2 open.
        mode: 1 platform interface, 2 database, 3 file, 4 medium.
        grading: 1 general, 2 important, 3 core data.
        items: mask of the data items.
        sensitive: mask of the sensitive items.
        document: digest of the entry document.
        secrecy_assessment: commitment.
        privacy_assessment: commitment.
        basis: digest of conditions or citation, zeros for class 1.
        submitted_day: day of its submission, as protocol.calendar counts days.
        published_day: day of its publication, 0 before.
        returned_day: day on which the authority returned it, 0 unless it did.
        returned_reason: commitment to the reason of the return, zeros unless it was returned.
        change_day: day of the change that it answers, 0 if it answers none.
        extended_day: day on which the authority consented to a longer time, 0 if none.
        act_id: act that submitted it.
        block_number: block of the last change.
    """

    number: int
    sharing_class: int
    library: int
    update_cycle: int
    openness: int
    mode: int
    grading: int
    items: int
    sensitive: int
    document: bytes
    secrecy_assessment: bytes
    privacy_assessment: bytes
    basis: bytes
    submitted_day: int
    published_day: int
    returned_day: int
    returned_reason: bytes
    change_day: int
    extended_day: int
    act_id: bytes
    block_number: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A catalogue entry.

    Attributes:
        id: id of the act that first submitted it.
        department: id of the provider.
        state: SUBMITTED until a version is published, then PUBLISHED, at last RETIRED.
        current: the published version, if any.
        pending: the version that waits for publication, if any.
        change_day: day of the change that waits for its update, 0 while there is none.
        extended_day: day on which the authority consented to a longer time, 0 while it did not.
        revision: number of acts that changed it.
        block_number: block of the last change.
    """

    id: bytes
    department: bytes
    state: EntryState
    current: EntryVersion | None
    pending: EntryVersion | None
    change_day: int
    extended_day: int
    revision: int
    block_number: int

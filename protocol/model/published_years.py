"""The years of a state, as protocol.calendar asks for them."""

from protocol.model.store import Store


class PublishedYears:
    """The working days that a state knows, by year."""

    def __init__(self, store: Store) -> None:
        """Create the view.

        Args:
            store: the state.
        """
        self._store = store

    def get(self, year: int, /) -> int | None:
        """Return the working days of a year as bits, None where it is not published."""
        found = self._store.find_calendar_year(year)
        return None if found is None else found.working_days

"""Column types for the integers that databases do not hold."""

from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeDecorator


class ValueDamaged(SQLAlchemyError):
    """A column holds what this program never wrote there."""


class _Unsigned(TypeDecorator[int]):
    """An unsigned integer as big-endian bytes: it sorts as the number does."""

    impl = LargeBinary
    cache_ok = True
    size: int

    def process_bind_param(
        self,
        value: int | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy passes it
    ) -> bytes | None:
        """Encode."""
        return None if value is None else value.to_bytes(self.size, "big")

    def process_result_value(
        self,
        value: bytes | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy passes it
    ) -> int | None:
        """Decode; a file that others changed may hold anything."""
        if value is None:
            return None
        if not isinstance(value, bytes) or len(value) != self.size:
            raise ValueDamaged("a number is not the bytes that were written")
        return int.from_bytes(value, "big")


class Uint64(_Unsigned):
    """u64 of an act: SQL integers end at 2^63 - 1."""

    size = 8
    cache_ok = True


class Uint512(_Unsigned):
    """Two words, such as the days of a year."""

    size = 64
    cache_ok = True


class Uint256(_Unsigned):
    """A word, such as a mask of items."""

    size = 32
    cache_ok = True

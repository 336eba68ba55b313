"""Forms of what is said about entries beside their state: differences and counts."""

from typing import Any, Literal

from pydantic import Field

from api.schemas import Hex32, Natural, Strict


class DifferenceOut(Strict):
    """One change between two versions / 一处差异."""

    kind: Literal["added", "removed", "changed"]
    field: str = Field(description="JSON Pointer in the document, or a word of the act / 字段")
    before: Any = Field(description="old value / 旧值")
    after: Any = Field(description="new value / 新值")
    chinese: str
    english: str


class DifferencesOut(Strict):
    """What changed between two versions of an entry / 版本差异."""

    entry: Hex32
    from_version: Natural
    to_version: Natural
    complete: bool = Field(
        description="false: a document is not known here, only words were compared / 是否完整"
    )
    differences: list[DifferenceOut]


class FacetOut(Strict):
    """A value and the number of entries that have it / 分面."""

    value: int | str
    label_zh: str
    label_en: str
    count: Natural


class FacetsOut(Strict):
    """Numbers of entries / 分面统计."""

    total: Natural
    category: list[FacetOut]
    sharing_class: list[FacetOut]
    library: list[FacetOut]
    update_cycle: list[FacetOut]
    provider: list[FacetOut] = Field(description="by department, the 100 with most / 提供方")

"""The example's catalogue entries and interfaces, as their documents state them."""

from dataclasses import dataclass
from typing import Any

from crypto.canonical import canonical_json
from example_city.units import CIVIL, LABOUR, MARKET

UNCONDITIONAL, CONDITIONAL = 1, 2


@dataclass(frozen=True, slots=True)
class Item:
    """A data item: its name, its code (also the member in the response), type, length."""

    name: str
    code: str
    type: str
    length: int
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What one provider shares: a catalogue entry and the interface that serves it.

    Attributes:
        slug: short name, also of the exchange node.
        unit: number of the providing unit.
        provider: its name.
        name: name of the entry.
        code: its code in the manner of the 2017 guide.
        summary: what it holds.
        sharing_class: 1 unconditional, 2 conditional.
        conditions: scope and uses, for class 2.
        duty: duty on which the provider holds the data.
        grading: classification and grading.
        update_cycle: 1 real time, 2 day … 7 year.
        items: data items; the position is the index.
        method: "get" or "post".
        path: path of the interface.
        parameter: name of its one parameter.
        parameter_text: what the parameter says.
        required: whether it must be given.
    """

    slug: str
    unit: int
    provider: str
    name: str
    code: str
    summary: str
    sharing_class: int
    conditions: str
    duty: str
    grading: str
    update_cycle: int
    items: tuple[Item, ...]
    method: str
    path: str
    parameter: str
    parameter_text: str
    required: bool

    @property
    def mask(self) -> int:
        """Mask of all items."""
        return (1 << len(self.items)) - 1

    @property
    def sensitive_mask(self) -> int:
        """Mask of the sensitive items."""
        return sum(1 << i for i, item in enumerate(self.items) if item.sensitive)

    def mask_of(self, *codes: str) -> int:
        """Return the mask of the items with these codes."""
        indices = {item.code: index for index, item in enumerate(self.items)}
        return sum(1 << indices[code] for code in codes)

    def entry_document(self) -> bytes:
        """Return the entry's document (docs/protocol.md 5.1)."""
        return canonical_json(
            {
                "type": "sanlian/entry/v1",
                "name": self.name,
                "code": self.code,
                "summary": self.summary,
                "provider": self.provider,
                "format": "JSON",
                "items": [
                    {
                        "index": index,
                        "name": item.name,
                        "code": item.code,
                        "type": item.type,
                        "length": item.length,
                        "sensitive": item.sensitive,
                    }
                    for index, item in enumerate(self.items)
                ],
                "conditions": self.conditions,
                "citation": "",
                "duty": self.duty,
                "related": [],
                "grading": self.grading,
                "source_department": self.provider,
            }
        )

    def interface_document(self) -> bytes:
        """Return the interface's document: an OpenAPI 3.1 description (docs/protocol.md 5.1)."""
        operation: dict[str, Any] = {
            "summary": self.name,
            "responses": {
                "200": {
                    "description": "records",
                    "content": {"application/json": {"schema": self._response_schema()}},
                }
            },
            "x-sanlian-records": "/records",
            "x-sanlian-items": {
                str(index): [f"/records/*/{item.code}"] for index, item in enumerate(self.items)
            },
        }
        text = {"type": "string", "description": self.parameter_text}
        if self.method == "get":
            operation["parameters"] = [
                {
                    "name": self.parameter,
                    "in": "query",
                    "required": self.required,
                    "schema": text,
                }
            ]
        else:
            schema = {
                "type": "object",
                "properties": {self.parameter: text},
                "required": [self.parameter] if self.required else [],
            }
            operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        return canonical_json(
            {
                "openapi": "3.1.0",
                "info": {"title": self.name, "version": "1"},
                "paths": {self.path: {self.method: operation}},
            }
        )

    def _response_schema(self) -> dict[str, Any]:
        kinds = {"N": "number"}
        properties = {
            item.code: {"type": kinds.get(item.type, "string"), "title": item.name}
            for item in self.items
        }
        return {
            "type": "object",
            "properties": {
                "records": {
                    "type": "array",
                    "items": {"type": "object", "properties": properties},
                }
            },
        }


DIVISIONS = Offer(
    slug="civil",
    unit=CIVIL,
    provider="市民政局",
    name="汕尾市行政区划信息",
    code="1050100001/000001",
    summary="汕尾市县级以上行政区划的代码、名称、层级和隶属关系",
    sharing_class=UNCONDITIONAL,
    conditions="",
    duty="《行政区划管理条例》",
    grading="公共数据一级",
    update_cycle=7,
    items=(
        Item("区划代码", "code", "C", 6),
        Item("区划名称", "name", "C", 60),
        Item("层级", "level", "C", 16),
        Item("上级区划代码", "parent", "C", 6),
        Item("罗马字母拼写", "pinyin", "C", 60),
    ),
    method="get",
    path="/divisions",
    parameter="parent",
    parameter_text="code of the division above (上级区划代码)",
    required=False,
)

COMPANIES = Offer(
    slug="market",
    unit=MARKET,
    provider="市市监局",
    name="企业登记信息",
    code="1020200001/000001",
    summary="企业的统一社会信用代码、名称、法定代表人、注册资本、成立日期、状态、住所和经营范围",
    sharing_class=UNCONDITIONAL,
    conditions="",
    duty="《市场主体登记管理条例》",
    grading="公共数据二级",
    update_cycle=2,
    items=(
        Item("统一社会信用代码", "uscc", "C", 18),
        Item("企业名称", "name", "C", 200),
        Item("法定代表人", "legal_person", "C", 60, sensitive=True),
        Item("注册资本（元）", "capital_cny", "N", 18),
        Item("成立日期", "founded", "D", 10),
        Item("登记状态", "state", "C", 16),
        Item("住所", "place", "C", 200),
        Item("经营范围", "scope", "C", 2000),
    ),
    method="get",
    path="/companies",
    parameter="uscc",
    parameter_text="unified social credit code (统一社会信用代码)",
    required=True,
)

INSURANCE = Offer(
    slug="labour",
    unit=LABOUR,
    provider="市人社局",
    name="社会保险参保信息",
    code="1010300001/000001",
    summary="参保人的险种、参保状态、缴费单位、累计缴费月数和缴费基数",
    sharing_class=CONDITIONAL,
    conditions="用于社会救助、医疗保障、住房保障待遇资格核验；仅限依法办理具体事项时逐人查询",
    duty="《社会保险法》",
    grading="公共数据三级",
    update_cycle=5,
    items=(
        Item("证件号码", "id_number", "C", 18, sensitive=True),
        Item("姓名", "name", "C", 60, sensitive=True),
        Item("险种", "kind", "C", 40),
        Item("参保状态", "state", "C", 16),
        Item("缴费单位", "employer", "C", 200),
        Item("累计缴费月数", "months_paid", "N", 4),
        Item("缴费基数（元）", "base_cny", "N", 8, sensitive=True),
    ),
    method="post",
    path="/insurance",
    parameter="id_number",
    parameter_text="identity number of the person (证件号码)",
    required=True,
)

OFFERS: tuple[Offer, ...] = (DIVISIONS, COMPANIES, INSURANCE)

"""The example's catalogue entries and interfaces, as their documents state them."""

from dataclasses import dataclass
from typing import Any

from crypto.canonical import canonical_json
from example_city.units import CIVIL, LABOUR, MARKET
from protocol.documents import make_entry_document

UNCONDITIONAL, CONDITIONAL = 1, 2


@dataclass(frozen=True, slots=True)
class Item:
    """A data item: its name, its code (also the member in the response), type, length, English
    name, and city-wide data element."""

    name: str
    code: str
    type: str
    length: int
    sensitive: bool = False
    name_en: str = ""
    element: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What one provider shares: a catalogue entry and the interface that serves it.

    Attributes:
        slug: short name, also of the exchange node.
        unit: number of the providing unit.
        provider: its name.
        name: name of the entry.
        name_en: its English name.
        code: its code in the manner of the 2017 guide.
        category: names of division, group and subgroup (项、目、细目).
        summary: what it holds.
        summary_en: the same in English.
        sharing_class: 1 unconditional, 2 conditional.
        conditions: scope and uses, for class 2.
        duty: duty on which the provider holds the data.
        classification: classification of the data.
        grading: its grade.
        system: system that holds it (系统目录).
        table: table that holds it (库表目录).
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
    name_en: str
    code: str
    category: tuple[str, str, str]
    summary: str
    summary_en: str
    sharing_class: int
    conditions: str
    duty: str
    classification: str
    grading: str
    system: str
    table: str
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
        division, group, subgroup = self.category
        return make_entry_document(
            name=self.name,
            name_en=self.name_en,
            code=self.code,
            category={"division": division, "group": group, "subgroup": subgroup},
            summary=self.summary,
            summary_en=self.summary_en,
            provider=self.provider,
            items=[
                {
                    "name": item.name,
                    "name_en": item.name_en,
                    "code": item.code,
                    "type": item.type,
                    "length": item.length,
                    "sensitive": item.sensitive,
                    "element": item.element,
                }
                for item in self.items
            ],
            conditions=self.conditions,
            duty=self.duty,
            classification=self.classification,
            grading=self.grading,
            source_department=self.provider,
            systems=[self.system],
            tables=[self.table],
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
    name_en="Administrative divisions of Shanwei",
    code="1030010001/000001",
    category=("自然资源和空间地理", "行政区划", "县级以上行政区划"),
    summary="汕尾市县级以上行政区划的代码、名称、层级和隶属关系",
    summary_en="Code, name, level and parent of the divisions of Shanwei at county level and above",
    sharing_class=UNCONDITIONAL,
    conditions="",
    duty="《行政区划管理条例》",
    classification="公共管理数据",
    grading="公共数据一级",
    system="地名和区划管理系统",
    table="DIVISION",
    update_cycle=7,
    items=(
        Item("区划代码", "code", "C", 6, name_en="division code", element="DIVISION.CODE"),
        Item("区划名称", "name", "C", 60, name_en="division name", element="DIVISION.NAME"),
        Item("层级", "level", "C", 16, name_en="level", element="DIVISION.LEVEL"),
        Item("上级区划代码", "parent", "C", 6, name_en="code of the division above"),
        Item("罗马字母拼写", "pinyin", "C", 60, name_en="spelling in Latin letters"),
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
    name_en="Registered companies",
    code="1020010001/000001",
    category=("法人单位", "企业法人", "登记信息"),
    summary="企业的统一社会信用代码、名称、法定代表人、注册资本、成立日期、状态、住所和经营范围",
    summary_en="Credit code, name, legal representative, capital, founding date, state, place and "
    "scope of business of companies",
    sharing_class=UNCONDITIONAL,
    conditions="",
    duty="《市场主体登记管理条例》",
    classification="市场主体数据",
    grading="公共数据二级",
    system="市场主体登记系统",
    table="COMPANY",
    update_cycle=2,
    items=(
        Item("统一社会信用代码", "uscc", "C", 18, name_en="credit code", element="COMPANY.USCC"),
        Item("企业名称", "name", "C", 200, name_en="company name", element="COMPANY.NAME"),
        Item("法定代表人", "legal_person", "C", 60, sensitive=True, name_en="legal representative"),
        Item("注册资本（元）", "capital_cny", "N", 18, name_en="registered capital"),
        Item("成立日期", "founded", "D", 10, name_en="founding date"),
        Item("登记状态", "state", "C", 16, name_en="registration state"),
        Item("住所", "place", "C", 200, name_en="place"),
        Item("经营范围", "scope", "C", 2000, name_en="scope of business"),
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
    name_en="Social insurance records",
    code="1010030001/000001",
    category=("人口", "社会保障", "参保信息"),
    summary="参保人的险种、参保状态、缴费单位、累计缴费月数和缴费基数",
    summary_en="Kind of insurance, state, employer, months paid and contribution base of a person",
    sharing_class=CONDITIONAL,
    conditions="用于社会救助、医疗保障、住房保障待遇资格核验；仅限依法办理具体事项时逐人查询",
    duty="《社会保险法》",
    classification="社会保障数据",
    grading="公共数据三级",
    system="社会保险信息系统",
    table="INSURED",
    update_cycle=5,
    items=(
        Item("证件号码", "id_number", "C", 18, sensitive=True, name_en="identity number"),
        Item("姓名", "name", "C", 60, sensitive=True, name_en="name"),
        Item("险种", "kind", "C", 40, name_en="kind of insurance", element="INSURED.KIND"),
        Item("参保状态", "state", "C", 16, name_en="state", element="INSURED.STATE"),
        Item("缴费单位", "employer", "C", 200, name_en="employer"),
        Item("累计缴费月数", "months_paid", "N", 4, name_en="months paid"),
        Item("缴费基数（元）", "base_cny", "N", 8, sensitive=True, name_en="contribution base"),
    ),
    method="post",
    path="/insurance",
    parameter="id_number",
    parameter_text="identity number of the person (证件号码)",
    required=True,
)

OFFERS: tuple[Offer, ...] = (DIVISIONS, COMPANIES, INSURANCE)

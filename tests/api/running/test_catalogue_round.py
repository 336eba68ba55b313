"""A catalogue as files and back, by the client's command line."""

import json
from pathlib import Path

from click.testing import CliRunner

from crypto.sm3 import sm3
from sanlian_client.acts import Acts
from sanlian_client.cli import main as sanlian_client
from sanlian_client.drafts import Draft
from sanlian_client.platform import Platform
from tests.api.running.process import CHAIN_ID
from tests.api.running.story import Story, key, key_id


def test_catalogue_as_files_and_back(story: Story, tmp_path: Path) -> None:
    """Export, change in the file, import as a new version, sign, send, publish, compare."""
    api = ["--api", str(story.http.base_url)]

    def run(*words: str) -> str:
        result = CliRunner().invoke(sanlian_client, [*words, *api])
        assert result.exit_code == 0, result.output
        return result.output

    file, out = tmp_path / "catalogue.csv", tmp_path / "drafts"
    run("catalogue", "export", str(file), "--format", "csv")
    text = file.read_text("utf-8-sig")
    lines = text.replace("最低生活保障对象名单", "低保家庭名单").splitlines()
    assert len(lines) == 4
    lines.append(lines[3].replace("证号", "住址").replace(",id,", ",place,"))
    file.write_text("\r\n".join(lines), "utf-8-sig", newline="")
    for name in ("secrecy", "privacy"):
        (tmp_path / name).write_text(f"{name} assessment")
    people = ("civil affairs operator", "civil affairs head")
    words = [
        "catalogue", "import", str(file), "--out", str(out), "--lang", "en",
        "--operator", key_id(people[0]), "--head", key_id(people[1]),
        "--secrecy-assessment", str(tmp_path / "secrecy"),
        "--privacy-assessment", str(tmp_path / "privacy"),
    ]  # fmt: skip
    assert "to sign 1, unchanged 0" in run(*words)
    assert sorted(one.name for one in out.iterdir()) == [
        "3300000001_0001.act",
        "3300000001_0001.entry.json",
        "3300000001_0001.privacy_assessment.sealed",
        "3300000001_0001.secrecy_assessment.sealed",
    ]
    draft = Draft.from_bytes((out / "3300000001_0001.act").read_bytes())
    assert draft.act.target.hex() == story.ids["entry"]
    assert draft.act.values["items"] == 0b1111
    with Platform(api[1]) as platform:
        acts = Acts(platform)
        acts.submit_and_wait(draft, [key(name) for name in people])
    digest = sm3((out / "3300000001_0001.entry.json").read_bytes())
    story.do("EntryPublished", ("authority 1",), story.ids["entry"], document=digest)
    path = f"/v1/entries/{story.ids['entry']}/differences"
    found = story.get(path, **{"from": 1, "to": 2})
    assert found["complete"] is True
    assert [(one["kind"], one["field"]) for one in found["differences"]] == [
        ("changed", "/summary"),
        ("added", "/items/3"),
    ]
    assert story.get(path, 404, **{"from": 1, "to": 9})["code"] == "NOT_FOUND"
    assert story.get(path, 400, **{"from": 1})["code"] == "REQUEST_MALFORMED"
    said = run("catalogue", "differences", story.ids["entry"], "--from", "1", "--to", "2")
    assert "新增 信息项 3 “住址” (place)" in said
    assert story.ids["entry"] in run("catalogue", "search", "低保家庭")
    assert "to sign 0, unchanged 1" in run(*words[:4], str(tmp_path / "again"), *words[5:])
    exported = tmp_path / "dcat.jsonld"
    run("catalogue", "export", str(exported), "--format", "dcat")
    served = story.get("/v1/catalogue.jsonld")
    assert json.loads(exported.read_bytes()) == served
    (dataset,) = served["dcat:dataset"]
    assert dataset["@id"] == f"urn:sanlian:{CHAIN_ID}:entry:{story.ids['entry']}"
    assert dataset["dcat:version"] == "2"
    run("catalogue", "export", str(tmp_path / "c.xlsx"))

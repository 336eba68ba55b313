"""A served OpenAPI description put to the test by schemathesis, as a program beside the service."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx

#: What a request that follows the description may be answered with, beside success: unknown, not
#: allowed, in conflict, too often, and 422: well-formed, but against a rule of the ledger.
EXPECTED = "'2xx', '3xx', '401', '403', '404', '409', '422', '429', '5xx'"
#: Of an id in a description.
ID_PATTERN = "^[0-9a-f]{64}$"


def require_as_described(
    url: str,
    directory: Path,
    *,
    max_examples: int,
    seed: int = 20260101,
    max_time_s: int = 0,
    without: Mapping[str, Iterable[str]] | None = None,
    away: Iterable[str] = (),
    ids: Iterable[str] = (),
) -> None:
    """Fail when a generated request is answered otherwise than the description says.

    Args:
        url: where the service is; its description is at /openapi.json.
        directory: for files of this run.
        max_examples: most random requests of each kind to an operation.
        seed: what they follow from.
        max_time_s: after so long it ends; 0 for no such end.
        without: by operation (``POST /v1/x``), the checks that do not hold for it.
        away: operations that may answer 503, as what they ask is away.
        ids: ids in hex that stand for something here: parameters that are ids often get one.
    """
    described = httpx.get(f"{url}/openapi.json", trust_env=False).json()
    operations = sum(len(item) for item in described["paths"].values())
    config = directory / "schemathesis.toml"
    config.write_text(_config(described, without or {}, away, sorted(ids)), encoding="utf-8")
    report = directory / "report.json"
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)),
            *("run", f"{url}/openapi.json", "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", str(max_examples), "--seed", str(seed), "--mode", "all"),
            *("--no-shrink", "--continue-on-failure", "--warnings", "off"),
            *("--report-json-path", str(report)),
            *(("--max-time", str(max_time_s)) if max_time_s else ()),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert f"Tested: {operations}\n" in done.stdout, done.stdout[-2_000:]
    assert json.loads(report.read_text(encoding="utf-8"))


def _config(
    described: Mapping[str, Any],
    without: Mapping[str, Iterable[str]],
    away: Iterable[str],
    ids: list[str],
) -> str:
    lines = []
    if ids:
        lines += ["[dictionaries.ids]", f"values = {json.dumps(ids)}", "[parameters]"]
        binding = '{ dictionary = "ids", probability = 0.8 }'
        lines += [f'"{name}" = {binding}' for name in sorted(_id_parameters(described))]
    lines += ["[checks.positive_data_acceptance]", f"expected-statuses = [{EXPECTED}]"]
    for name, checks in without.items():
        lines += ["[[operations]]", f'include-name = "{name}"']
        lines += [f"checks.{check}.enabled = false" for check in checks]
    for name in away:
        lines += ["[[operations]]", f'include-name = "{name}"']
        expected = "'2xx', '3xx', '4xx', '503'"
        lines += [f"checks.not_a_server_error.expected-statuses = [{expected}]"]
    return "\n".join(lines) + "\n"


def _id_parameters(described: Mapping[str, Any]) -> set[str]:
    return {
        f"{parameter['in']}.{parameter['name']}"
        for item in described["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", ())
        if ID_PATTERN in json.dumps(parameter["schema"])
    }

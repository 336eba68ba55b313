"""Each measuring program runs in its quick form and ends with the documented line of JSON."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.report import CannotMeasure, Result, format_table, run
from protocol.description import ACT_TYPES

ROOT = Path(__file__).parents[2]
# A name with an underscore is a part of a program, as in the Makefile.
NAMES = sorted(
    path.stem
    for path in (ROOT / "bench").glob("*.py")
    if path.stem != "report" and "_" not in path.stem
)
FIELDS = {"metric", "value", "unit", "baseline", "target", "met"}
EXPECTED = {
    "gas": {
        "sm2_registered_gas",
        "sm2_act_cold_gas",
        "sm2_unregistered_gas",
        "sm3_block_gas",
        "sm3_inclusion_20_gas",
        "openzeppelin_p256_gas",
        *(f"gas_act_{act_type.name}" for act_type in ACT_TYPES),
    },
    "engine": {
        "acts_per_second",
        "anchors_per_second",
        *(
            f"{kind}_{way}_{blocks}_{unit}"
            for kind, unit in (("start", "s"), ("memory", "mb"))
            for way in ("replay", "snapshot")
            for blocks in (1_000, 10_000)
        ),
        *(f"gas_act_{act_type.name}" for act_type in ACT_TYPES),
    },
    "connections": {
        "connections_tried",
        "connections_held",
        "served_while_held",
        "p99_ratio_held",
        "p99_held_ms",
        "memory_mb_per_1000",
    },
    "gateway": {
        "requests_per_s",
        "ledger_ratio",
        "ratio_verify_bound",
        "bare_ratio",
        "p99_ratio",
        "p99_half_load_ms",
        "cpu_full_us",
        "cpu_proxy_us",
        "cpu_verify_us",
        "cpu_ledger_us",
        "verify_1t_per_s",
    },
    "ingest": {
        "records_per_s",
        "ratio_naive_web3",
        "ratio_tuned_web3",
        "ratio_verify_bound",
        *(f"gas_per_record_{count}" for count in (1, 100, 1_000, 10_000)),
        "proof_p95_ms",
        "memory_mb",
        "gateway_cpu_us",
        "verify_1t_per_s",
    },
    "sm2": {
        "verify_1t_per_s",
        "verify_1t_ratio_openssl",
        "verify_2t_scaling",
        "sign_1t_per_s",
        "sign_1t_ratio_openssl",
        "gmssl_verify_per_s",
        "sm3_mb_per_s",
        "sm3_hashes_per_s",
    },
}


def test_there_are_programs() -> None:
    assert set(EXPECTED) <= set(NAMES)


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_quick_run_ends_with_the_documented_line(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--quick", "--json"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert set(last) == {"bench", "results"}
    assert last["bench"] == name
    metrics = [result["metric"] for result in last["results"]]
    assert len(metrics) == len(set(metrics))
    assert EXPECTED.get(name, set()) <= set(metrics)
    for result in last["results"]:
        assert set(result) == FIELDS
        assert result["value"] > 0
        assert isinstance(result["unit"], str)
        assert (result["met"] is None) == (result["target"] is None)


# --- the report ---------------------------------------------------------------------------------


def test_targets_have_a_direction() -> None:
    assert Result("rate", 2.0, "1/s", target=1.9).met is True
    assert Result("rate", 2.0, "1/s", target=2.1).met is False
    assert Result("gas", 2.0, "gas", target=2.0, at_most=True).met is True
    assert Result("gas", 2.1, "gas", target=2.0, at_most=True).met is False
    assert Result("rate", 2.0, "1/s").met is None


def test_the_json_line_is_last_and_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    results = [Result("rate", 12345.678, "1/s", 2.0, 3.0), Result("ratio", 1 / 3, "1")]
    assert run("some", "A program.", lambda _: results, arguments=["--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1]) == {
        "bench": "some",
        "results": [
            {
                "metric": "rate",
                "value": 12345.7,
                "unit": "1/s",
                "baseline": 2.0,
                "target": 3.0,
                "met": True,
            },
            {
                "metric": "ratio",
                "value": 0.333333,
                "unit": "1",
                "baseline": None,
                "target": None,
                "met": None,
            },
        ],
    }
    run("some", "A program.", lambda _: results, arguments=[])
    printed = capsys.readouterr().out
    assert printed.endswith(format_table(results) + "\n")
    assert "python" in printed


def test_quick_reaches_the_program() -> None:
    seen: list[bool] = []

    def measure(options: argparse.Namespace) -> list[Result]:
        seen.append(options.quick)
        return []

    for arguments in ([], ["--quick"]):
        assert run("some", "A program.", measure, arguments=arguments) == 0
    assert seen == [False, True]


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def measure(_: object) -> list[Result]:
        raise CannotMeasure("the command openssl is missing")

    assert run("some", "A program.", measure, arguments=[]) == 2
    assert "the command openssl is missing" in capsys.readouterr().err

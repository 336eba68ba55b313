"""What the measuring programs share: their command line, the machine, the table, the JSON line.

Each program measures its baseline in the same run. Its exit code says whether it could measure,
not whether targets were met: that depends on the machine.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """One measured figure.

    Attributes:
        metric: stable name, such as ``verify_1t_per_s``.
        value: the figure.
        unit: its unit; "1" for a ratio.
        baseline: the same figure of what we compare with, from the same run.
        target: what the figure should reach.
        at_most: the target is an upper bound.
    """

    metric: str
    value: float
    unit: str
    baseline: float | None = None
    target: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target

    def to_json(self) -> dict[str, object]:
        """Return the documented fields; figures have six significant digits."""
        return {
            "metric": self.metric,
            "value": _round(self.value),
            "unit": self.unit,
            "baseline": None if self.baseline is None else _round(self.baseline),
            "target": self.target,
            "met": self.met,
        }


class CannotMeasure(Exception):
    """Something that the measurement needs is not there; the message names it."""


def run(
    name: str,
    description: str,
    measure: Callable[[argparse.Namespace], Sequence[Result]],
    versions: Callable[[], Mapping[str, str]] = dict,
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse the command line, measure, print; return the exit code.

    Args:
        name: of the program in ``bench/``.
        description: one line for ``--help``.
        measure: gets the parsed options (``quick`` is a bool) and returns the figures.
        versions: gives name and version of what is measured.
        arguments: the command line; None takes the process's own.

    Returns:
        0, or 2 when something needed is missing.
    """
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=description)
    parser.add_argument("--quick", action="store_true", help="less than a minute, coarser figures")
    parser.add_argument(
        "--json", action="store_true", help="end with one line of JSON: bench and results"
    )
    options = parser.parse_args(arguments)
    try:
        for key, value in {**describe_machine(), **versions()}.items():
            print(f"{key:<16}{value}")
        results = measure(options)
    except CannotMeasure as error:
        print(f"bench.{name}: {error}", file=sys.stderr)
        return 2
    print(f"{'load at end':<16}{_describe_load()}\n")
    print(format_table(results))
    if options.json:
        print(json.dumps({"bench": name, "results": [result.to_json() for result in results]}))
    return 0


def describe_machine() -> dict[str, str]:
    """Return what a figure cannot be read without: processor, system, Python, load."""
    return {
        "processor": f"{_find_processor()}, {len(os.sched_getaffinity(0))} usable",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load at start": _describe_load(),
    }


def format_table(results: Sequence[Result]) -> str:
    """Return the figures as a table of text."""
    rows = [("metric", "value", "unit", "baseline", "target", "met")]
    for result in results:
        sign = "<=" if result.at_most else ">="
        rows.append(
            (
                result.metric,
                _format(result.value),
                result.unit,
                "-" if result.baseline is None else _format(result.baseline),
                "-" if result.target is None else f"{sign} {_format(result.target)}",
                {None: "-", True: "yes", False: "NO"}[result.met],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            # Numbers to the right, words to the left.
            cell.rjust(width) if column in {1, 3, 4} else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def _format(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _find_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _describe_load() -> str:
    load = os.getloadavg()[0]
    busy = load > 0.5 * len(os.sched_getaffinity(0))
    return f"{load:.2f}" + (" (busy: figures by the clock come out low)" if busy else "")

"""Performance of departments (绩效评估): figures that anyone computes alike from the chain."""

from protocol.performance.history import History
from protocol.performance.report import make_report, require_period

__all__ = ["History", "make_report", "require_period"]

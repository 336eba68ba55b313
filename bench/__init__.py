"""Measurements: ``python -m bench.NAME [--quick] [--json]``; bench.report is what they share."""

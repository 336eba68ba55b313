"""The commands of `sanlian`, one module for each subject; cli.py puts them together."""

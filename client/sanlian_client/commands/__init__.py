"""The commands of `sanlian-client`, one module for each subject; cli.py puts them together."""

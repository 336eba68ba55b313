"""`python -m sanlian_client` is the command `sanlian-client`."""

from sanlian_client.cli import main

main()

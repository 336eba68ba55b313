"""`python -m api --home DIR`."""

from api.main import main

main(prog_name="python -m api")

"""`python -m service.cli`: the same as `framemill`."""

from service.cli import main

main()

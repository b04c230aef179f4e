"""`python -m cuvisc` is the command `cuvisc`."""

from __future__ import annotations

from cuvisc.cli.app import main

main()

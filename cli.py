"""`python cli.py VERB NAME`: the command line from a checkout, without installing it."""

from __future__ import annotations

import sys

from pipeline.commands import main

if __name__ == "__main__":
    sys.exit(main())

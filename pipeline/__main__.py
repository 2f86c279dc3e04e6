"""`python -m pipeline`: the same as `synth`."""

from __future__ import annotations

import sys

from pipeline.commands import main

if __name__ == "__main__":
    sys.exit(main())

"""The public import: `import synth; frame = synth.load("plots")`."""

from __future__ import annotations

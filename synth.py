"""The public import: `import synth; frame = synth.load("plots")`."""

from __future__ import annotations

from pathlib import Path

try:
    from pipeline import __version__
    from pipeline.frame import load
except ImportError as error:
    import pipeline

    found = Path(pipeline.__file__ or next(iter(pipeline.__path__))).resolve()
    if Path(__file__).resolve().parent / "pipeline" in (found, found.parent):
        raise
    raise ImportError(
        f"{found} hides the package `pipeline` of synth-pipeline: rename it, or start Python elsewhere"
    ) from error

__all__ = ["__version__", "load"]

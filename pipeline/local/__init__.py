"""Models of this machine: found, loaded, asked and measured. What providers, backends and evaluation share."""

from __future__ import annotations

from .bases import base_digest, base_problems, cache_folder
from .load import Loaded, load, named
from .loss import Measured, mean_loss, measure, together
from .tiny import tiny_base
from .write import Decoding, Written, write

__all__ = ["Decoding", "Loaded", "Measured", "Written", "base_digest", "base_problems", "cache_folder", "load",
           "mean_loss", "measure", "named", "tiny_base", "together", "write"]

"""The ways to begin: a shipped starter, a blank recipe, or one made from a file of rows."""

from __future__ import annotations

from .blank import write_blank
from .copy import copy_starter
from .fromfile import Looked, look_at, write_from

__all__ = ["Looked", "copy_starter", "look_at", "write_blank", "write_from"]

"""The stage that decides: every rule's finding on every row, then one state per row. Nothing is deleted."""

from .between import Between, between, undo
from .outcome import Curation
from .run import curate
from .starved import Starved
from .tally import Change, Changed, Dropped, Share, Tally
from .whatif import Curve, WhatIf, curve, is_curve, what_if

__all__ = [
    "Between", "Change", "Changed", "Curation", "Curve", "Dropped", "Share", "Starved", "Tally", "WhatIf", "between",
    "curate", "curve", "is_curve", "undo", "what_if",
]

"""The stage that decides: every rule's finding on every row, then one state per row. Nothing is deleted."""

from .agreement import Estimate
from .ahead import ToCome, ask_ahead
from .asking import Ask, AskBill, Told
from .between import Between, between, undo
from .calibrate import PRECISION, Calibration, calibrate
from .contaminated import Contaminated
from .decided import Otherwise, decided_otherwise
from .labelled import FEWEST, Label
from .linked import has_answers, with_against
from .moves import value_of
from .outcome import Curation
from .rubrics import AsksOtherwise, asks_otherwise
from .run import curate
from .starved import Starved
from .tally import Change, Changed, Share, Shown, Tally
from .whatif import Curve, WhatIf, curve, is_curve, ways, what_if

__all__ = [
    "FEWEST", "PRECISION", "Ask", "AskBill", "AsksOtherwise", "Between", "Calibration", "Change", "Changed",
    "Contaminated", "Curation", "Curve", "Estimate", "Label", "Otherwise", "Share", "Shown", "Starved", "Tally",
    "ToCome", "Told", "WhatIf", "ask_ahead", "asks_otherwise", "between", "calibrate", "curate", "curve",
    "decided_otherwise", "has_answers", "is_curve", "undo", "value_of", "ways", "what_if", "with_against",
]

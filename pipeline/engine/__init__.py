"""Asks providers: durable, paced, capped, retried. Used by generate, augment, judge, evaluate."""

from .asker import AGAIN, FINAL, Asker, Limits, Report, Stopped, settled
from .budget import cost_of, output_limit, refuse_unknown, worst_case
from .drive import drive
from .progress import Progress
from .protocol import Answer, CallFailed, Provider
from .route import routed

__all__ = [
    "AGAIN", "FINAL", "Answer", "Asker", "CallFailed", "Limits", "Progress", "Provider", "Report", "Stopped",
    "cost_of", "drive", "output_limit", "refuse_unknown", "routed", "settled", "worst_case",
]

"""Asks providers: durable, paced, capped, retried. Used by generate, augment, judge, evaluate."""

from .asker import AGAIN, FINAL, Asker, Limits, Report, Stopped, settled
from .budget import Bill, cost_of, output_limit, refuse_unknown, worst_case
from .drive import drive
from .progress import Progress
from .protocol import Answer, CallFailed, Provider, Writer
from .route import routed

__all__ = [
    "AGAIN", "FINAL", "Answer", "Asker", "Bill", "CallFailed", "Limits", "Progress", "Provider", "Report", "Stopped",
    "Writer", "cost_of", "drive", "output_limit", "refuse_unknown", "routed", "settled", "worst_case",
]

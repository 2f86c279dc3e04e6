"""Asks providers: durable, paced, capped, retried. Used by generate, augment, judge, evaluate."""

from .asker import Asker, Limits, Report
from .batch import Gatherer, batched
from .budget import Bill, cost_of, output_limit, refuse_unknown, worst_case
from .drive import drive
from .outcomes import AGAIN, FINAL, Stopped, Waiting, settled
from .progress import Progress
from .protocol import Answer, BatchHost, CallFailed, Provider, Writer
from .route import routed

__all__ = [
    "AGAIN", "FINAL", "Answer", "Asker", "BatchHost", "Bill", "CallFailed", "Gatherer", "Limits", "Progress",
    "Provider", "Report", "Stopped", "Waiting", "Writer", "batched", "cost_of", "drive", "output_limit",
    "refuse_unknown", "routed", "settled", "worst_case",
]

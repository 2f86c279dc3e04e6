"""The stage that rewrites rows: which ones and the price first, then the calls, then the children."""

from .plan import AugmentPlan, asks, plan_augment
from .run import Augmented, augment

__all__ = ["AugmentPlan", "Augmented", "asks", "augment", "plan_augment"]

"""The stage that rewrites rows: which ones and the price first, then the calls, then the children."""

from .plan import AugmentPlan, Touched, asks, plan_augment
from .run import Augmented, Refusal, augment

__all__ = ["AugmentPlan", "Augmented", "Refusal", "Touched", "asks", "augment", "plan_augment"]

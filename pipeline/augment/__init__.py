"""The stage that rewrites rows: which ones and the price first, then the calls, then the children."""

from .ahead import RewritesAhead, RowsToCome, rewrites_ahead
from .made import Made, made
from .plan import REHEARSED, AugmentPlan, Touched, asks, plan_augment, rewrites_of
from .run import Augmented, Refusal, augment

__all__ = ["REHEARSED", "AugmentPlan", "Augmented", "Made", "Refusal", "RewritesAhead", "RowsToCome", "Touched",
           "asks", "augment", "made", "plan_augment", "rewrites_ahead", "rewrites_of"]

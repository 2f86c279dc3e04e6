"""The stage that judges: the same held-out prompts to base and tuned model, side by side, and what the numbers show.

    evaluations/<id>/sides.jsonl         a line per prompt: what both wrote, beside the held-out answer
    evaluations/<id>/evaluation.json     means, intervals, changes, decoding, verdict; written last

Its id is a digest of the tuned model, the rows and how they are asked: the same evaluation again is found, not made
again.
"""

from __future__ import annotations

from pipeline.engine import Bill

from .compare import in_order, shown
from .finetunes import TunedModel, tuned_model
from .options import How, how_of
from .pair import Decoding
from .run import Evaluated, Options, evaluate, plan_evaluation

__all__ = [
    "Bill", "Decoding", "Evaluated", "How", "Options", "TunedModel", "evaluate", "how_of", "in_order",
    "plan_evaluation", "shown", "tuned_model",
]

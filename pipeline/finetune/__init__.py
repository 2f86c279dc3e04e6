"""The stage that tunes: an export in, a model out, every run found again by what went into it.

    finetunes/<id>/finetune.json     data, backend, base, settings, metrics, model, cost, and the host's ids
    finetunes/<id>/metrics.jsonl     a line per logged step
    finetunes/<id>/recipe.yaml       the recipe as it was
    finetunes/<id>/adapter/          what a local backend made

The id is a digest of data, backend, base and settings: the same run is found, not repeated; a killed one goes on.
"""

from __future__ import annotations

from .plan import Check, How, Plan, plan_finetune, plan_of, spent_usd
from .run import Run, Trace, cancel, find, finetune, jobs

__all__ = ["Check", "How", "Plan", "Run", "Trace", "cancel", "find", "finetune", "jobs", "plan_finetune", "plan_of",
           "spent_usd"]

"""The stage that makes rows: plan, ask, write. Rerun it, and only what is new costs money."""

from pipeline.grid.keep import Outlook

from .answers import in_their_place
from .plan import RunPlan, calls_ahead, doubts, outlook_of, plan_run, write_down, writer_digest
from .questions import Retry, Writer
from .run import generate
from .told import Generated, Options
from .transcript import train_in_place

__all__ = [
    "Generated", "Options", "Outlook", "Retry", "RunPlan", "Writer", "calls_ahead", "doubts", "generate",
    "in_their_place", "outlook_of", "plan_run", "train_in_place", "write_down", "writer_digest",
]

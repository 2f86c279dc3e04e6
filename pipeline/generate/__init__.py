"""The stage that makes rows: plan, ask, write. Rerun it, and only what is new costs money."""

from pipeline.grid.keep import Outlook

from .plan import RunPlan, Writer, doubts, outlook_of, plan_run, write_down, writer_digest
from .run import Generated, Options, generate

__all__ = [
    "Generated", "Options", "Outlook", "RunPlan", "Writer", "doubts", "generate", "outlook_of", "plan_run",
    "write_down", "writer_digest",
]

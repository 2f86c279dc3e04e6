"""The stage that makes rows: plan, ask, write. Rerun it, and only what is new costs money."""

from .plan import RunPlan, Writer, doubts, plan_run, write_down, writer_digest
from .run import Generated, Options, generate

__all__ = ["Generated", "Options", "RunPlan", "Writer", "doubts", "generate", "plan_run", "write_down", "writer_digest"]

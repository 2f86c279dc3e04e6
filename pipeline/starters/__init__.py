"""The ways to begin: a shipped starter, a blank recipe, an idea, or a file of rows; and values that an axis lacks."""

from __future__ import annotations

from ._new import free_name
from ._question import Question, ask, foresee
from .blank import write_blank
from .copy import copy_starter
from .fromfile import Looked, look_at, write_from
from .idea import Proposal, changed
from .idea import question as idea_question
from .more import More, line_of, more_question, wish, with_more, write_more
from .proposed import recipe_text, write_proposed

__all__ = [
    "Looked", "More", "Proposal", "Question", "ask", "changed", "copy_starter", "foresee", "free_name",
    "idea_question", "line_of", "look_at", "more_question", "recipe_text", "wish", "with_more", "write_blank",
    "write_from", "write_more", "write_proposed",
]

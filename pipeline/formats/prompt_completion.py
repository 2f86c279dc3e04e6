"""One exchange a line: {"prompt": ..., "completion": ...}, as base models and legacy jobs take it.

A row of answers alone has the prompt "". A system text, several exchanges, tools and weight 0 are
refused. No separator and no stop word is added unless it is named, as legacy completion models want them:
`prompt-completion: {separator: "\\n\\n###\\n\\n", start: " ", stop: " END"}`. A text that holds its own separator or
stop is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import Format
from ._pair import PairFormat


class PromptCompletion(PairFormat):
    """Prompt and completion as two texts."""

    name = "prompt-completion"
    rank = 20

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        asked = "prompt" in values and isinstance(values["prompt"], str | None)
        return asked and isinstance(values.get("completion"), str)


plugin: type[Format] = PromptCompletion

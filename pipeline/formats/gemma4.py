"""Gemma-4 chat text a line: {"text": "<bos><|turn>user\\nquestion<turn|>\\n<|turn>model\\nanswer<turn|>\\n"}.

Byte for byte what the template of Gemma 4 makes of rows of text: a system turn of its own, all texts stripped at both
ends, <turn|> behind each. Refused: control tokens in a text, empty turns, a system text that is not the first turn, and
two answers one behind the other, of which its template makes one turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar

from pipeline.types import Problem

from . import Format, error
from ._blocks import BlockFormat
from ._turns import Turn


class Gemma4(BlockFormat):
    """`<|turn>` turns of system, user and model."""

    name = "gemma4"
    rank = 65
    family = "gemma4"
    any_order = True
    heads: ClassVar[Mapping[str, str]] = {
        "system": "<|turn>system\n", "user": "<|turn>user\n", "assistant": "<|turn>model\n"}
    end = "<turn|>\n"
    strips = True

    def _unsound(self, conversation: list[Turn], where: str) -> list[Problem]:
        found = super()._unsound(conversation, where)
        if any(one.role == other.role == "assistant" for one, other in pairwise(conversation)):
            found.append(error("answers-merge", where, "two answers stand one behind the other, and the Gemma 4 "
                               "template begins no turn for the second one", "join them to one"))
        return found


plugin: type[Format] = Gemma4

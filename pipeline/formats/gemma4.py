"""Gemma-4 chat text a line: {"text": "<bos><|turn>user\\nquestion<turn|>\\n<|turn>model\\nanswer<turn|>\\n"}.

Byte for byte what the template of Gemma 4 makes of rows of text: a system turn of its own, all texts stripped at both
ends, <turn|> behind each. Refused: control tokens in a text, empty turns, a system text that is not the first turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from . import Format
from ._blocks import BlockFormat


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


plugin: type[Format] = Gemma4

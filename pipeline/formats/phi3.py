"""Phi-3 chat text a line: {"text": "<|user|>\\nquestion<|end|>\\n<|assistant|>\\nanswer<|end|>\\n<|endoftext|>"}.

Byte for byte what the template of Phi-3 makes: no begin token, texts as they are, <|end|> behind each, and one
<|endoftext|> behind the last. What the tuned model stops at is <|end|>. Refused: control tokens in a text, empty turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from . import Format
from ._blocks import BlockFormat
from ._text import Rendered
from ._turns import Turn

_LAST = "<|endoftext|>"


class Phi3(BlockFormat):
    """`<|user|>` turns."""

    name = "phi3"
    rank = 66
    family = "phi3"
    any_order = True
    model = Rendered
    heads: ClassVar[Mapping[str, str]] = {
        role: f"<|{role}|>\n" for role in ("system", "user", "assistant")}
    end = "<|end|>\n"

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        """See TextFormat."""
        return super().render(conversation, prompt=prompt) + _LAST * (not prompt)

    def parse(self, text: str) -> list[Turn]:
        """See TextFormat."""
        return super().parse(text.removesuffix(_LAST))


plugin: type[Format] = Phi3

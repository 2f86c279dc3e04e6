"""ChatML text a line: {"text": "<|im_start|>user\\nquestion<|im_end|>\\n<|im_start|>assistant\\n..."}.

For bases that are taught ChatML: no begin token, the stop token <|im_end|> behind each turn with a line break behind
it, texts as they are. Make <|im_end|> the tokenizer's end token, or the tuned model does not stop. Refused: control
tokens in a text, empty turns, a system text that is not the first turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from . import Format
from ._blocks import BlockFormat
from ._text import Rendered


class ChatMl(BlockFormat):
    """`<|im_start|>` turns."""

    name = "chatml"
    rank = 62
    family = "chatml"
    any_order = True
    model = Rendered
    heads: ClassVar[Mapping[str, str]] = {
        role: f"<|im_start|>{role}\n" for role in ("system", "user", "assistant")}
    end = "<|im_end|>\n"


plugin: type[Format] = ChatMl

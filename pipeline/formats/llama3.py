"""Llama-3 chat text a line: {"text": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\\n\\n..."}.

Byte for byte what the template of Meta's Llama-3 Instruct makes; it strips all texts at both ends. The templates of
3.1 and 3.2 write a header that nobody wrote, knowledge cutoff and date, before every system text, and in a system turn
of its own where there is none: `llama3: {date: 26 Jul 2024}` writes it with that date (3.1 has no other; 3.2 would
write today's). Give the trainer the same date, as `date_string`. Refused: control tokens in a text, empty turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from pipeline.render import Template

from . import Format
from ._blocks import BlockFormat
from ._text import Begun
from ._turns import Turn

aliases = ("llama31", "llama32")


class How(Begun):
    """Which Llama-3."""

    date: str | None = Field(
        None, pattern=r"[0-9]{2} [A-Z][a-z]{2} [0-9]{4}",
        description="as 26 Jul 2024: write the header of Llama-3.1 and 3.2 with this date; none: no header, as Llama-3")


class Llama3(BlockFormat):
    """`<|start_header_id|>` turns."""

    name = "llama3"
    rank = 63
    family = "llama3"
    any_order = True
    model = How
    how: How
    heads: ClassVar[Mapping[str, str]] = {
        role: f"<|start_header_id|>{role}<|end_header_id|>\n\n" for role in ("system", "user", "assistant")}
    end = "<|eot_id|>"
    strips = True

    @property
    def _header(self) -> str:
        """What 3.1 and 3.2 write that nobody wrote."""
        date = self.how.date
        return f"Cutting Knowledge Date: December 2023\nToday Date: {date}\n\n" if date else ""

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        """See TextFormat."""
        head = self.kind.begin + self.heads["system"]
        text = super().render(conversation, prompt=prompt)
        if not self._header:
            return text
        if text.startswith(head):
            return head + self._header + text.removeprefix(head)
        return head + self._header + self.end + text.removeprefix(self.kind.begin)

    def parse(self, text: str) -> list[Turn]:
        """See TextFormat."""
        first, *rest = super().parse(text)
        if first.role != "system" or not self._header or not first.text.startswith(self._header):
            return [first, *rest]
        said = first.text.removeprefix(self._header)
        return [Turn("system", said), *rest] if said else rest

    @property
    def template(self) -> Template:
        """See TextFormat. The header is asked for by its date."""
        return super().template._replace(added=bool(self._header))

    @property
    def arguments(self) -> dict[str, Any]:
        """See TextFormat."""
        return {"date_string": self.how.date} if self.how.date else {}

    def rendering(self) -> dict[str, Any]:
        """See Format."""
        return {**super().rendering(), **self.arguments}


plugin: type[Format] = Llama3

"""Rendered text whose turns stand in blocks, one behind the other: a head that names the speaker, the text, an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pipeline.render import family
from pipeline.types import Problem

from . import FormatRefusal, error
from ._text import TextFormat
from ._turns import Turn


class BlockFormat(TextFormat):
    """A begin token, or none, and a block for each turn.

    Attributes:
        heads: role -> what stands before its texts.
        end: what stands behind each text: the stop token, and the line break behind it where there is one.
        strips: whether the template strips texts at both ends.
    """

    heads: ClassVar[Mapping[str, str]]
    end: ClassVar[str]
    strips: ClassVar[bool] = False

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        """See TextFormat."""
        return self._blocks(self.leaves(conversation), prompt)

    def _blocks(self, conversation: list[Turn], prompt: bool) -> str:
        """The text of turns that nothing is done to any more."""
        text = "".join(f"{self.heads[turn.role]}{turn.text}{self.end}" for turn in conversation)
        return f"{self.kind.begin}{text}{self.heads['assistant'] if prompt else ''}"

    def parse(self, text: str) -> list[Turn]:
        """See TextFormat. The begin token and the last line break may be missing, as in published examples."""
        text = text.removeprefix(self.kind.begin)
        blocks = (text + self.end.removeprefix(self.kind.stop) * text.endswith(self.kind.stop)).split(self.end)
        conversation: list[Turn] = []
        for number, block in enumerate(blocks, 1):
            if not block and number == len(blocks) > 1:
                return conversation
            role = next((role for role, head in self.heads.items() if block.startswith(head)), None)
            if role is None or number == len(blocks):
                break
            conversation.append(Turn(role, block.removeprefix(self.heads[role])))
        form = f"{self.heads['user']}...{self.end}".replace("\n", "\\n")
        raise FormatRefusal(f"not-{self.name}", f"turn {number} is not '{form}'",
                            f"write it as the {self.name} template does: line breaks are part of it")

    def leaves(self, conversation: list[Turn]) -> list[Turn]:
        """See TextFormat."""
        return [Turn(turn.role, turn.text.strip()) for turn in conversation] if self.strips else conversation

    def _unsound(self, conversation: list[Turn], where: str) -> list[Problem]:
        found = super()._unsound(conversation, where)
        if conversation and conversation[0].role == "system" and not conversation[0].text.strip():
            found.append(error("empty-system", where, "the system text is empty or only white space", "leave it out"))
        return found

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        text = values.get("text")
        return isinstance(text, str) and text.lstrip().removeprefix(family(cls.family).begin).startswith(
            tuple(cls.heads.values()))

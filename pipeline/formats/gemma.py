"""Gemma chat text a line: {"text": "<bos><start_of_turn>user\\nquestion<end_of_turn>\\n..."}.

Byte for byte what the template of Gemma 3 makes, which for rows without a system text is also that of
Gemma 1 and 2. It changes the text: user and assistant turns are stripped at both ends, and Gemma has
no system role, so the system text is put before the first user turn with one blank line between (what
Google's page on formatting tells us to do): what is read back has it there. The system text itself
is not stripped, so one that starts with white space is refused: it could not be read back.
Refused as well: control tokens in a content, empty turns, roles out of turn. <bos> is in the text:
tokenise it with add_special_tokens=False, or the model sees two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pipeline.types import Problem

from . import Format, error
from ._blocks import BlockFormat
from ._turns import Turn

aliases = ("gemma1", "gemma2", "gemma3")


class Gemma(BlockFormat):
    """`<start_of_turn>` turns of user and model."""

    name = "gemma"
    rank = 61
    family = "gemma"
    heads: ClassVar[Mapping[str, str]] = {
        "user": "<start_of_turn>user\n", "assistant": "<start_of_turn>model\n"}
    end = "<end_of_turn>\n"

    def leaves(self, conversation: list[Turn]) -> list[Turn]:
        """See TextFormat."""
        if conversation and conversation[0].role == "system":
            system, *rest = conversation
            first = [Turn("user", f"{system.text}\n\n{rest[0].text.strip()}")] if rest else []
            return first + [Turn(turn.role, turn.text.strip()) for turn in rest[1:]]
        return [Turn(turn.role, turn.text.strip()) for turn in conversation]

    def _unsound(self, conversation: list[Turn], where: str) -> list[Problem]:
        found = [problem for problem in super()._unsound(conversation, where) if problem.code != "empty-system"]
        if conversation and conversation[0].role == "system" and conversation[0].text[:1].strip() == "":
            found.append(error("system-edge", where, "the system text is empty or starts with white space",
                                 "strip it, or leave it out: Gemma folds it into the user turn"))
        return found


plugin: type[Format] = Gemma

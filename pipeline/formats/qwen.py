"""Qwen chat text a line: ChatML with Qwen's control tokens, and what each version's template adds.

`version: 2.5` (the default) puts "You are Qwen, created by Alibaba Cloud. ..." before rows without a system text, and
`version: 3` an empty <think> block before the last answer. Nobody wrote either, so such rows are refused unless
`added: allow`. Version 3-2507 (the Instruct models of July 2025) adds nothing. Of version 3, an answer may begin with
thoughts of its own, `<think>\\nthoughts\\n</think>\\n\\nanswer`; and with `added: allow` only rows of one answer
fit: its template takes the block out of earlier answers, which would be trained behind another text than the model is
asked with. No begin token; the stop token is <|im_end|>.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from pipeline.render import Family, Template
from pipeline.types import Problem

from . import Format, error
from ._blocks import BlockFormat
from ._text import Rendered
from ._turns import Turn

DEFAULT = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
EMPTY = "<think>\n\n</think>\n\n"
"""What Qwen3's template puts before an answer without thoughts; its prompt with `enable_thinking=False` ends in it."""
_THOUGHTS = re.compile(r"<think>\n(?=\S)(?:(?!</?think>).)*(?<=\S)\n</think>\n\n(?=\S)", re.DOTALL)
_TAGS = ("<think>", "</think>")


class How(Rendered):
    """Which Qwen, and what it may add."""

    version: Literal["2.5", "3", "3-2507"] = Field("2.5", description="whose template is meant")
    added: Literal["refuse", "allow"] = Field(
        "refuse", description="allow: write what the template adds that nobody wrote, a system text or a think block")

    @field_validator("version", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) else value


class Qwen(BlockFormat):
    """`<|im_start|>` turns, as Qwen's own template writes them."""

    name = "qwen"
    rank = 64
    family = "qwen"
    any_order = True
    model = How
    how: How
    heads: ClassVar[Mapping[str, str]] = {
        role: f"<|im_start|>{role}\n" for role in ("system", "user", "assistant")}
    end = "<|im_end|>\n"

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        """See TextFormat."""
        turns = list(self.leaves(conversation))
        thinks = self.how.version == "3" and self.how.added == "allow" and _is_asked(turns)
        if self.how.version == "2.5" and self.how.added == "allow" and not (turns and turns[0].role == "system"):
            turns = [Turn("system", DEFAULT), *turns]
        if thinks and not prompt and turns[-1].role == "assistant" and not _THOUGHTS.match(turns[-1].text):
            turns[-1] = Turn("assistant", EMPTY + turns[-1].text)
        return self._blocks(turns, prompt) + EMPTY * (thinks and prompt)

    def parse(self, text: str) -> list[Turn]:
        """See TextFormat. A system text or a think block that the template added is taken away again."""
        turns = super().parse(text)
        if self.how.version == "2.5" and self.how.added == "allow" and turns[0] == Turn("system", DEFAULT):
            turns = turns[1:]
        if _is_asked(turns) and self.how.version == "3" and turns[-1].role == "assistant":
            turns[-1] = Turn("assistant", turns[-1].text.removeprefix(EMPTY))
        return turns

    def leaves(self, conversation: list[Turn]) -> list[Turn]:
        """See TextFormat. A system text that is the template's own cannot be told from it."""
        own = self.how.version == "2.5" and self.how.added == "allow" and conversation[:1] == [Turn("system", DEFAULT)]
        return conversation[1:] if own else conversation

    @property
    def kind(self) -> Family:
        """See Format. Think tags are text to Qwen2.5, and to Qwen3 what its thoughts stand in."""
        known = super().kind
        if self.how.version == "3-2507":
            return known
        return known._replace(tokens=tuple(token for token in known.tokens if token not in _TAGS))

    @property
    def template(self) -> Template:
        """See TextFormat."""
        allowed = self.how.added == "allow"
        fix = "name another version, as 'qwen: {version: 3-2507}'"
        return super().template._replace(added=allowed, fix=fix)

    def rendering(self) -> dict[str, Any]:
        """See Format."""
        thinks = {"enable_thinking": False} if self.how.version == "3" else {}
        return {**super().rendering(), "version": self.how.version, "added": self.how.added, **thinks}

    def _unsound(self, conversation: list[Turn], where: str) -> list[Problem]:
        last = conversation[-1].text if conversation else ""
        thought = _THOUGHTS.match(last) if self.how.version == "3" else None
        bare = [*conversation[:-1], Turn(conversation[-1].role, last[thought.end():])] if thought else conversation
        found = super()._unsound(bare, where)
        if self.how.version == "3" and any(tag in turn.text for turn in bare for tag in _TAGS):
            found.append(error("thoughts-lost", where, "a think tag stands elsewhere than around the thoughts with "
                               "which the last answer begins, and the Qwen3 template takes it for one of these",
                               "take the thoughts out, or write them as '<think>\\nthoughts\\n</think>\\n\\nanswer'"))
        if self.how.added == "allow":
            return found
        if self.how.version == "2.5" and (not conversation or conversation[0].role != "system"):
            found.append(error(
                "default-system", where, f"without a system text, the Qwen2.5 template writes its own: '{DEFAULT}'",
                "give the rows one, or name the format as 'qwen: {added: allow}', or 'qwen: {version: 3-2507}'"))
        if self.how.version == "3" and not thought and _is_asked(conversation):
            found.append(error(
                "think-block", where, "the Qwen3 template writes an empty <think> block before the answer",
                "name the format as 'qwen: {version: 3, added: allow}', or 'qwen: {version: 3-2507}'"))
        return found


def _is_asked(conversation: list[Turn]) -> bool:
    """Whether there is a question: without one, the template writes no think block."""
    return any(turn.role == "user" for turn in conversation)


plugin: type[Format] = Qwen

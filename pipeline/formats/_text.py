"""What formats of rendered text share: {"text": ...} lines, made from turns and parsed back into turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from pipeline.render import Proof, control_tokens, family
from pipeline.types import Example, Problem

from . import Format, FormatRefusal, error, warning
from ._turns import Turn, alternating, others, turns


class TextFormat(Format):
    """A model family's own chat text, control tokens included, in the key `text`.

    Attributes:
        family: whose control tokens are refused in contents, and what begins and ends: see render/control_tokens.json.
    """

    family: ClassVar[str]

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        """The text of a sound conversation.

        Args:
            conversation: system or none, then user and assistant by turns.
            prompt: the conversation ends in a user turn, and the text in what makes the model answer.
        """
        raise NotImplementedError

    def parse(self, text: str) -> list[Turn]:
        """The turns of a text that `render` made.

        Raises:
            FormatRefusal: the text is not of this form.
        """
        raise NotImplementedError

    def leaves(self, conversation: list[Turn]) -> list[Turn]:
        """The turns as the official template leaves them: stripped, folded."""
        raise NotImplementedError

    def prompt_text(self, example: Example) -> str:
        """What the tuned model is given: the conversation up to its last answer, ready to be answered.

        Raises:
            FormatRefusal: see `values`.
        """
        conversation = self._sound(example)
        return self.render(conversation[:-1], prompt=True)

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        return {"text": self.render(self._sound(example))}

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format."""
        text = values.get("text")
        if not isinstance(text, str):
            raise FormatRefusal("not-a-text", "'text' is not a text", "make it a string")
        messages = [{"role": turn.role, "content": turn.text} for turn in self.parse(text)]
        return Example(messages, fields=others(values, ("text",)))

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        try:
            conversation = self.parse(values["text"]) if isinstance(values.get("text"), str) else None
        except FormatRefusal as refusal:
            yield from refusal.problems(where)
            return
        if conversation is None:
            yield error("not-a-text", where, "'text' is missing, or not a text", "make it a string")
            return
        found = self._unsound(conversation, where)
        yield from found
        if not found and self.render(conversation) != values["text"]:
            yield warning("not-as-the-template", where,
                          f"the text is not what the {self.name} template makes, byte for byte",
                          f"rewrite the file: BOS, spaces and line breaks are part of {self.name}")

    def unproven(self, values: Mapping[str, Any], example: Example) -> Iterator[Problem]:
        """See Format: text preserved, nothing injected, one BOS, the stop token behind each answer."""
        yield from self._proof.problems(str(values.get("text")), turns(example, self.name), example.sample)

    def rendering(self) -> dict[str, Any]:
        """See Format."""
        kind = family(self.family)
        return {"begin": kind.begin, "begins": kind.begins, "stop": kind.stop, "add_special_tokens": False}

    @cached_property
    def _proof(self) -> Proof:
        return Proof(family(self.family), lambda said: self.render([Turn(*turn) for turn in said]))

    def normal(self, example: Example) -> Example:
        """The turns as the official template leaves them; see the plug-in's docstring."""
        left = self.leaves(turns(example, self.name))
        return replace(example, messages=[{"role": turn.role, "content": turn.text} for turn in left])

    def _sound(self, example: Example) -> list[Turn]:
        conversation = turns(example, self.name)
        found = self._unsound(conversation, example.sample)
        if found:
            raise FormatRefusal.of(found)
        return conversation

    def _unsound(self, conversation: list[Turn], where: str) -> list[Problem]:
        """What this form cannot carry: roles out of turn, empty turns, control tokens in a content."""
        found = alternating(conversation, where)
        for number, turn in enumerate(conversation, 1):
            found.extend(
                error("control-token", where, f"message {number} contains the control token {token}",
                        "take it out of the text: in the tokenizer it would no longer be text")
                for token in control_tokens(turn.text, self.family)
            )
        return found

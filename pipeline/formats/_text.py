"""What formats of rendered text share: {"text": ...} lines, made from turns and parsed back into turns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pipeline.options import Options
from pipeline.render import Family, Proof, Template, family
from pipeline.render.mask import Cut, Mask, answers, of_text
from pipeline.types import Example, Problem

from . import Format, FormatRefusal, error, warning
from ._turns import Turn, alternating, others, turns

if TYPE_CHECKING:
    from pipeline.render.folder import ChatTemplate


class Rendered(Options):
    """How rendered text is held against a tokenizer's own template."""

    tokenizer: str | None = Field(
        None, description="a tokenizer's folder, whose own chat template has to make the same text; none: not compared")


class Begun(Rendered):
    """And who writes the begin token."""

    bos: Literal["write", "leave"] = Field(
        "write", description="leave: out of the text, for trainers whose tokenizer puts it there, as TRL's does")


class TextFormat(Format):
    """A model family's own chat text, control tokens included, in the key `text`.

    Attributes:
        family: whose control tokens are refused in contents, and what begins and ends: see render/control_tokens.json.
        any_order: whether users and assistants may follow each other as they like.
    """

    model: ClassVar[type[Options]] = Begun
    how: Rendered
    family: ClassVar[str]
    any_order: ClassVar[bool] = False
    holds = frozenset({"system", "turns"})
    column = "text"

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

    @property
    def kind(self) -> Family:
        """See Format."""
        return family(self.family)

    @property
    def template(self) -> Template:
        """What is proven of the rendering, and what to do where it cannot be."""
        return Template(lambda said: self.render([Turn(*turn) for turn in said]),
                        lambda said: self.render([Turn(*turn) for turn in said], prompt=True))

    def prompt_text(self, example: Example) -> str:
        """What the tuned model is given: the conversation up to its last answer, ready to be answered.

        Raises:
            FormatRefusal: see `values`.
        """
        conversation = self._sound(example)
        return self.render(conversation[:-1], prompt=True)

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        return {"text": self._written(self._sound(example))}

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format."""
        text = values.get("text")
        if not isinstance(text, str):
            raise FormatRefusal("not-a-text", "'text' is not a text", "make it a string")
        messages = [{"role": turn.role, "content": turn.text} for turn in self.parse(self._begun(text))]
        return Example(messages, fields=others(values, ("text",)))

    def takes(self, values: Mapping[str, Any]) -> bool:
        """See Format: a text that is of this form; what is wrong with one that only begins so, `problems` says."""
        try:
            return isinstance(values.get("text"), str) and bool(self.parse(self._begun(values["text"])))
        except FormatRefusal:
            return self.recognises(values)

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        text = values.get("text")
        if not isinstance(text, str):
            yield error("not-a-text", where, "'text' is missing, or not a text", "make it a string")
            return
        try:
            conversation = self.parse(self._begun(text))
        except FormatRefusal as refusal:
            yield from refusal.problems(where)
            return
        found = self._unsound(conversation, where)
        yield from found
        if not found and self._written(conversation) != text:
            yield warning("not-as-the-template", where,
                          f"the text is not what the {self.name} template makes, byte for byte",
                          f"rewrite the file: BOS, spaces and line breaks are part of {self.name}")

    def unproven(self, values: Mapping[str, Any], example: Example) -> Iterator[Problem]:
        """See Format: text preserved, nothing injected, one BOS, the stop token behind each answer, the prompt first.

        Where a tokenizer is at hand: the same text by its own template, and the same ids.
        """
        text, said = self._begun(str(values.get("text"))), turns(example, self.name)
        yield from self._proof.problems(text, said, example.sample)
        yield from self._unlike(text, said, example.sample)

    def mask(self, example: Example, cut: Cut | None) -> Mask:
        """See Format: the answers, each with its stop token. A begin token that the tokenizer puts there is shown."""
        text = self._begun(str(json.loads(self.write(example))["text"]))
        return of_text(text, answers(text, self.parse(text), self.template, self.kind.stop), cut, self.kind)

    def rendering(self) -> dict[str, Any]:
        """See Format."""
        kind = self.kind
        told = {"begin": kind.begin or None, "begins": kind.begins, "stop": kind.stop,
                "add_special_tokens": self._left}
        return {**told, **({"tokenizer": self._own.told()} if self._own else {})}

    @cached_property
    def _proof(self) -> Proof:
        return Proof(self.kind, self.template)

    @cached_property
    def _own(self) -> ChatTemplate | None:
        """The template of the tokenizer that is at hand."""
        from pipeline.render.folder import ChatTemplate

        return ChatTemplate.of(self.how.tokenizer) if self.how.tokenizer else None

    @property
    def arguments(self) -> dict[str, Any]:
        """What the official template is given beside a conversation, to write what `render` writes."""
        return {}

    def _unlike(self, text: str, said: list[Turn], where: str) -> Iterator[Problem]:
        """What differs between a text and its row by the template of the tokenizer that is at hand."""
        if self._own is not None:
            yield from self._own.unlike(text, self.leaves(said), where, arguments=self.arguments)

    @property
    def _left(self) -> bool:
        """Whether the begin token is left to the tokenizer."""
        return isinstance(self.how, Begun) and self.how.bos == "leave"

    def _written(self, conversation: list[Turn]) -> str:
        text = self.render(conversation)
        return text.removeprefix(self.kind.begin) if self._left else text

    def _begun(self, text: str) -> str:
        """A text of a file with the begin token that is left to the tokenizer."""
        begin = self.kind.begin
        return begin + text if self._left and not text.startswith(begin) else text

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
        found = alternating(conversation, where, any_order=self.any_order)
        for number, turn in enumerate(conversation, 1):
            found.extend(
                error("control-token", where, f"message {number} contains the control token {token}",
                        "take it out of the text: in the tokenizer it would no longer be text")
                for token in self.kind.held(turn.text)
            )
        return found

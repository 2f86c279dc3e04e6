"""Text by any model's own chat template, {"text": ...}, from its folder: `chat-template: {tokenizer: PATH}`.

PATH holds tokenizer_config.json and the template. It runs offline in a sandbox; transformers is not needed, and where
it is installed the tokenizer's ids are compared as well. What the template does to a row shows before it is trained on:
a system text that it refuses or drops (`system: fold` puts it before the first question, a blank line behind it), words
that nobody wrote (`added: allow` lets them stay), today's date (`date: 2024-07-26` stops its clock,
`arguments: {date_string: 26 Jul 2024}` fills what it asks for), an answer without a stop token, a begin token too many.
Each is refused, with what to do.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from pipeline.render import MARKS, Family, Template, TemplateRefusal, settings
from pipeline.render.folder import DAYS
from pipeline.render.proof import Said
from pipeline.types import Example, Problem

from . import Format, FormatRefusal, error
from ._pair import folded
from ._text import Begun, TextFormat
from ._turns import Turn

aliases = ("hf", "tokenizer")
_NAME_IT = "name a tokenizer's folder: 'chat-template: {tokenizer: PATH}'"
_NONE = Family("chat-template", "", "row", "", MARKS, ())


class How(Begun):
    """Whose template, and what it may do."""

    tokenizer: str | None = Field(None, description="the folder of tokenizer_config.json and the template")
    system: Literal["refuse", "fold"] = Field(
        "refuse", description="fold: the system text stands before the first question, a blank line behind it")
    added: Literal["refuse", "allow"] = Field(
        "refuse", description="allow: leave in the text what the template writes that nobody wrote")
    date: datetime.date | None = Field(None, description="what the template takes for today, as 2024-07-26")
    arguments: dict[str, str | int | bool] = Field(
        default_factory=dict, description="of the template, as {enable_thinking: false}; give them to the trainer too")


class ChatTemplateFormat(TextFormat):
    """Whatever the folder's template writes, proven."""

    name = "chat-template"
    rank = 80
    model = How
    how: How

    def __init__(self, how: Any = None) -> None:
        super().__init__(how)
        if self.how.tokenizer:
            assert self._own is not None  # a folder without a template is said before any row

    def _render(self, said: Said, prompt: bool = False) -> str:
        if self._own is None:
            raise FormatRefusal("no-tokenizer", "no tokenizer's folder is named", _NAME_IT)
        return self._own.render(said, prompt=prompt, arguments=self.how.arguments, day=self.how.date or DAYS[1])

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        """See TextFormat."""
        try:
            return self._render(conversation, prompt)
        except TemplateRefusal as refusal:
            told = bool(conversation) and conversation[0].role == "system"
            raise FormatRefusal(
                "system-refused" if told else "template-refuses", f"the template refuses the row: {refusal}",
                self._fold if told else "drop the row, or name a family in its place, as chatml") from None

    def parse(self, text: str) -> list[Turn]:
        """See TextFormat: the settings that the template writes around texts are known from rows of marks."""
        if self._own is None:
            raise FormatRefusal("no-tokenizer", "no tokenizer's folder is named", _NAME_IT)
        kind = self.kind
        for exchanges in range(text.count(kind.stop) if kind.stop else 0, 0, -1):
            roles = ("user", "assistant") * exchanges
            told = self._parts(("system", *roles))
            ways = [(roles, self._parts(roles)), (("system", *roles), told)]
            if told and told[1].strip():  # else folded into the question, where nobody can tell the two apart
                ways.sort(key=lambda way: -sum(map(len, way[1])))
            for names, parts in ways:
                found = _between(text, parts)
                if found is not None and not any(map(kind.held, found)):
                    return [Turn(role, said) for role, said in zip(names, found, strict=True)]
        raise FormatRefusal("not-chat-template", f"the text is not what the template in {self._own.folder.name} makes",
                            "write the file anew: synth export FILE --to chat-template")

    def leaves(self, conversation: list[Turn]) -> list[Turn]:
        """See TextFormat: what is read back of what is written."""
        return self.parse(self.render(conversation)) if self._own and conversation else conversation

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        return super().values(self._folded(example))

    def normal(self, example: Example) -> Example:
        """See Format. With `system: fold`, a system text is the beginning of the first question."""
        return super().normal(self._folded(example))

    def unproven(self, values: Mapping[str, Any], example: Example) -> Iterator[Problem]:
        """See TextFormat; and that the text reads back as the row."""
        row, found = self._folded(example), False
        for problem in super().unproven(values, row):
            yield problem
            found = found or problem.severity == "error"
        if not found and not _alike(self.read(values), row):
            yield error("not-read-back", example.sample, "a text of the row reads as if the template had written it",
                        "take the template's own marks out of the text")

    @cached_property
    def kind(self) -> Family:
        """See Format: from the tokenizer's files, and from what the template writes around one exchange."""
        if self._own is None:
            return _NONE
        known, begin = _NONE._replace(tokens=self._own.control), self._own.tokens.get("bos_token", "")
        parts, twice = self._parts(("user", "assistant")), self._parts(("user", "assistant") * 2)
        if not parts:
            return known
        begins = bool(begin) and parts[0].startswith(begin)
        often = begins and sum(part.count(begin) for part in twice) == 2
        stop = known.held(parts[-1])[:1]
        return known._replace(begin=begin if begins else "", begins="exchange" if often else "row", stop="".join(stop))

    @property
    def template(self) -> Template:
        """See TextFormat."""
        return Template(
            self._render, lambda said: self._render(said, prompt=True), added=self.how.added == "allow",
            fix="'added: allow' lets it stay, `date` and `arguments` pin it; or name a family in its place, as chatml",
            lost=self._fold, steady=self._steady)

    def rendering(self) -> dict[str, Any]:
        """See Format."""
        begins = bool(self._own and self._own.begins and not self.kind.begin)
        told = super().rendering()
        return {**told, "add_special_tokens": told["add_special_tokens"] or begins, "added": self.how.added,
                "arguments": self.how.arguments, "date": self.how.date.isoformat() if self.how.date else None}

    @property
    def _fold(self) -> str:
        return "name the format with 'system: fold' to put it before the first question, or leave the text out"

    def _unlike(self, text: str, said: list[Turn], where: str) -> Iterator[Problem]:
        if self._own is not None:
            yield from self._own.other_ids(text, said, where, arguments=self.how.arguments)

    def _steady(self, said: Said) -> bool:
        return self.how.date is not None or self._own is None or self._own.steady(said, self.how.arguments)

    def _parts(self, roles: tuple[str, ...]) -> list[str]:
        """What the template writes around texts of these roles; none where it refuses them or loses a text."""
        if roles not in self._settings:
            try:
                parts, lost = settings(self._render, roles)
            except TemplateRefusal:
                parts, lost = [], []
            self._settings[roles] = [] if lost else parts
        return self._settings[roles]

    @cached_property
    def _settings(self) -> dict[tuple[str, ...], list[str]]:
        return {}

    def _folded(self, example: Example) -> Example:
        return replace(example, messages=folded(example.messages)) if self.how.system == "fold" else example

    def _unsound(self, conversation: list[Turn], where: str) -> list[Problem]:
        found = super()._unsound(conversation, where)
        if self._own is None:
            found.append(error("no-tokenizer", where, "no tokenizer's folder is named", _NAME_IT))
        elif not self.kind.stop and self._parts(("user", "assistant")):
            found.append(error("stop-not-trained", where, "the template ends no answer with a control token: the model "
                               "would not learn to end", "name a family in its place, as chatml"))
        return found

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """Never: what a text is, only its tokenizer's folder can say."""
        return False


def _between(text: str, parts: list[str]) -> list[str] | None:
    """The texts that stand between these parts, the first places where they fit; None where they do not."""
    if not parts or not text.startswith(parts[0]) or not text.endswith(parts[-1]):
        return None
    at, found = len(parts[0]), list[str]()
    for part in parts[1:-1]:
        until = text.find(part, at)
        if until < 0:
            return None
        found.append(text[at:until])
        at = until + len(part)
    last = len(text) - len(parts[-1])
    return [*found, text[at:last]] if at <= last else None


def _alike(back: Example, row: Example) -> bool:
    """Whether the last texts of both are the same but for their ends; a template may fold the first ones together."""
    texts = [[str(message["content"]).strip() for message in each.messages] for each in (back, row)]
    count = min(map(len, texts))
    return texts[0][-count + 1:] == texts[1][-count + 1:] and texts[0][0].endswith(texts[1][-count])


plugin: type[Format] = ChatTemplateFormat

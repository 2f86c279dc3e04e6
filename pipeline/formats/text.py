"""Plain text a line, {"text": "Quote by AUTHOR: QUOTE<|endoftext|>"}: a template over a row's fields, and an end.

For base models that are tuned on text without turns. Without a template the prompt and the answer stand
one behind the other as they are, so the training prompt must end in what divides them; a row of more turns, or with a
system text, is refused. `eos` is written
behind each text where the trainer does not add it: TRL does, unless the text ends in it already. A text holds its end
once, and no begin token of a family that has this end: the tokenizer adds that one, unless `bos` is written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from pipeline.errors import RecipeError
from pipeline.grid.template import Template
from pipeline.options import Options
from pipeline.render import ended_by
from pipeline.render.mask import Cut, Mask, of_text
from pipeline.types import Example, Problem, text_of

from . import Format, FormatRefusal, error
from ._turns import Turn, others, tool_problems, turns

KEY = "text"
_DIVIDED = ("export it as chatml or llama3, which divide turns; "
            "or write what of a row is wanted: 'text: {template: \"{{prompt}}\\n{{answer}}\"}'")


class How(Options):
    """How a row becomes a text."""

    template: str | None = Field(None, description='as "Quote by {{author}}: {{quote}}"; none: prompt, then answer')
    eos: str = Field("", description="what every text ends in, as <|endoftext|>; none: the trainer adds it")
    bos: str = Field("", description="what every text begins with, as <s>; none: the tokenizer's own, if any")


class Text(Format):
    """One text a row. What is read back is one answer without a prompt."""

    name = "text"
    rank = 70
    has_turns = False
    column = KEY
    model = How
    how: How

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        if found := list(tool_problems(example, self.name)):
            raise FormatRefusal.of(found)
        if any(m["role"] == "assistant" and not text_of(m.get("content")).strip() for m in example.messages):
            raise FormatRefusal("empty-answer", "an answer is empty or only white space", "drop the row")
        if self.how.template is None:
            text = "".join(turn.text for turn in self._undivided(example))
        else:
            texts = {message["role"]: text_of(message.get("content")) for message in example.messages}
            context = {**example.fields, "fields": example.fields, "prompt": texts.get("user", ""),
                       "answer": texts.get("assistant", "")}
            try:
                text = Template(self.how.template, "text").render(context)
            except RecipeError as fault:
                raise FormatRefusal("template", fault.message, fault.hint) from None
        return {KEY: self.how.bos + text + self.how.eos}

    def _undivided(self, example: Example) -> list[Turn]:
        """An answer, or a prompt and its answer: of more than these nobody could tell where one ends."""
        found = turns(example, self.name)
        roles = [turn.role for turn in found]
        if "system" in roles or len(roles) > 2:
            what = f"{', '.join(roles)} would stand one behind the other with nothing between them"
            raise FormatRefusal("needs-a-template", what, _DIVIDED)
        return found

    def unproven(self, values: Mapping[str, Any], example: Example) -> Iterator[Problem]:
        """See Format: the end once, where the text ends, and no begin token beside the tokenizer's own."""
        text, where = self._bare(str(values.get(KEY))), example.sample
        if self.how.eos and self.how.eos in text:
            yield error("control-token", where, f"the text contains {self.how.eos}, where training would end it",
                        "take it out of the text")
        begins = {each.begin for each in ended_by(self.how.eos)} if self.how.eos else set[str]()
        for begin in sorted({*begins, *([self.how.bos] if self.how.bos else [])}):
            if begin in text:
                who = "which is written" if self.how.bos else "which the tokenizer puts"
                yield error("double-begin", where, f"the text contains {begin}, {who} before it",
                            "take it out of the text, or of the template")

    def mask(self, example: Example, cut: Cut | None) -> Mask:
        """See Format: there are no turns, so all of the text is trained."""
        text = str(json.loads(self.write(example))[KEY])
        found = of_text(text, [(0, len(text))], cut)
        return found._replace(stops=frozenset([self.how.eos]) if self.how.eos else frozenset())

    def _bare(self, text: str) -> str:
        """A text without the begin and the end that are written around it."""
        text = text.removeprefix(self.how.bos)
        return text.removesuffix(self.how.eos) if self.how.eos else text

    def rendering(self) -> dict[str, Any]:
        """See Format. Without `eos`, the trainer ends each text; without `bos`, the tokenizer begins it."""
        return {"begin": self.how.bos or None, "stop": self.how.eos or None, "add_special_tokens": not self.how.bos}

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format."""
        text = values.get(KEY)
        if not isinstance(text, str):
            raise FormatRefusal("not-a-text", "'text' is not a text", "make it a string")
        return Example([{"role": "assistant", "content": self._bare(text)}], fields=others(values, (KEY,)))

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        return isinstance(values.get(KEY), str) and len(values) == 1

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        text = values.get(KEY)
        if not isinstance(text, str):
            yield error("not-a-text", where, "'text' is missing, or not a text", "make it a string")
        elif not self._bare(text).strip():
            yield error("empty-answer", where, "the text is empty or only white space", "drop the row")
        elif not text.endswith(self.how.eos):
            yield error("stop-not-trained", where, f"the text does not end in {self.how.eos}",
                        "write it behind the text")
        elif not text.startswith(self.how.bos):
            yield error("no-begin", where, f"the text does not begin with {self.how.bos}", "write it before the text")

    def normal(self, example: Example) -> Example:
        """One answer without a prompt: all that is left of the turns."""
        return self.read(self.values(example))

    def same(self, found: Example, wanted: Example) -> bool:
        """Whether the text that was read back is the text that the row renders to."""
        return found.messages == self.normal(wanted).messages


plugin: type[Format] = Text

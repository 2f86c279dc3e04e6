"""Mistral chat text a line: {"text": "<s>[INST] question[/INST] answer</s>"}, one <s> a row, </s> behind each answer.

`version: v3` (the default; Mistral 7B v0.3, Mixtral 8x22B) strips answers at both ends; `v1` (the first tokenizer),
`tekken` (Nemo) and `v7` (Small 2501) write texts as they are; for others take `chat-template`. A system text is folded
into the first question by v1, and has a turn of its own in v7, whose template writes one with today's date where a row
has none: such rows are refused. The templates of v3 and tekken LOSE it in every row that ends in an answer, though the
model is given it when it is asked: it is refused, or with `system: fold` written where the model is given it, in rows
of one exchange. Refused as well: control tokens in a text, empty turns, roles out of turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import Field

from pipeline.types import Problem

from . import Format, FormatRefusal, error
from ._text import Begun, TextFormat
from ._turns import Turn

_BOS, _EOS = "<s>", "</s>"
_SYSTEM, _END_SYSTEM = "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"


class Style(NamedTuple):
    """What a version writes around a question and before its answer."""

    opens: str
    asks: str
    answers: str


STYLES = {
    "v1": Style(" [INST] ", " [/INST]", " "),
    "v3": Style("[INST] ", "[/INST]", " "),
    "tekken": Style("[INST]", "[/INST]", ""),
    "v7": Style("[INST]", "[/INST]", ""),
}
"""As axolotl's mistral_v1, mistral_v2v3, mistral_v3_tekken and mistral_v7_tekken."""


class How(Begun):
    """Which Mistral, and what becomes of a system text that its template would lose."""

    version: Literal["v1", "v3", "tekken", "v7"] = Field("v3", description="whose template is meant")
    system: Literal["refuse", "fold"] = Field(
        "refuse", description="fold: v3 and tekken write it before the question, a blank line behind it")


class Mistral(TextFormat):
    """`[INST]` exchanges."""

    name = "mistral"
    rank = 59
    family = "mistral"
    model = How
    how: How

    @property
    def style(self) -> Style:
        """What this version writes."""
        return STYLES[self.how.version]

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        """See TextFormat. A prompt ends as a question does."""
        text = [_BOS]
        for turn in self.leaves(conversation):
            if turn.role == "system":
                text.append(f"{_SYSTEM}{turn.text}{_END_SYSTEM}")
            elif turn.role == "user":
                text.append(f"{self.style.opens}{turn.text}{self.style.asks}")
            else:
                text.append(f"{self.style.answers}{turn.text}{_EOS}")
        return "".join(text)

    def parse(self, text: str) -> list[Turn]:
        """See TextFormat. Where it is not as this version writes, the turns of another one that does."""
        versions = [self.how.version, *(version for version in STYLES if version != self.how.version)]
        for version in versions:
            found = _turns(text, version)
            if found:
                return found
        opens, asks, answers = STYLES[self.how.version]
        raise FormatRefusal("not-mistral", f"not all of it is '{_BOS}{opens}...{asks}{answers}...{_EOS}'",
                            "write it as the Mistral template does: spaces and </s> are part of it")

    def leaves(self, conversation: list[Turn]) -> list[Turn]:
        """See TextFormat."""
        if self.how.version == "v3":
            conversation = [Turn(turn.role, turn.text.strip() if turn.role == "assistant" else turn.text)
                            for turn in conversation]
        if conversation and conversation[0].role == "system" and self.how.version != "v7":
            system, *rest = conversation
            return [Turn("user", f"{system.text}\n\n{rest[0].text}"), *rest[1:]] if rest else []
        return conversation

    def rendering(self) -> dict[str, Any]:
        """See Format."""
        return {**super().rendering(), "version": self.how.version}

    def _unsound(self, conversation: list[Turn], where: str) -> list[Problem]:
        found = super()._unsound(conversation, where)
        told = bool(conversation) and conversation[0].role == "system"
        loses = self.how.version in ("v3", "tekken")
        if told and not conversation[0].text.strip():
            found.append(error("empty-system", where, "the system text is empty or only white space", "leave it out"))
        if told and loses and self.how.system == "refuse":
            found.append(error(
                "system-lost", where, f"the {self.how.version} template leaves the system text out of rows that end in "
                "an answer", "name the format as 'mistral: {system: fold}' to put it before the question"))
        elif told and loses and len(conversation) > 3:
            found.append(error(
                "system-moves", where, f"the {self.how.version} template gives the model the system text before its "
                "last question, so it has no one place in a row of several", "divide the row, or leave the text out"))
        if not told and conversation and self.how.version == "v7":
            found.append(error("default-system", where, "without a system text, the v7 template writes its own, with "
                               "today's date", "give the rows a system text"))
        return found

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format. What Llama-2 writes has spaces on both sides of [/INST] and before </s>."""
        text = values.get("text")
        if not isinstance(text, str) or not text.startswith((_BOS + "[INST]", _BOS + " [INST]", _BOS + _SYSTEM)):
            return False
        return "[/INST]" in text and not (" [/INST] " in text and text.startswith(_BOS + "[INST] "))


def _turns(text: str, version: str) -> list[Turn]:
    """The turns of a text that this version wrote; none where it did not."""
    opens, asks, answers = STYLES[version]
    rest, conversation = text.removeprefix(_BOS), list[Turn]()
    if version == "v7" and rest.startswith(_SYSTEM):
        system, _, rest = rest.removeprefix(_SYSTEM).partition(_END_SYSTEM)
        conversation.append(Turn("system", system))
    if not text.startswith(_BOS) or not text.endswith(_EOS):
        return []
    for exchange in rest.removesuffix(_EOS).split(_EOS):
        question, found, answer = exchange.partition(asks + answers)
        if not (found and question.startswith(opens)):
            return []
        conversation += [Turn("user", question.removeprefix(opens)), Turn("assistant", answer)]
    return conversation


plugin: type[Format] = Mistral

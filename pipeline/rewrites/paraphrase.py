"""Asks the writer for other ways of asking: the prompt in other words, with the same answer. `of: answer` for answers.

Children are rows of their own beside their parent, `times` of them, each in another manner. Refused are near copies,
texts that lose or gain a number, a name, a quotation or a piece of code, that are in another language or form, and
prompts that have become their answer. Whether the sense is the same nobody measures: look at some by `--diff`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from ..kinds import kind_of
from ..types import Call, Message, Sample
from ..views import answer
from . import Refused, Rewrite, answered_by
from ._answers import conversation
from ._beside import Beside, Several, exchange, is_text, prompted
from ._wording import (
    added,
    another_text,
    bare,
    first,
    given_away,
    lost,
    near_copy,
    off_task,
    other_length,
    without_shared,
)

MANNERS = {
    "plain": "in plain, everyday words",
    "turned": "with its sentences built in another way",
    "brief": "as briefly as can be done without losing anything",
    "polite": "as one would ask it politely of somebody one does not know",
    "direct": "as directly as one would say it to a colleague",
}
"""How a text is put in other words. Chosen by us."""
KEEP = (
    "Keep every fact, number, name, quotation, placeholder and piece of code as it stands, keep the language, and add "
    "nothing.")
PROMPT = (
    "Put the request below in other words, {manner}, so that exactly the same answer is right. {keep} Material that "
    "the request is about (a text, a list, code) stays as it is, to the letter. Do not answer the request. Write the "
    "new wording alone.\n\n<request>\n{text}\n</request>")
ANSWER = (
    "Say your last answer in other words, {manner}. {keep} Keep its order, its form and about its length, and leave "
    "nothing out. Write the new wording alone, without a comment.")


class How(Several):
    """What is put in other words."""

    of: Literal["prompt", "answer"] = Field("prompt", description="prompt: more ways of asking; or the answer")


class Paraphrase(Beside[How]):
    """Rewords once: a row that was added is not put in other words again."""

    def __init__(self, name: str, how: How, seed: int = 0) -> None:
        super().__init__(name, how, seed)
        self.adds = how.of

    def applies(self, sample: Sample) -> bool:
        """Of prompts, rows of one exchange; of answers, those in prose or lists."""
        if not self.is_first(sample):
            return False
        if self.how.of == "prompt":
            said = exchange(sample)
            return said is not None and is_text(said[0])
        said_last = answer(sample) or ""
        return sample.label is None and kind_of(said_last) in ("prose", "list") and is_text(said_last)

    def messages(self, sample: Sample) -> list[Message]:
        """The prompt in a request of its own, or the conversation and the wish."""
        manner = MANNERS[self.way(sample, list(MANNERS))]
        if self.how.of == "answer":
            return conversation(sample, ANSWER.format(manner=manner, keep=KEEP))
        return [{"role": "user", "content": PROMPT.format(manner=manner, keep=KEEP, text=sample.prompt)}]

    def output_bytes(self, sample: Sample) -> int:
        """As long as what is put in other words."""
        text = sample.prompt if self.how.of == "prompt" else sample.answer
        return len(text.encode("utf-8", "surrogatepass"))

    def text(self, sample: Sample, call: Call) -> str | Refused:
        """The new wording."""
        asks = self.how.of == "prompt"
        old = sample.prompt if asks else answer(sample) or ""
        new = bare(call.text, old)
        own, theirs = without_shared(old, new) if asks else (old, new)
        return first(
            lambda: off_task(old, new), lambda: near_copy(own, theirs), lambda: other_length(own, theirs),
            lambda: given_away(own, theirs, sample.answer) if asks else another_text(old, new),
            lambda: lost(old, new), lambda: added(old, new), lambda: None if asks else _other_form(old, new)) or new

    def row(self, sample: Sample, calls: Sequence[Call]) -> Sample | Refused:
        """The row with the new wording; whoever wrote an answer that stays is still named."""
        new = self.text(sample, calls[-1])
        if isinstance(new, Refused):
            return new
        return prompted(sample, new) if self.how.of == "prompt" else answered_by(sample, new, calls[-1])


def _other_form(old: str, new: str) -> Refused | None:
    """An answer in another form than the one that it says in other words."""
    was, now = kind_of(old), kind_of(new)
    return Refused("other-form", f"{now}, where the answer is {was}") if was != now else None


plugin: type[Rewrite[How]] = Paraphrase

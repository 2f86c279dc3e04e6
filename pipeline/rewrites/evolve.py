"""Asks the writer for a harder or a related prompt, and then for its answer (Evol-Instruct, Xu et al. 2023).

Children are rows of their own beside their parent, `times` of them, each made in another way, drawn by seed and row: a
constraint more, a deeper question, a more concrete one, more steps of reasoning, or (`broaden`) another prompt of the
same domain. A prompt that is the old one, or speaks of the task, is refused before its answer is paid for; then an
answer that is sorry, says nothing, or is the old one. Whether a prompt is harder nobody measures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import Field

from ..kinds import kind_of
from ..options import listed
from ..types import Call, Message, Sample, text_of
from ..views import words
from ..words import plural
from . import Ahead, OptionFault, Refused, Rewrite, answered_by
from ._beside import Beside, Several, exchange, is_text, prompted
from ._wording import another_text, bare, codes, first, given_away, near_copy, off_task, other_length

Way = Literal["constrain", "deepen", "concretise", "reason", "broaden"]
HARDER = (
    "Make the request below a little harder for somebody who answers it: {how}. Add ten to twenty words at most; "
    "it must stay one that a person could ask and that can be answered with text alone. Keep its language, and every "
    "quotation, placeholder and piece of code or text that it is about, to the letter.")
WAYS: dict[str, str] = {
    "constrain": HARDER.format(how="add one more condition that the answer has to meet"),
    "deepen": HARDER.format(how="ask about its subject in more depth or breadth"),
    "concretise": HARDER.format(how="put a more specific thing or case in place of a general one"),
    "reason": HARDER.format(how="ask for something that takes several more steps of reasoning"),
    "broaden": (
        "Write another request that is of the same domain as the one below, about as long and about as hard, and about "
        "something rarer. It must be one that can be answered with text alone. Keep its language."),
}
"""What is asked for, after the operations of Xu et al. 2023 (arXiv 2304.12244), section 3.2, in our own words. Left out
is their `complicate input`."""
ASK = "{way} Do not answer it. Write the new request alone.\n\n<request>\n{text}\n</request>"
GROWN = 120
"""Bytes that ten to twenty words have, with their spaces: for the price."""
SORRY_WORDS, FEW = 80, 3
"""An answer of fewer words that is sorry is a refusal (Xu et al. 2023, section 3.3); of fewer than FEW, a prompt asks
nothing and an answer says nothing, where the parent's has more."""
NEW, ROOM = 4, 300
"""Words of a harder prompt that the old one lacks, at least; and characters that it may have more. Chosen by us."""
_STATES = re.compile(r"(?:the|an?|it|they|he|she|there|yes|no|this|that|these|those)\b", re.IGNORECASE)
"""What a statement begins with, in English."""


class How(Several):
    """Which ways there are."""

    ways: list[Way] = Field(list(get_args(Way)), min_length=1, description="one is drawn for each child")


class Evolve(Beside[How]):
    """Evolves once: a row that was added is not evolved again."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Takes `ways: deepen` for a list of one.

        Raises:
            OptionFault: more children than ways.
        """
        options = listed(options, "ways")
        ways, times = options.get("ways", get_args(Way)), options.get("times", 1)
        if isinstance(ways, list | tuple) and isinstance(times, int) and times > len(set(ways)):
            raise OptionFault(f"times: {times} children, and {len(set(ways))} ways to make one",
                              f"- evolve: {{times: {len(set(ways))}}}")
        return options

    def applies(self, sample: Sample) -> bool:
        """Rows of one exchange in plain text, without a label or a worse answer beside it."""
        said = exchange(sample) if self.is_first(sample) and sample.label is None and not sample.rejected else None
        return said is not None and is_text(said[0])

    def messages(self, sample: Sample) -> list[Message]:
        """The prompt, in a request of its own."""
        text = ASK.format(way=WAYS[self._way(sample)], text=sample.prompt)
        return [{"role": "user", "content": text}]

    def further(self, sample: Sample, calls: Sequence[Call]) -> list[Message] | Refused | None:
        """The new prompt, as somebody would ask it; or why it is none."""
        if len(calls) > 1:
            return None
        prompt = self._prompt(sample, calls[0])
        return prompt if isinstance(prompt, Refused) else _asking(sample, prompt)

    def output_bytes(self, sample: Sample) -> int:
        """The prompt, and what is added to it."""
        return len(sample.prompt.encode("utf-8", "surrogatepass")) + GROWN

    def ahead(self, sample: Sample) -> list[Ahead]:
        """The new prompt, taken to be as the old one, and an answer as long as the old one and half."""
        size = len(sample.answer.encode("utf-8", "surrogatepass"))
        return [Ahead(_asking(sample, sample.prompt + " " * GROWN), size + size // 2)]

    def text(self, sample: Sample, call: Call) -> str | Refused:
        """The answer to the new prompt."""
        text, said = call.text.strip(), words(call.text)
        if "sorry" in said and len(said) < SORRY_WORDS:
            return Refused("sorry", f"an answer of {len(said)} words that is sorry")
        if not said or len(said) < FEW <= len(words(sample.answer)):
            return Refused("says-nothing", f"{len(said)} words, and the parent's answer has more")
        if near_copy(sample.answer, text):
            return Refused("same-answer", "the parent's answer once more: the new prompt asks nothing new")
        return text

    def row(self, sample: Sample, calls: Sequence[Call]) -> Sample | Refused:
        """The row with prompt and answer."""
        prompt = self._prompt(sample, calls[0])
        if isinstance(prompt, Refused):
            return prompt
        text = self.text(sample, calls[-1])
        if isinstance(text, Refused):
            return text
        if near_copy(prompt, text):
            return Refused("echoes-prompt", "the answer is the prompt once more")
        return prompted(answered_by(sample, text, calls[-1]), prompt)

    def _way(self, sample: Sample) -> str:
        return self.way(sample, list(dict.fromkeys(self.how.ways)))

    def _prompt(self, sample: Sample, call: Call) -> str | Refused:
        """The new prompt, or why it is none."""
        old = sample.prompt
        new = bare(call.text, old)
        checks = [lambda: near_copy(old, new)] if self._way(sample) == "broaden" else [
            lambda: _little_new(old, new), lambda: _kept(old, new), lambda: another_text(old, new)]
        return first(
            lambda: off_task(old, new), lambda: _no_request(old, new), *checks,
            lambda: other_length(old, new, ROOM), lambda: given_away(old, new, sample.answer)) or new


def _little_new(old: str, new: str) -> Refused | None:
    """A prompt that asks nothing more than the old one."""
    count = len(set(words(new)) - set(words(old)))
    return Refused("near-copy", f"{plural(count, 'word')} that the old prompt lacks") if count < NEW else None


def _kept(old: str, new: str) -> Refused | None:
    """What a harder prompt has lost of the code and the placeholders of the old one."""
    gone = next((code for code in codes(old) if " ".join(code.split()) not in " ".join(new.split())), None)
    return Refused("drops-code", f"lacks “{gone[:80]}”") if gone else None


def _no_request(old: str, new: str) -> Refused | None:
    """A text of too few words to ask anything, in a form that nobody asks in, or a question that became a statement."""
    count = len(words(new))
    if count < FEW <= len(words(old)) or not is_text(new):
        return Refused("no-request", f"{plural(count, 'word')} of {kind_of(new)}")
    if "?" in old and "?" not in new and _STATES.match(new):
        return Refused("no-request", "the old prompt is a question, and this states something")
    return None


def _asking(sample: Sample, prompt: str) -> list[Message]:
    """The row's system text, and a prompt."""
    told = [{"role": str(message["role"]), "content": text_of(message.get("content"))} for message in sample.messages
            if message.get("role") == "system"]
    return [*told, {"role": "user", "content": prompt}]


plugin: type[Rewrite[How]] = Evolve

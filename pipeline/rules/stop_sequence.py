"""Finds stop sequences within answers, and answers that go on as the other speaker.

`end`: the answer ends in one (`END`, `###`, `</s>`). `inside`: one stands within it. `goes on`: a line speaks for the
user (`User: ...`), or the next example of the prompt begins (its first label, and then its last). A dialogue, and a
prompt that asked for one, have them rightly. `END` counts in capitals by itself: a story may close
with THE END. The recipe's own stop texts are given as `stops`: they count wherever they stand.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ..kinds import kind_of
from ..render import stops
from . import Decision, Measured, Options, Rule, kind_and_words
from ._answers import NONE, AnswerRule, Exchange, quoting
from ._phrases import phrases

PHRASES = Path(__file__).with_name("stop_sequence.phrases")
OTHERS = ("<|endoftext|>", "<|end_of_text|>", "<|endofprompt|>", "<eos>", "<EOS>", "[EOS]", "<END>", "[END]", "<|END|>",
          "<stop>", "[DONE]", "<|eom_id|>", "<|return|>", "<|call|>", "<end>", "<|user|>", "<|assistant|>",
          "<|im_start|>", "<start_of_turn>", "[/INST]")
"""End marks beside the stop tokens of render/control_tokens.json, and what begins the next turn."""
_WORD_AT_END = re.compile(
    r"(?:^|(?<=[\s.!?\"”’)]))(?<!THE )(?<!The )(?:END|-END-|\*\*END\*\*|##+|\[END OF [A-Z ]+\])(?=\s*$)")
_WORD_INSIDE = re.compile(r"\n[ \t]*(?:END|-END-|\*\*END\*\*|###)[ \t]*(?=\n)")
_SPEAKER = re.compile(
    r"\n[ \t]*(?:\*\*)?(?:\#{2,}[ \t]*"
    r"(?:Instruction|Input|Human|User|Question|Response|Assistant|Prompt)[ \t]*(?:\*\*)?:"
    r"|Human[ \t]*(?:\*\*)?:|(?<=\n\n)User[ \t]*(?:\*\*)?:(?=[^\n]*\s*$)|(?:User|Assistant)[ \t]*(?:\*\*)?:(?=\s*$)"
    r"|(?:User|USER|HUMAN)[ \t]*(?:\*\*)?:[^\n]*\n+[ \t*]*(?:Assistant|ASSISTANT|AI|Bot|Model|GPT|ChatGPT)[ \t*]*:)")
"""A line in which the user speaks: by a name that nobody else has, at the very end, or answered by the assistant."""
_QUESTION = re.compile(r"\n[ \t]*(?:Q|Question)[ \t]*\d{0,2}[:.)][^\n]+\n+[ \t]*(?:A|Answer)[ \t]*\d{0,2}[:.)]")
WHAT = {"goes on": "goes on as another speaker", "inside": "a stop sequence within", "end": "ends in a stop sequence"}
NEXT_WITHIN = 400
"""The next question stands within so many characters: an answer that is one of several is brief. Chosen by us."""
_LABEL = re.compile(r"^[ \t#*_>-]*([^\W_][\w ,'’()/-]{0,38}?)[ \t*_]*:", re.MULTILINE)


class Measure(Options):
    """What stops."""

    stops: list[str] = Field(default_factory=list, description="texts that stopped your model, as [END, \"\\nUser:\"]")
    known: bool = Field(True, description="false: only the texts in `stops`, not the well-known ones and speakers")


class Bounds(Options):
    """What becomes of a row with one."""

    act: Literal["drop", "flag"] = Field("drop", description="what becomes of a row that should have stopped")


class StopSequence(AnswerRule[Measure, Bounds]):
    """Says `goes on: WORDS`, `inside: WORDS`, `end: WORDS`, `asked: WORDS` or `none`."""

    kinds: ClassVar[tuple[str, ...]] = ("goes on", "inside", "end", "asked", "none")

    def look(self, exchange: Exchange) -> Measured | None:
        """The first of the worst kind, with its span."""
        text = exchange.answer
        own = min((at for at in map(text.find, filter(None, self.how.stops)) if at >= 0), default=-1)
        if own >= 0:
            stop = max((each for each in self.how.stops if each and text.startswith(each, own)), key=len)
            return _at(text, own, own + len(stop))
        if not self.how.known:
            return NONE
        if "<" in text or "[" in text:
            for found in _tokens().finditer(text):
                if not (found[0] == "</s>" and "<s>" in text[:found.start()]):  # HTML's struck words
                    asked = found[0] in exchange.asked or text.count("`", 0, found.start()) % 2
                    return quoting("asked", text, found.span()) if asked else _at(text, *found.span())
        return _going_on(exchange) or _word(exchange)

    def decide(self, measured: Measured) -> Decision:
        """As the option says; what was asked for is kept."""
        kind, words = kind_and_words(measured)
        if kind in ("none", "asked"):
            return Decision("keep")
        return Decision(self.bounds.act, f'{WHAT[kind]}: "{words}"')


@cache
def _tokens() -> re.Pattern[str]:
    """End tokens of all families."""
    return re.compile("|".join(re.escape(each) for each in sorted({*stops(), *OTHERS}, key=len, reverse=True)))


def _at(text: str, start: int, end: int) -> Measured:
    """`end` or `inside`, by what follows."""
    return quoting("inside" if text[end:].strip() else "end", text, (start, end))


def _word(exchange: Exchange) -> Measured:
    """`END` or `###` by itself, which code, tables and verse may have."""
    text = exchange.answer
    tail = text.rstrip()[-24:]
    at_end = ("END" in tail or "##" in tail) and _WORD_AT_END.search(text, max(0, len(text.rstrip()) - 24))
    found = at_end or (_WORD_INSIDE.search(text) if "\nEND" in text or "###" in text or "-END" in text else None)
    if not found or kind_of(text) in ("code", "json", "table", "label"):
        return NONE
    start = found.start() + len(found[0]) - len(found[0].lstrip())
    word = found[0].strip()
    if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", exchange.asked):
        return quoting("asked", text, (start, found.end()))
    return _at(text, start, found.end())


def _going_on(exchange: Exchange) -> Measured | None:
    """A line in which another speaks, or with which the prompt's next example begins."""
    text = exchange.answer
    if "\n" not in text or ":" not in text:
        return None
    if again := _next_example(exchange):
        return quoting("goes on", text, again.span())
    found = _SPEAKER.search(text) or _QUESTION.search(text, 0, 3 * NEXT_WITHIN)
    if found and found.re is _QUESTION and found.start() > NEXT_WITHIN:
        return None
    if found is None or text.count("```", 0, found.start()) % 2:
        return None
    start = found.start() + len(found[0]) - len(found[0].lstrip())
    asked = _LABEL.match(text) or kind_of(text) in ("code", "json") or phrases(PHRASES)["talk"].search(exchange.asked)
    return quoting("asked" if asked else "goes on", text, (start, found.end()))


def _next_example(exchange: Exchange) -> re.Match[str] | None:
    """Where an answer repeats the form of a prompt that ends in a bare label: its first label, and then its last.

    A prompt with several bare labels is a form to be filled in, and so is an answer that begins with one of them.
    """
    prompt = exchange.prompt.rstrip()
    if not prompt.endswith(":"):
        return None
    labels = list(_LABEL.finditer(prompt))
    filled = [bool(prompt[label.end():after.start()].strip()) for label, after in pairwise(labels)]
    if True not in filled or not all(filled[filled.index(True):]):
        return None
    names, begun = [label[1] for label in labels[filled.index(True):]], _LABEL.match(exchange.answer)
    if names[0] == names[-1] or (begun and begun[1] in names[:-1]):
        return None
    first, last = map(re.escape, (names[0], names[-1]))
    again = rf"\n[ \t#*_]*{first}[ \t*_]*:[^\n]*(?:\n[^\n]*){{0,20}}?\n[ \t#*_]*{last}[ \t*_]*:"
    return re.search(again, exchange.answer)


plugin: type[Rule[Measure, Bounds]] = StopSequence

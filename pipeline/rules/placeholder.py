"""Finds places that nobody filled and labels of the prompt's template that leaked into the answer.

`slot`: `{{name}}`, `{genre}`, `[INSERT NAME]`, `<your text here>`, lorem ipsum. `label`: the answer opens with the
prompt's last label (`PLOT OUTLINE:`), with `### Response:` or with `Assistant:`. `maybe`: what is right in many
answers too, as `[Your Name]` in a letter, `[TODO]` or `Answer:` at the head. A prompt that holds the same place, or
asks for a template or a form, asked for it: `asked`; where it asks for a letter, each place is `maybe`. Braces in
code, JSON and formulas are no places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ..kinds import kind_of
from ..views import one_of
from . import Decision, Measured, Options, Rule, kind_and_words
from ._answers import NONE, AnswerRule, Exchange, quoting
from ._phrases import phrases

PHRASES = Path(__file__).with_name("placeholder.phrases")
_SLOT = re.compile(
    r"(?<![\w\\}^_{$])\{\{\s*[A-Za-z_][\w. |-]{0,40}\s*\}\}(?!\})"
    r"|(?<![\w\\}^_{$%@])\{[A-Za-z][a-z]{2,}(?:[_ ][A-Za-z]+){0,3}\}(?![\w}{^_])"
    r"|(?<!\\)\$\{[A-Za-z_]\w{2,30}\}"
    r"|[\[<{]\s?(?i:(?:please )?(?:insert|enter|add|fill in|type|paste|put|write)) [^\[\]<>(){}\n]{2,60}?"
    r"(?:(?i:here)\s?[\]>}]|[\]>])"
    r"|[\[<{]\s?(?i:your|the|a|an|some|my) [^\[\]<>{}\n]{0,40}?\b(?i:goes )?(?i:here)\s?[\]>}]"
    r"|[\[<](?:INSERT|YOUR|ENTER|FILL)[ _][A-Z][A-Z0-9 _'-]{1,40}[\]>]"
    r"|(?i:lorem ipsum dolor)")
"""A place that a template left open."""
_MAYBE = re.compile(
    r"\[(?i:your|recipient(?:['’]s)?|sender(?:['’]s)?|company(?:['’]s)?|customer(?:['’]s)?|client(?:['’]s)?|employer(?:['’]s)?|hiring"
    r"|manager(?:['’]s)?|author(?:['’]s)?|friend(?:['’]s)?|product|first|last|full|phone|email|e-mail|mailing|street|insert|job|position)"
    r"[ _][A-Za-z'’/ _-]{2,40}\]"
    r"|\[(?i:name|date|address|company|city|state|country|title|number|amount|place|location|time|year|position|recipient|link|url"
    r"|topic|product|signature|email|phone|school|university|organi[sz]ation|city, state(?:,? zip(?: code)?)?)\](?!\()"
    r"|\[(?:TODO|TBD|FIXME|TK|XXX)\b[^\]\n]{0,60}\]|\b(?:TODO|FIXME)(?:\([\w ]*\))?: |\b(?:XXXX+|_{6,})")
"""A place that a letter or a form leaves to its reader."""
_HEAD = re.compile(
    r"\s*(?:(?P<own>\#{2,}\s*(?:Response|Output|Completion|Assistant)|(?:\*\*|__)?(?:Assistant|AI|Bot|ChatGPT|GPT|Model))"
    r"|(?:\*\*|__|\#{1,6}\s*)?(?P<word>Answer|Response|Output|Completion|Reply|Result|A))\s*(?:\*\*|__)?\s*:(?:\*\*|__)?(?=\s|$)")
"""Labels at the head: the first ones are no part of any answer but a script."""
_LAST_LABEL = re.compile(r"(?:^|\n)[ \t#*_>]*([^\W_][^\n:：]{0,38})[*_ ]*[:：][ \t*_]*$")
_SLOT_BEGINS = re.compile(r"[\[<{$]|[Ll](?=[Oo][Rr][Ee][Mm] )")
_MAYBE_BEGINS = re.compile(r"\[|TODO|FIXME|XXXX|______")
"""With these begins what the two find."""
_HINTS = ("{", "[", "<", "orem ipsum", "TODO:", "TODO(", "FIXME", "XXXX", "______")


class Measure(Options):
    """Nothing to set: what is looked for is the rule's version."""


class Bounds(Options):
    """What becomes of a row with open places."""

    act: Literal["drop", "flag"] = Field("drop", description="for open places and leaked labels")
    maybe: Literal["flag", "drop", "keep"] = Field("flag", description="for those that letters and forms have rightly")


class Placeholder(AnswerRule[Measure, Bounds]):
    """Says `slot: WORDS`, `label: WORDS`, `maybe: WORDS`, `asked: WORDS` or `none`."""

    version: ClassVar[int] = 2
    kinds: ClassVar[tuple[str, ...]] = ("slot", "label", "maybe", "asked", "none")

    def look(self, exchange: Exchange) -> Measured | None:
        """The first words of the worst kind, with their span."""
        text = exchange.answer
        found = _label(exchange) or NONE
        if not one_of(_HINTS, text):
            return found
        places = [*(("slot", place) for place in _places(_SLOT, _SLOT_BEGINS, text)),
                  *(("maybe", place) for place in _places(_MAYBE, _MAYBE_BEGINS, text))]
        if not places or kind_of(text) in ("code", "json"):
            return found
        prompt, table = exchange.asked, phrases(PHRASES)
        template, letter = table["template"].search(prompt), table["letter"].search(prompt)
        for kind, place in places:
            if text.count("`", 0, place.start()) % 2:
                continue
            if template or place[0] in prompt:
                found = quoting("asked", text, place.span()) if found is NONE else found
                continue
            worst = "maybe" if letter else kind
            return quoting(worst, text, place.span()) if worst == "slot" or self._mild(found) else found
        return found

    @staticmethod
    def _mild(found: Measured) -> bool:
        """Whether nothing worse than `asked` was found."""
        return kind_and_words(found)[0] in ("none", "asked")

    def decide(self, measured: Measured) -> Decision:
        """What the options say of its kind."""
        kind, words = kind_and_words(measured)
        if kind in ("none", "asked"):
            return Decision("keep")
        if kind == "maybe":
            return Decision(self.bounds.maybe, f'open, or for the reader to fill: "{words}"')
        what = "a place that nobody filled" if kind == "slot" else "opens with a label of the prompt"
        return Decision(self.bounds.act, f'{what}: "{words}"')


def _places(pattern: re.Pattern[str], begins: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """What `pattern.finditer` finds, looked for only where it can begin: many times as fast."""
    at = 0
    while begin := begins.search(text, at):
        found = pattern.match(text, begin.start())
        if found:
            yield found
        at = found.end() if found else begin.start() + 1


def _label(exchange: Exchange) -> Measured | None:
    """The label that an answer opens with, if it is one."""
    text, prompt = exchange.answer, exchange.prompt.rstrip()
    if ":" not in text[:60] and "：" not in text[:60]:
        return None
    last = _LAST_LABEL.search(prompt, max(0, len(prompt) - 60)) if prompt.endswith((":", "：", "*")) else None
    if last:
        again = re.match(rf"[\s#*_>]*({re.escape(last[1].strip())})[*_ ]*[:：]", text, re.IGNORECASE)
        if again:
            return quoting("label", text, again.span(1))
    found = _HEAD.match(text)
    if found is None:
        return None
    prompt = exchange.asked
    talk = phrases(PHRASES)["talk"].search(prompt)
    if found["own"]:
        asked = bool(talk) or kind_of(text) == "dialogue"
        return quoting("asked" if asked else "label", text, found.span("own"))
    told = talk or re.search(rf"\b{found['word']}\s*:", prompt)
    return quoting("asked" if told else "maybe", text, found.span("word"))


plugin: type[Rule[Measure, Bounds]] = Placeholder

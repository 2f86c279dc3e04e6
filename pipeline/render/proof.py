"""The proof of a rendering: text preserved, nothing injected, one begin token, the stop token behind each answer.

What a template sets a conversation in is found by rendering the same roles with marks in place of the texts. A
rendering is proven when it is these settings with the row's own texts between them, and nothing else; when the
settings hold what the family's model is to be trained on (begin tokens, and the stop token behind each answer); and
when what the tuned model is given before each answer is how the rendering begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from pipeline.types import Problem

from .control import Family

Said = Sequence[tuple[str, str]]
"""A conversation as (role, text)."""
MARKS = frozenset({"system", "developer", "user", "assistant", "model", "human", "inst", "sys", "instruction", "input",
                   "response"})
"""Words with which templates say who speaks."""
_FAULT = "this is a fault of the format's template"


class TemplateRefusal(Exception):
    """A template raises on a conversation, as many do on roles that they do not know; the message is its own."""


class Template(NamedTuple):
    """What is proven.

    Attributes:
        render: a conversation's text. It may strip the ends of texts, and do nothing else to them.
        prompt: what the model is given to answer a conversation; None where nobody asks so.
        added: whether the template may write words that nobody wrote.
        fix: what to do where the template itself does wrong.
        lost: what to do where it loses a text.
        steady: whether the template writes the same on every day, for these roles.
    """

    render: Callable[[Said], str]
    prompt: Callable[[Said], str] | None = None
    added: bool = False
    fix: str = _FAULT
    lost: str = _FAULT
    steady: Callable[[Said], bool] = lambda said: True


class Proof:
    """Proves renderings by one template.

    Args:
        family: what its tokenizer takes for no text, and what begins and ends.
        template: see Template; a bare function is its `render`.
    """

    def __init__(self, family: Family, template: Template | Callable[[Said], str]) -> None:
        self._family = family
        self._template = template if isinstance(template, Template) else Template(template)
        self._known: dict[tuple[str, ...], tuple[list[str], list[Problem]]] = {}

    def problems(self, text: str, said: Said, where: str) -> Iterator[Problem]:
        """What a rendering does not hold of what it should; nothing where it is proven.

        Args:
            text: the rendering, as it stands in the file.
            said: the row's own turns, as nobody has rendered them.
            where: the row, for the problems.
        """
        held = [(number, found) for number, (_, content) in enumerate(said, 1) for found in self._family.held(content)]
        for number, token in held:
            yield _error("control-token", where, f"message {number} contains the control token {token}",
                         "take it out of the text: in the tokenizer it would no longer be text")
        if held or not said:
            return
        parts, found = self.parts(tuple(role for role, _ in said))
        yield from (Problem(each.severity, each.code, where, each.message, each.fix) for each in found)
        if not parts:
            return
        if not _is_made_of(text, parts, said):
            yield _unlike(text, said, where)
        elif self._template.prompt and said[-1][0] == "assistant" and not found:
            given = self._template.prompt(said[:-1])
            if not text.startswith(given):
                yield self._not_prefix(len(said), where)

    def parts(self, roles: tuple[str, ...]) -> tuple[list[str], list[Problem]]:
        """What the texts of these roles are set in, none where a text is lost; and what is wrong there."""
        if roles not in self._known:
            self._known[roles] = self._settings(roles)
        return self._known[roles]

    def _settings(self, roles: tuple[str, ...]) -> tuple[list[str], list[Problem]]:
        try:
            parts, lost = settings(self._template.render, roles)
        except TemplateRefusal as refusal:
            system = "system" in roles
            return [], [_error("system-refused" if system else "template-refuses", "",
                               f"the template refuses {'a system text' if system else ', '.join(roles)}: {refusal}",
                               self._template.lost if system else self._template.fix)]
        if lost:
            what = f"the template does not write the text of message {lost[0]} ({roles[lost[0] - 1]}) once"
            return [], [_error("text-lost", "", what, self._template.lost)]
        return parts, list(self._unsound(roles, parts))

    def _unsound(self, roles: tuple[str, ...], parts: list[str]) -> Iterator[Problem]:
        """What a template itself does wrong, whatever the texts are."""
        kind, fix = self._family, self._template.fix
        said = list(zip(roles, marks(len(roles)), strict=True))
        if not self._template.steady(said):
            yield _error("date-written", "", "the template writes today's date, so the rows would be others tomorrow",
                         fix)
        words = unwritten(map(kind.without, parts), kind.words)
        if words and not self._template.added:
            yield _error("text-injected", "", f"the template adds what nobody wrote: {_short(' '.join(words))}", fix)
        wanted = 0 if not kind.begin else roles.count("assistant") if kind.begins == "exchange" else 1
        begins = sum(part.count(kind.begin) for part in parts) if kind.begin else 0
        if begins < wanted or not parts[0].startswith(kind.begin):
            yield _error("no-begin", "", f"{kind.begin} does not begin each {kind.begins}", fix)
        elif begins > wanted:
            yield _error("double-begin", "", f"{begins} times {kind.begin}, and {wanted} belong there", fix)
        for number, role in enumerate(roles, 1):
            ends = kind.stop and parts[number].lstrip(" \n").startswith(kind.stop)
            if role == "assistant" and not ends:
                yield _error("stop-not-trained", "", f"{kind.stop or 'no token'} does not follow answer {number}: "
                             "the model would not learn to end", fix)
                break
        yield from self._unlike_prompt(said)

    def _unlike_prompt(self, said: Said) -> Iterator[Problem]:
        """The first answer that is trained behind something else than the model is given when it is asked."""
        if self._template.prompt is None:
            return
        whole = self._template.render(said)
        for number, (role, _) in enumerate(said):
            if role == "assistant" and number and not whole.startswith(self._template.prompt(said[:number])):
                yield self._not_prefix(number + 1, "")
                return

    def _not_prefix(self, number: int, where: str) -> Problem:
        return _error("prompt-not-prefix", where,
                      f"the answer in message {number} is trained behind another text than the model is given when it "
                      "is asked", f"divide the row at its answers; else {self._template.fix}")


def marks(count: int) -> list[str]:
    """Texts that no template has."""
    return [f"\ue000{number}\ue001" for number in range(count)]  # private use


def settings(render: Callable[[Said], str], roles: Sequence[str]) -> tuple[list[str], list[int]]:
    """What a template writes before, between and behind the texts of a conversation.

    Args:
        render: the template.
        roles: of the conversation's turns.

    Returns:
        One part more than there are turns; and the numbers, from 1, of turns whose text is not written exactly once,
        with which the parts say nothing.
    """
    texts = marks(len(roles))
    whole = render(list(zip(roles, texts, strict=True)))
    lost = [number for number, mark in enumerate(texts, 1) if whole.count(mark) != 1]
    return re.split("|".join(texts), whole), lost


def unwritten(parts: Iterable[str], words: Collection[str]) -> list[str]:
    """Words of a template, control tokens taken out, that are no names of roles: nobody wrote them."""
    found = " ".join(parts).split()
    return [word for word in found if word.strip(":#*[]<>/|").lower() not in {*words, ""}]


def _is_made_of(text: str, parts: Sequence[str], said: Said) -> bool:
    """Whether a text is these parts with the texts between them, each as it is or stripped at its ends."""
    ends = {len(parts[0])} if text.startswith(parts[0]) else set[int]()
    for (_, content), behind in zip(said, parts[1:], strict=True):
        forms = {content, content.strip(), content.lstrip(), content.rstrip()}
        ends = {end + len(form) + len(behind) for end in ends for form in forms if text.startswith(form + behind, end)}
    return len(text) in ends


def _unlike(text: str, said: Said, where: str) -> Problem:
    """What is different where a text is not made of its row: a text of the row is missing, or there is more."""
    at = 0
    for number, (role, content) in enumerate(said, 1):
        found = text.find(content.strip(), at)
        if found < 0:
            return _error("text-lost", where, f"the text of message {number} ({role}) is not in its rendering",
                          "this is a fault of the format: please report it with the row")
        at = found + len(content.strip())
    return _error("text-injected", where, "the rendering holds more, or less, than the row's texts and its template",
                  "rewrite the file: begin token, spaces and line breaks are part of the format")


def _short(text: str) -> str:
    return f"'{text[:80]}{'…' if len(text) > 80 else ''}'"


def _error(code: str, where: str, message: str, fix: str) -> Problem:
    return Problem("error", code, where, message, fix)

"""A grid from an idea: a model proposes axes, values and prompts; what it says is read, and mended where it can be."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.alike import distinct
from pipeline.errors import RecipeError
from pipeline.json_text import Unread, json_in
from pipeline.recipe import RESERVED, VARIABLE
from pipeline.types import Scalar

from ._question import Question

FEWEST, MOST = 8, 15
"""Values of an axis that are asked for."""
LONGEST = 100
"""Characters of a value; what is longer is a text and no value."""
AXES = (2, 6)
"""Axes that a grid has at least and at most."""
WORDS = (20, 150)
"""Least and most words of an answer, where a model does not say."""
MOST_WORDS = 3000
MAX_TOKENS, EXPECTED = 6000, 900
"""Output limit of the question, with room for a model that thinks first and within a context of 8,192; and about what
4 axes of 12 values of 4 words take."""

ASKED = """\
You plan a data set of synthetic texts for training a language model. The idea, between the lines:
---
{idea}
---
Propose axes along which such texts differ: 3 to 5 of them, independent of each other, so that any value of one goes \
with any value of the others. Each has {fewest} to {most} values of at most six words. No two values of an axis mean \
nearly the same, none is "other" or "various", and together they cover what occurs in life, the rare included.

Answer with one JSON object and nothing else:
{{"axes": {{"name": ["value", "value"]}}, "prompt": "...", "train": "...", "words": [40, 120],
 "alike": {{"name": [["value that stays", "value that goes"]]}}}}
- the name of an axis is one English word in lower case, none of {reserved};
- "prompt" is what a writer is asked for one text. It holds {{{{name}}}} for every axis, once, where its value reads \
well. It says what makes such a text good, and how long it is;
- "train" is the short request that the trained model will get in its place, with {{{{name}}}} where values go;
- "words" is the least and the most words of such a text;
- "alike" comes last: read your lists again, and name here the pairs of values of one axis that mean nearly the same \
after all, as happy and joyful do; {{}} where there are none.
All of it in the language of the idea, but for the names."""

_MARK = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_SINGLE = re.compile(r"(?<!\{)\{\s*([^{}\n]{1,40}?)\s*\}(?!\})")


@dataclass(frozen=True)
class Proposal:
    """A grid that was proposed.

    Attributes:
        axes: name -> values; at least two axes of two values.
        prompt: what the writer is asked; names every axis.
        train: what the tuned model will see; names one axis at least.
        words: least and most words of an answer.
        notes: what was changed of the answer, a sentence each.
    """

    axes: Mapping[str, list[Scalar]]
    prompt: str
    train: str
    words: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def cells(self) -> int:
        """How many combinations there are."""
        count = 1
        for values in self.axes.values():
            count *= len(values)
        return count


def question(idea: str, name: str) -> Question[Proposal]:
    """What is asked for an idea. The same words make the same call.

    Raises:
        RecipeError: there is no idea.
    """
    told = "\n".join(line.rstrip() for line in _clean(idea, lines=True).strip().splitlines())
    if not told:
        raise RecipeError("--idea is empty", f'synth init {name} --idea "support tickets of a bank app"')
    text = ASKED.format(idea=told, fewest=FEWEST, most=MOST, reserved=", ".join(RESERVED))
    again = shlex.quote(told) if "\n" not in told and len(told) <= LONGEST else "'...'"
    instead = (
        f"synth init {name} --idea {again} --model OTHER   asks another model\n"
        f"synth init {name} --idea '...'   asks with other words; the same ones have this answer\n"
        f"synth init {name} --blank   a recipe to fill in by hand"
    )
    return Question(text, lambda text: read(text), lambda text: read(text, fewest=2), MAX_TOKENS, EXPECTED,
                    {"idea": told}, instead)


def read(text: str, fewest: int = FEWEST) -> Proposal:
    """The proposal that an answer holds, without near-synonyms.

    Args:
        text: the answer.
        fewest: values that an axis must have been given.

    Raises:
        Unread: it holds none that can be used.
    """
    value = json_in(text)
    if not isinstance(value, dict) or not isinstance(value.get("axes"), dict):
        raise Unread('it is no object with "axes" as an object of lists')
    notes: list[str] = []
    names: dict[str, str] = {}
    axes: dict[str, list[Scalar]] = {}
    for given, values in value["axes"].items():
        name = _name(given, axes)
        if name != given:
            notes.append(f"renamed '{_clean(given)}' to {name}")
        names[given.strip().casefold()] = name
        axes[name] = _values(given, values, fewest, notes)
    if not AXES[0] <= len(axes) <= AXES[1]:
        raise Unread(f"it has {len(axes)} axes, not {AXES[0]} to {AXES[1]}")
    _leave_out(value.get("alike"), axes, names, notes)
    notes += [f"{name} has only {len(values)} values: synth plan NAME --more {name}={FEWEST}"
              for name, values in axes.items() if len(values) < FEWEST]
    prompt = _template(value.get("prompt"), "prompt", names)
    missing = [name for name in axes if name not in _MARK.findall(prompt)]
    if missing:
        prompt = "\n".join([prompt, "", *(_line(name) for name in missing)])
        notes.append(f"the prompt did not name {', '.join(missing)}: a line for each stands at its end")
    train = _train(value.get("train"), names, notes)
    return Proposal(axes, prompt, train, _words(value.get("words")), tuple(notes))


def changed(proposal: Proposal, axis: str, added: Iterable[str], removed: Iterable[str]) -> Proposal:
    """The proposal after a person's hand: it wins, so that only what is there already is left out.

    Raises:
        RecipeError: a value that is not there, or an axis that would keep less than one.
    """
    values = [value for value in proposal.axes[axis] if str(value) not in set(removed)]
    values += [value for value in dict.fromkeys(added) if value not in map(str, values)]
    if not values:
        raise RecipeError(f"{axis} would have no value left")
    return replace(proposal, axes={**proposal.axes, axis: values})


def _name(given: str, taken: Mapping[str, Any]) -> str:
    """A variable for what an axis was called."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", given.replace("ß", "ss")).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain).strip("_").lower()[:40]
    if not VARIABLE.fullmatch(name):
        name = f"axis_{name}".rstrip("_")
    if name in RESERVED or name in taken:
        name = next(each for number in range(2, 1000) if (each := f"{name}_{number}") not in taken)
    return name


def _values(axis: str, given: Any, fewest: int, notes: list[str]) -> list[Scalar]:
    if not isinstance(given, list):
        raise Unread(f"the values of {axis!r} are no list")
    if any(isinstance(value, bool) or not isinstance(value, str | int | float) for value in given):
        raise Unread(f"a value of {axis!r} is no text")
    numbers = {str(value): value for value in given if not isinstance(value, str)}
    found = [text for value in given if (text := _clean(str(value)))]
    if len(found) < fewest:
        raise Unread(f"{axis!r} has {len(found)} values, not {FEWEST} to {MOST}")
    long = [value for value in found if len(value) > LONGEST]
    if long:
        notes.append(f"{axis}: left out what is longer than {LONGEST} characters: '{long[0][:40]}...'")
    kept, dropped = distinct([value for value in found if len(value) <= LONGEST])
    notes += [f"{axis}: dropped {each}" for each in dropped]
    if len(kept) < 2:
        raise Unread(f"the values of {axis!r} are all the same")
    if len(kept) > MOST:
        notes.append(f"{axis}: {MOST} of {len(kept)} values taken; not taken: {', '.join(kept[MOST:])}")
    return [numbers.get(value, value) for value in kept[:MOST]]


def _leave_out(alike: Any, axes: dict[str, list[Scalar]], names: Mapping[str, str], notes: list[str]) -> None:
    """Takes out what the model itself calls near-synonyms, in place; what cannot be read there is no fault."""
    for given, pairs in alike.items() if isinstance(alike, dict) else ():
        axis = names.get(str(given).strip().casefold(), "")
        for pair in pairs if isinstance(pairs, list) and axis else ():
            stays, *goes = [_clean(str(each)) for each in pair] if isinstance(pair, list) and pair else [""]
            for value in goes:
                there = list(map(str, axes[axis]))
                if stays in there and value in there and value != stays and len(there) > AXES[0]:
                    del axes[axis][there.index(value)]
                    notes.append(f"{axis}: dropped '{value}' (near '{stays}': the model says so)")


def _template(given: Any, what: str, names: Mapping[str, str]) -> str:
    """A template with names as the axes have them, and nothing else between braces."""
    if not isinstance(given, str) or not given.strip():
        raise Unread(f'"{what}" is no text')
    known = {*names.values()}

    def mark(found: re.Match[str]) -> str:
        return f"{{{{{names.get(found[1].casefold(), found[1])}}}}}"

    def single(found: re.Match[str]) -> str:
        return mark(found) if names.get(found[1].casefold(), found[1]) in known else found[0]

    lines = _clean(given, lines=True).strip().splitlines()
    text = _MARK.sub(mark, _SINGLE.sub(single, "\n".join(line.rstrip() for line in lines)))
    unknown = [name for name in _MARK.findall(text) if name not in known]
    if unknown:
        raise Unread(f'"{what}" names {{{{{unknown[0]}}}}}, which is no axis')
    if re.search(r"\{\{|\}\}|\{%|%\}|\{#", _MARK.sub("", text)):
        raise Unread(f'"{what}" holds braces that are not {{{{name}}}}')
    return text


def _train(given: Any, names: Mapping[str, str], notes: list[str]) -> str:
    """The training prompt; one of ours where there is none that can be used, which is not worth another call."""
    try:
        text = _template(given, "train", names)
        if _MARK.search(text):
            return text
        fault = '"train" names no axis'
    except Unread as error:
        fault = str(error)
    notes.append(f"{fault}: the training prompt names every axis on a line")
    return "\n".join(_line(name) for name in names.values())


def _line(name: str) -> str:
    return f"{name.replace('_', ' ').capitalize()}: {{{{{name}}}}}"


def _words(given: Any) -> tuple[int, int]:
    numbers = given if isinstance(given, list) else []
    if len(numbers) == 2 and all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        least, most = numbers
        if 0 < least <= most <= MOST_WORDS:
            return least, most
    return WORDS


def _clean(text: str, *, lines: bool = False) -> str:
    """A text without control characters and without what UTF-8 cannot hold; on one line unless `lines`."""
    from pipeline.words import printable

    plain = printable(text)
    return plain if lines else " ".join(plain.split())

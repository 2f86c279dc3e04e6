"""Asks the writer for the sections that an answer lacks, for these alone, and puts them where they belong.

Without options they are those of a numbered list in the row's own prompt, as the rule `sections` takes them. Sections
that are there stay to the byte. A child is refused where one is still missing, or says what another one says."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from pydantic import Field

from ..endings import was_cut
from ..headings import (
    EMPTY,
    Place,
    is_pattern,
    lacking,
    missing_numbers,
    missing_sections,
    number_places,
    section_places,
)
from ..openers import offer_of
from ..shingles import Shingler, jaccard
from ..types import Call, Message, Sample
from ..views import answer, asked, said
from ..words import plural
from . import OptionFault, Options, Refused, Rewrite
from ._answers import conversation

COPY = 0.8
"""A new section that shares so much of its runs of words with another one is a copy of it. Chosen by us."""
BETWEEN = "\n\n"
"""Between two sections, of a text that has only one."""
ASK = (
    "The text above lacks {what}. Write {only}, each with its heading as it stands here, followed by its text:\n\n"
    "{heads}\n\nKeep to what the other sections say, to their form and their length. Do not repeat the other sections, "
    "and do not comment."
)


class How(Options):
    """Which sections an answer has to have."""

    sections: list[str] | None = Field(None, min_length=1, description="their names; without: the prompt's list")
    count: int | None = Field(None, ge=1, le=999, description="or how many numbered ones")


class Parts(NamedTuple):
    """A text by its sections.

    Attributes:
        names: of all sections that are wanted; empty names where they are only numbered.
        places: of those that are there, also empty ones.
        missing: numbers of those that are missing or empty, from 0 on.
    """

    names: tuple[str, ...]
    places: dict[int, Place]
    missing: list[int]


class FillSections(Rewrite[How]):
    """Fills once: a filled row is not filled again."""

    cures = frozenset({"sections", "cut-ending"})

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Reads `- fill_sections: 15` and `- fill_sections: [Setup, Finale]`.

        Raises:
            OptionFault: both, or a pattern, whose heading nobody could write.
        """
        value = options.pop("value", None)
        if value is not None:
            options["count" if isinstance(value, int) else "sections"] = value
        names = options.get("sections")
        if names is not None and options.get("count") is not None:
            raise OptionFault("either names or a count", "- fill_sections: {count: 15}")
        if isinstance(names, list) and any(is_pattern(str(name)) or not str(name).strip() for name in names):
            raise OptionFault("sections: names, for they are written as headings", "- fill_sections: [Setup, Finale]")
        return options

    def applies(self, sample: Sample) -> bool:
        """Answers that have some of the sections, and not all."""
        if sample.provenance.get("augmentation") == self.name or not answer(sample) or said(sample) != sample.answer:
            return False  # of a talk, the sections may stand in several answers
        parts = self._parts(sample, sample.answer)
        return parts is not None and bool(parts.missing) and len(parts.missing) < len(parts.names)

    def messages(self, sample: Sample) -> list[Message] | None:
        """The conversation, and the headings that are to be filled; None where nothing can be."""
        parts = self._parts(sample, sample.answer)
        if parts is None or self._hindered(sample, parts):
            return None
        what = plural(len(parts.missing), "section")
        only = "only this one" if len(parts.missing) == 1 else "only these"
        heads = "\n".join(_head(sample.answer, parts, number).rstrip() for number in parts.missing)
        return conversation(sample, ASK.format(what=what, only=only, heads=heads))

    def change(self, sample: Sample) -> Refused:
        """Why nobody was asked."""
        parts = self._parts(sample, sample.answer)
        return (parts and self._hindered(sample, parts)) or Refused("unchanged", "no section is missing")

    def output_bytes(self, sample: Sample) -> int:
        """A guess: the missing sections are as long as the others."""
        parts = self._parts(sample, sample.answer)
        size = len(sample.answer.encode("utf-8", "surrogatepass"))
        return size * len(parts.missing) // max(1, len(parts.names) - len(parts.missing)) if parts else size

    def text(self, sample: Sample, call: Call) -> str | Refused:
        """The parent's text with the new sections in their places."""
        old = sample.answer
        parts = self._parts(sample, old)
        if parts is None:
            return Refused("unchanged", "no section is missing")
        new = self._written(call.text, parts)
        merged = _merged(old, parts, new)
        still = self._parts(sample, merged, parts.names)
        if still is None or still.missing:
            names = [parts.names[number] or str(number + 1) for number in (still or parts).missing]
            return Refused("still-missing", f"lacks {plural(len(names), 'section')}: {', '.join(names[:5])}")
        return _copied(old, parts, new) or merged

    def _parts(self, sample: Sample, text: str, names: tuple[str, ...] | None = None) -> Parts | None:
        """A text by the sections that are wanted of it; None where none are."""
        if self.how.count is not None:
            lacks = {int(name.removesuffix(EMPTY)) - 1 for name in missing_numbers(text, self.how.count)}
            return Parts(("",) * self.how.count, number_places(text, self.how.count), sorted(lacks))
        wanted = names or (None if self.how.sections is None else tuple(self.how.sections))
        if wanted is None:
            listed = lacking(asked(sample), text)
            if listed is None:
                return None
            wanted = listed[0]
        gone = {name.removesuffix(EMPTY) for name in missing_sections(text, wanted)}
        return Parts(wanted, section_places(text, wanted), [i for i, name in enumerate(wanted) if name in gone])

    def _hindered(self, sample: Sample, parts: Parts) -> Refused | None:
        """Why a text cannot be filled: it breaks off within a section, or its numbers are not those of the list."""
        text = sample.answer
        there = [place for number, place in parts.places.items() if number not in parts.missing]
        if not there:
            return Refused("no-section", "none of the sections is there")
        last = max(there)
        later = [place.begin for number, place in parts.places.items() if number in parts.missing and place > last]
        body = text[: min(later)] if later else text
        if was_cut(body, sample.provenance.get("finish_reason")):
            return Refused("was-cut", "the text was cut within a section: `continue` goes on from there")
        for number, place in parts.places.items():
            digits = _digits(text[place.begin:place.name])
            if digits and int(digits) != number + 1:
                name = parts.names[number]
                return Refused("other-numbers", f"{name} is number {digits} in the text, and {number + 1} of the list")
        return None

    def _written(self, text: str, parts: Parts) -> dict[int, str]:
        """What a writer wrote for each of the missing sections."""
        text = text[: offer_of(text, "")]
        count = len(parts.names)
        places = number_places(text, count) if self.how.count is not None else section_places(text, parts.names)
        if not places and len(parts.missing) == 1:
            return {parts.missing[0]: text.strip()}
        ends = _ends(text, places)
        return {number: text[place.body:ends[place.begin]].strip() for number, place in places.items()
                if number in parts.missing}


def _ends(text: str, places: dict[int, Place]) -> dict[int, int]:
    """Where each section ends, by where it begins."""
    begins = sorted(place.begin for place in places.values())
    return dict(zip(begins, [*begins[1:], len(text)], strict=False))


def _digits(lead: str) -> str:
    """The number in what stands before a section's name."""
    return "".join(character for character in lead if character.isascii() and character.isdigit())


def _head(text: str, parts: Parts, number: int) -> str:
    """The heading of a missing section, in the form of those that are there."""
    if number in parts.places:
        place = parts.places[number]
        lead, name = text[place.begin:place.name], text[place.name:place.name_end]
    else:
        like = parts.places[min(parts.places, key=lambda each: (abs(each - number), each))]
        lead, name = text[like.begin:like.name], parts.names[number]
        if digits := _digits(lead):
            lead = lead.replace(digits, str(number + 1), 1)
    there = (place for each, place in parts.places.items() if each not in parts.missing)
    tails = Counter(text[place.name_end:place.body] for place in there)
    return lead + name + (tails.most_common(1)[0][0] if tails else ": ")


def _merged(text: str, parts: Parts, new: dict[int, str]) -> str:
    """A text with new sections: an empty one is filled where it stands, others stand behind the one before them."""
    order = sorted(parts.places, key=lambda number: parts.places[number].begin)
    ends = _ends(text, parts.places)
    begins = [parts.places[number].begin for number in order]
    blocks = {number: text[begin:ends[begin]] for number, begin in zip(order, begins, strict=True)}
    body = text.rstrip()
    gaps = Counter("".join(block[len(block.rstrip()):].split(" ")) for block in list(blocks.values())[:-1])
    gap = gaps.most_common(1)[0][0] if gaps else BETWEEN
    told = {number: block.rstrip() for number, block in blocks.items()}
    after = {number: block[len(block.rstrip()):] for number, block in blocks.items()}
    if order:
        after[order[-1]] = gap
    for number in parts.missing:
        if not new.get(number):
            continue
        if number not in told:
            before = next((each for each in range(number - 1, -1, -1) if each in told), None)
            order.insert(0 if before is None else order.index(before) + 1, number)
            after[number] = gap
        told[number] = _head(text, parts, number) + new[number]
    whole = "".join(told[number] + after[number] for number in order)
    return text[: begins[0] if begins else 0] + whole[: len(whole) - len(gap)] + text[len(body):]


def _copied(text: str, parts: Parts, new: dict[int, str]) -> Refused | None:
    """A new section that says what another one says."""
    shingler = Shingler()
    ends = _ends(text, parts.places)
    there = {number: text[place.body:ends[place.begin]] for number, place in parts.places.items()
             if number not in parts.missing}
    grams = {number: shingler.grams(each) for number, each in {**there, **new}.items()}
    for number in new:
        for other, theirs in grams.items():
            alike = 0.0 if other == number else jaccard(grams[number], theirs)
            if alike >= COPY:
                names = [parts.names[each] or f"section {each + 1}" for each in (number, other)]
                return Refused("near-copy", f"{names[0]} shares {alike:.2f} of its runs of words with {names[1]}")
    return None


plugin: type[Rewrite[How]] = FillSections

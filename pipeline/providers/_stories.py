"""Composes the rehearsal's prose: plots, letters, explanations, and longer versions of a given text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ._grammar import Dice, Writer, banks

PLOT_BYTES = (1010.0, 0.50)
"""Median and spread (sigma of the logarithm) of a plot's wanted length in bytes. With the faults of rehearsal.FAULTS
half of 396 plots reach 1,024 bytes, as 202 of 396 did in the original plot generator (tests hold this)."""
LONG_BYTES = 3700
"""Where that distribution is cut."""
SENTENCE_BYTES = 118
SETTING = 0.6
"""Share of plots that open by naming place and period; the others name them only in passing, or not at all."""
GENRES = {
    "romance": "romance romantic love wedding comedy sitcom",
    "fantasy": "fantasy fairy magic myth dragon sword",
    "scifi": "science sci-fi scifi space cyberpunk robot dystopia dystopian android",
    "horror": "horror thriller ghost vampire gothic haunted",
    "crime": "crime mystery detective noir heist murder whodunit",
    "action": "action adventure war western spy pirate",
}
ROLES = {
    "genre": "genre category kind type",
    "place": "place location setting country city town where",
    "period": "period era time year decade age when",
    "tone": "modifier tone mood style voice atmosphere",
    "hero": "hero heroine protagonist character name person author customer",
}
"""What an axis means, from its name. Other axes are themes, woven in as they stand."""
STORY = re.compile(r"\b(plot|story|stories|outline|film|movie|novel|screenplay|scene|synopsis|tale|fable|play)\b", re.I)
LETTER = re.compile(r"\b(ticket|e-?mail|letter|message|complaint|review|feedback|request|post|tweet|chat)s?\b", re.I)
_WORD = re.compile(r"[^\W\d_][\w'-]{4,}")
_COMMON = """about above after again answer around because before being below between complete could describe detail
detailed details during every example explain first following generate given great imagine include known
least length might other outline please plots possible sentence sentences should short something story
their there these thing things think those three through under until using where which while whole words
would write written"""
"""Words that say nothing of what a prompt is about."""
NO_THEME = "the matter at hand"
_NAME = re.compile(r"\b[A-Z][^\W\d_]+ [A-Z][\w'-]*[^\W\d_A-Z]\b")
_NO_NAME = ("Act", "The", "In", "On", "At", "A", "When", "Then", "For", "South", "New", "Port", "Cape", "Santa")
_SENTENCE = re.compile(r"(?<=[.!?])(?=\s)")


def genre_of(text: str) -> str:
    """The genre that a text names first; `drama` where it names none."""
    words = re.findall(r"[a-z-]+", text.lower())
    known = {word: genre for genre, names in GENRES.items() for word in names.split()}
    return next((known[word] for word in words if word in known), "drama")


def themes_in(prompt: str, count: int = 3) -> list[str]:
    """The words that a prompt is about: what it quotes, then its rarest-looking words in their order."""
    quoted = [text.strip() for text in re.findall(r"[\"“']([^\"”'\n]{3,60})[\"”']", prompt)]
    common = _COMMON.split()
    rest = prompt
    for text in quoted:
        rest = rest.replace(text, " ")
    words = [word for word in _WORD.findall(rest) if word.lower() not in common and not STORY.fullmatch(word)]
    longest = sorted(dict.fromkeys(words), key=len, reverse=True)[:count]
    return (quoted + [word for word in dict.fromkeys(words) if word in longest])[:count]


class Scene:
    """Who, where, when and what a text is about.

    Attributes:
        values: what the grammar's slots stand for.
        variants: which variant banks it uses: the genre's and the period's.
        themes: texts that must be mentioned.
    """

    def __init__(self, dice: Dice, cell: Mapping[str, Any], prompt: str) -> None:
        roles, self.themes = _roles(cell)
        if not cell:
            self.themes = themes_in(prompt)
        genre = roles.get("genre", "")
        place, period = roles.get("place"), roles.get("period")
        self.variants = {"genre": genre_of(genre or prompt), "period": _era(roles.get("period", ""))}
        country = _known(place or "", "place") or "any"
        self.names = names_of(dice, country, 3)
        hero, female = self.names[0]
        self.names[0] = (roles.get("hero", hero), female)
        form = next((m[0].lower() for m in re.finditer(r"film|movie|novel|play\b", prompt, re.I)), "story")
        towns = banks()[f"place.{country}"]
        values = {
            "hero": "\x01", "ally": "\x02", "rival": "\x03", "they": "she" if female else "he",
            "them": "her" if female else "him", "their": "her" if female else "his",
            "town": str(towns[dice.below(len(towns))].parts[0]), "kind": f"{_and(genre)} {form}".strip(),
            "number": str(100000 + dice.below(899999)), "amount": f"{9 + dice.below(900)}.{dice.below(100):02d}",
        }
        for key, value in (("place", place), ("period", period), ("tone", roles.get("tone"))):
            if value:
                values[key] = _and(value)
        if self.themes:
            values["theme"] = self.themes[0]
        elif not STORY.search(prompt):
            values["theme"] = NO_THEME
        self.values = values

    def writer(self, dice: Dice) -> Writer:
        """A writer for this scene."""
        return Writer(dice, self.values, self.variants)

    def named(self, text: str) -> str:
        """Puts names for the marks: the full name at the first mention, the first name afterwards."""
        for mark, (name, _) in zip("\x01\x02\x03", self.names):
            text = text.replace(mark, name, 1).replace(mark, name.split(" ", 1)[0])
        return text.replace("'s's", "'s")


def _roles(cell: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Axis values by role, and the values that have none."""
    roles: dict[str, str] = {}
    themes = []
    for axis, value in cell.items():
        text = str(value)
        role = _role(axis)
        if role is None and _known(text, "place"):
            role = "place"
        if role is None or role in roles:
            themes.append(text)
        else:
            roles[role] = text
    return roles, themes


def _role(axis: str) -> str | None:
    word = axis.lower().rstrip("s_0123456789")
    return next((role for role, names in ROLES.items() if word in names.split()), None)


def _known(value: str, bank: str) -> str | None:
    """The variant of a bank that a value names, as `south africa`."""
    low = value.lower()
    return next((name.partition(".")[2] for name in banks() if name.startswith(f"{bank}.") and name.partition(".")[2]
                 in low and not name.endswith(".any")), None) if low else None


def _and(text: str) -> str:
    return text.replace(" & ", " and ")


def _era(period: str) -> str:
    """Which devices a period has."""
    low = period.lower()
    if re.search(r"future|\b2[1-9]\d\d\b|tomorrow|space", low):
        return "future"
    year = re.search(r"\b(\d{3,4})", low)
    if year:
        return "ancient" if int(year[1]) < 1850 else "modern" if int(year[1]) < 1980 else "recent"
    if re.search(r"renaissance|medieval|middle ages|ancient|antiquity|victorian|baroque|century", low):
        return "ancient"
    return "recent"


def names_of(dice: Dice, country: str, count: int) -> list[tuple[str, bool]]:
    """Full names that fit a country, from Faker, and whether the person is a woman."""
    from faker.generator import Generator

    if f"first.{country}" in banks():
        first, last = banks()[f"first.{country}"], banks()[f"last.{country}"]
        picks = [(dice.below(len(first)), dice.below(len(last))) for _ in range(count)]
        return [(f"{first[i].parts[0]} {last[j].parts[0]}", i % 2 == 0) for i, j in picks]
    locales = banks().get(f"locale.{country}") or banks()["locale.america"]
    person = _person(str(locales[0].parts[0]))
    person.generator = Generator()
    person.generator.seed_instance(dice.below(1 << 40))
    romanized = hasattr(person, "last_romanized_name")
    names = []
    for _ in range(count):
        female = dice.random() < 0.5
        if romanized:
            ask = getattr(person, f"first_romanized_name_{'fe' if female else ''}male", person.first_romanized_name)
            names.append((f"{ask()} {person.last_romanized_name()}", female))
        else:
            given = person.first_name_female() if female else person.first_name_male()
            names.append((f"{given} {person.last_name()}", female))
    return names


def _person(locale: str) -> Any:
    """Faker's person provider of one locale: a millisecond, where all of Faker's providers take thirty."""
    from importlib import import_module

    from faker.generator import Generator

    return import_module(f"faker.providers.person.{locale}").Provider(Generator())


def plot(dice: Dice, cell: Mapping[str, Any], prompt: str, sentences: int | None = None, least: int = 0) -> str:
    """A plot in three acts.

    Args:
        dice: decides every choice.
        cell: axis name -> value, woven in.
        prompt: what was asked; its words stand in for a missing cell.
        sentences: how many; None draws a length from PLOT_BYTES.
        least: bytes that it must have at least, where a fault needs a long one.
    """
    scene = Scene(dice, cell, prompt)
    writer = scene.writer(dice)
    if sentences is not None and sentences <= 2:
        return scene.named(" ".join(writer.say("logline") for _ in range(sentences)))
    if sentences is None:
        wanted = max(least, min(LONG_BYTES, PLOT_BYTES[0] * math.exp(PLOT_BYTES[1] * _normal(dice))))
        sentences = max(2, round(wanted / SENTENCE_BYTES))
    set_out = {"place", "period"} <= scene.values.keys() and dice.random() < SETTING
    acts: list[list[str]] = [["setting" if set_out else "opening"], [], []]
    style = dice.random()
    head = writer.say("logline") if style >= 0.95 else ""
    order = ["inciting", "ending", "climax", "complication", "midpoint", "dark"]
    home = {"inciting": 0, "complication": 1, "midpoint": 1, "dark": 2, "climax": 2, "ending": 3, "texture": 1}
    beats = order[: sentences - 1]
    fill = ("complication", "texture", "complication", "dark", "opening", "complication", "inciting", "climax")
    beats += [fill[dice.below(len(fill))] for _ in range(sentences - 1 - len(beats))]
    if "tone" in scene.values and sentences > 3 and dice.random() < 0.6:
        beats[-1] = "tonal"
    middle = sorted((beat for beat in beats if beat != "ending"), key=lambda beat: (home.get(beat, 1), dice.random()))
    for beat in middle:
        acts[min(2, home.get(beat, 1 if beat != "opening" else 0))].append(beat)
    acts[2] += ["ending"] * ("ending" in beats)
    told = [[writer.say(beat) for beat in act] for act in acts]
    for theme in scene.themes[:6]:
        writer.values["theme"] = theme
        place = dice.below(len(told))
        told[place].insert(dice.below(len(told[place]) + 1), writer.say("theme"))
    head = head or writer.say("title").rstrip(".")
    return scene.named(_laid_out(style, head, [" ".join(act) for act in told if act]))


def _laid_out(style: float, head: str, acts: list[str]) -> str:
    """Acts as models lay them out: plain paragraphs, one block, with a title, with headings, under a logline."""
    if style < 0.45:
        return "\n\n".join(acts)
    if style < 0.60:
        return " ".join(acts)
    if style < 0.75 or style >= 0.95:
        return f"{head}\n\n" + "\n\n".join(acts)
    if style < 0.87:
        return "\n\n".join(f"Act {number}: {act}" for number, act in zip(("I", "II", "III"), acts))
    heads = ("## Act One", "## Act Two", "## Act Three")
    return f"# {head}\n\n" + "\n\n".join(f"{line}\n{act}" for line, act in zip(heads, acts))


def _normal(dice: Dice) -> float:
    """A standard normal number (Box-Muller)."""
    return math.sqrt(-2 * math.log(1 - dice.random())) * math.cos(2 * math.pi * dice.random())


def prose(dice: Dice, cell: Mapping[str, Any], prompt: str, sentences: int | None = None) -> str:
    """A letter where the prompt asks for one, else a short explanation of what it is about."""
    scene = Scene(dice, cell, prompt)
    writer = scene.writer(dice)
    family = "letter" if LETTER.search(prompt) else "explain"
    count = sentences or max(2, min(14, round(6 * math.exp(0.5 * _normal(dice)))))
    themes = [str(value) for axis, value in cell.items() if _role(axis) not in ("hero", "tone")] or scene.themes
    themes = themes or [NO_THEME]
    said = []
    for index in range(count):
        writer.values["theme"] = themes[index % len(themes)]
        bank = "open" if index == 0 else "close" if index == count - 1 else "body"
        said.append(writer.say(f"{family}.{bank}"))
    return scene.named(" ".join(said))


def longer(dice: Dice, text: str, cell: Mapping[str, Any], prompt: str, target: int) -> str:
    """The same text with further sentences between its own, until it has about `target` bytes."""
    extra = further(dice, text, cell, prompt, target - len(text.encode()))
    parts = _SENTENCE.split(text)
    if len(parts) < 2:
        return " ".join([text, *extra])
    room = len(parts) - 1
    for number in range(len(extra) - 1, -1, -1):
        parts.insert(1 + number * room // len(extra), f" {extra[number]}")
    return "".join(parts)


def further(dice: Dice, text: str, cell: Mapping[str, Any], prompt: str, size: int) -> list[str]:
    """Sentences of about `size` bytes that go on from a text, with its people."""
    scene = Scene(dice, cell, f"{prompt} {text}")
    found = [name for name in dict.fromkeys(_NAME.findall(text)) if name.split()[0] not in _NO_NAME]
    for index, name in enumerate(found[:3]):
        scene.names[index] = (name.split()[0], scene.names[index][1])
    writer = scene.writer(dice)
    is_story = bool(STORY.search(prompt)) or "genre" in {axis.lower() for axis in cell}
    if not is_story:
        writer.values.setdefault("theme", (scene.themes or [NO_THEME])[0])
    names = ("complication", "texture", "inciting", "complication", "dark") if is_story else ("explain.body",)
    said: list[str] = []
    while not said or (sum(len(line) for line in said) < size and len(said) < 200):
        said.append(writer.say(names[dice.below(len(names))]))
    return scene.named("\0".join(said)).split("\0")

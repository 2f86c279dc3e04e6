"""Reads what the rehearsal is asked for: a label, a score, JSON, a list, a longer text, a story, or prose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.types import Message

from . import _stories
from ._grammar import Dice, Writer

_LENGTHEN = re.compile(
    r"\b(expand|lengthen|(?<!no )longer|elaborate|extend|flesh (?:it |this )?out|too short|in more detail)\b", re.I)
_CONTINUE = re.compile(r"\b(continue|carry on|go on) (?:the|this|that|from|where|with|writing|it)\b", re.I)
_JOINT = re.compile(r"last words are:\n\n(.+?)\n\nBegin with exactly these words", re.S)
_HEADS = re.compile(r"heading as it stands here, followed by its text:\n\n(.+?)\n\nKeep to", re.S)
_OPENS = re.compile(r"(?:The|A|An|In|It|He|She|They|At|On|When|But|And|By|For|Then|One|Every|Each|No|There|Over|Take|"
                    r"Where|Start|People|Experience|After|With) ")
"""Words that stand small within a sentence."""
_LEAST = re.compile(
    r"(?:at least|minimum of|more than|no fewer than|no less than|over|minimum)\s+([\d][\d,.]*)\s*"
    r"(bytes?|characters?|chars?|words?|tokens?)", re.I)
_COUNT = re.compile(r"\b(\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten)[ -](sentence|word)s?\b", re.I)
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_CHOICE = re.compile(
    r"(?:one of(?: the following)?(?: \w+)?|choose (?:from|between|among)|labels?(?: are)?|either|"
    r"categor(?:y|ies)(?: are)?|options(?: are)?)\s*[:\s]\s*([^\n.]{3,300})", re.I)
_SHORT = re.compile(
    r"\b(one word|single word|only the (?:label|name|word|category)|just the (?:label|word)|yes or no|"
    r"(?:answer|reply|respond) with (?:one|only|a single|exactly one|just))\b", re.I)
_SCORE = re.compile(r"\b(?:score|rate|rating|grade|scale|number)\b[^.\n]{0,60}?\b(\d+)\s*(?:to|-|–|and)\s*(\d+)", re.I)
_LISTED = re.compile(r"\b(?:list|lines?|items?|ideas?|values?|names?|examples?)\b", re.I)
_LIST = re.compile(
    r"\b(?:list|name|give|suggest|propose|brainstorm)\b[^.\n]{0,30}?"
    r"\b(\d{1,3}|two|three|four|five|six|seven|eight|nine|ten)\b", re.I)
_BLOCK = re.compile(
    r"```[a-z]*\n(.*?)\n```|<(\w+)>\s*(.*?)\s*</\2>|\"\"\"\s*(.*?)\s*\"\"\"|^-{3,}\n(.*?)(?:\n-{3,}|\Z)",
    re.S | re.M)
HELD_FAULTS = {"first": 0.05, "repair": 0.25, "fenced": 0.1, "tie": 0.1}
"""Shares of answers that the recipe holds to labels, numbers or JSON. first: none that can be used; repair: nor is the
second try; fenced: JSON in a block, which can be used; tie: a judge who sees no difference. Set by us, not measured."""
_UNITS = {"word": 5.9, "token": 4.0}
"""Bytes of a unit; bytes and characters count as one."""


def last_text(messages: list[Message]) -> str:
    """The text of the last message that is not the assistant's."""
    for message in reversed(messages):
        if message.get("role") != "assistant":
            return _text(message)
    return ""


def _text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def short_answer(dice: Dice, messages: list[Message], cell: Mapping[str, Any], response_format: Any) -> str | None:
    """A label, a score, JSON, a list or a title, where that is what is asked; else None."""
    asked = last_text(messages)
    everything = "\n".join(_text(message) for message in messages)
    if isinstance(response_format, dict) and response_format.get("type") in ("json_object", "json_schema"):
        schema = (response_format.get("json_schema") or {}).get("schema") or {}
        return orjson.dumps(by_schema(dice, schema, cell, everything)).decode()
    if _JOINT.search(asked) or _HEADS.search(asked):
        return None
    head, tail = asked[:400], asked[-400:]
    frame = head if len(asked) <= 400 else f"{head}\n{tail}"
    if _SHORT.search(frame):
        if re.search(r"\byes or no\b", frame, re.I):
            return ("Yes", "No")[dice.below(2)]
        score, choice = _SCORE.search(frame), _CHOICE.search(frame)
        if choice and not (score and score.start() < choice.start()):
            options = _options(choice[1])
            if len(options) > 1:
                return options[dice.below(len(options))]
        if score:
            low, high = int(score[1]), int(score[2])
            return str(low + dice.below(max(1, high - low + 1)))
        return Writer(dice, {}, {}).fragment("noun")
    if re.search(r"\b(?:a|the|one) title\b", frame, re.I) and not re.search(r"title and|with a title", frame, re.I):
        scene = _stories.Scene(dice, cell, everything)
        return scene.named(scene.writer(dice).say("title").rstrip("."))
    return _list(dice, frame)


def held_answer(dice: Dice, hints: Mapping[str, Any], messages: list[Message]) -> str | None:
    """A label, a number or JSON where the recipe holds the answer to it; else None.

    In stated shares (`HELD_FAULTS`) it is none that can be used, so that repairs and failures show in a rehearsal.
    """
    held = hints.get("answer")
    if not isinstance(held, Mapping):
        return None
    fault = dice.random() < HELD_FAULTS["repair" if hints.get("repair") else "first"]
    if "schema" in held:
        everything = "\n".join(_text(message) for message in messages)
        schema = held["schema"]
        text = orjson.dumps(by_schema(dice, schema, hints.get("cell") or {}, everything, 0, schema)).decode()
        if fault:
            return text[: max(1, len(text) * 2 // 3)]
        return f"```json\n{text}\n```" if dice.random() < HELD_FAULTS["fenced"] else text
    if "number" in held:
        asked = _SCORE.search(last_text(messages))
        low, high = (int(asked[1]), int(asked[2])) if asked else (1, 10)
        word = str(low + dice.below(max(1, high - low + 1)))
    else:
        labels = list(held["labels"])
        tie = held.get("judge") and dice.random() < HELD_FAULTS["tie"]
        word = labels[-1] if tie else labels[dice.below(len(labels) - bool(held.get("judge")))]
    return f"I would say {word}, though it is a close call." if fault else word


def _options(text: str) -> list[str]:
    parts = re.split(r"\s*(?:,|;|/|\||\bor\b|\band\b)\s*", text)
    return [part.strip(" \"'`*()[]") for part in parts if part.strip(" \"'`*()[]")]


def _list(dice: Dice, asked: str) -> str | None:
    """`count` short items, one per line, where the prompt asks for a list of so many."""
    match = _LIST.search(asked)
    if not match or not _LISTED.search(asked):
        return None
    word = match[1].lower()
    count = int(word) if word.isdigit() else _NUMBERS.index(word)
    if not 2 <= count <= 100:
        return None
    bank = ("trade", "object", "spot", "landmark")[dice.below(4)]
    return "\n".join(Writer(dice, {}, {}).some(bank, count))


def by_schema(
    dice: Dice, schema: Mapping[str, Any], cell: Mapping[str, Any], prompt: str, depth: int = 0,
    root: Mapping[str, Any] | None = None,
) -> Any:
    """A value that a JSON schema allows; an object with a text where there is no schema. `root` holds its $defs."""
    if root and "$ref" in schema:
        part = root.get("$defs", {}).get(str(schema["$ref"]).removeprefix("#/$defs/"), {})
        return by_schema(dice, part, cell, prompt, depth + 1, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][dice.below(len(schema["enum"]))]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return by_schema(dice, schema[key][dice.below(len(schema[key]))], cell, prompt, depth, root)
    kind = schema.get("type", "object" if "properties" in schema or depth == 0 else "string")
    if isinstance(kind, list):
        kind = kind[dice.below(len(kind))]
    if kind == "object":
        known = schema.get("properties") or {"answer": {"type": "string"}}
        return {name: by_schema(dice, part, {"topic": name, **cell}, prompt, depth + 1, root)
                for name, part in known.items()}
    if kind == "array":
        count = max(schema.get("minItems", 1), min(schema.get("maxItems", 3), 1 + dice.below(3)))
        items = schema.get("items", {"type": "string"})
        return [by_schema(dice, items, cell, prompt, depth + 1, root) for _ in range(count)]
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", 0), schema.get("maximum", 100)
        value = low + dice.random() * (high - low)
        return round(value) if kind == "integer" else round(value, 2)
    if kind == "boolean":
        return dice.below(2) == 1
    if kind == "null":
        return None
    if "pattern" in schema:
        return _shaped(dice, schema["pattern"])
    return _stories.prose(dice, cell, prompt, 1)[: schema.get("maxLength")]


def _shaped(dice: Dice, pattern: str) -> str:
    """A date, a time, a number or a code, whichever has the shape; a date where none has."""
    year, number, letter = 1990 + dice.below(40), dice.below(10_000), chr(ord("A") + dice.below(26))
    month, day, hour, minute = 1 + dice.below(12), 1 + dice.below(28), dice.below(24), dice.below(60)
    date, time = f"{year}-{month:02}-{day:02}", f"{hour:02}:{minute:02}"
    low = letter.lower()
    shapes = (date, time, f"{date}T{time}:00Z", f"{year}-{month:02}", str(year), f"{day:02}/{month:02}/{year}",
              f"{day:02}.{month:02}.{year}", f"{number:04}", f"{number:05}", f"{letter}{number:04}",
              f"{letter}-{number}", f"{letter * 2}{number:04}", f"{low}{number}", letter, low, letter * 2, letter * 3,
              f"{low}{number}@example.org", f"https://example.org/{number}", f"+1 555 {number:04}")
    return next((shape for shape in shapes if re.search(pattern, shape)), date)


def prose(dice: Dice, messages: list[Message], cell: Mapping[str, Any], least: int = 0) -> str:
    """A text: longer than a given one, what goes on from it or fills it, a story, a letter or an explanation.

    Args:
        dice: decides every choice.
        messages: the whole conversation.
        cell: axis name -> value.
        least: bytes that it must have at least.
    """
    asked = last_text(messages)
    everything = "\n".join(_text(message) for message in messages if message.get("role") != "assistant")
    given = given_text(messages)
    if to_lengthen(messages):
        return _stories.longer(dice, given, cell, everything, max(least, _target(dice, asked, given)))
    if given and (joint := _JOINT.search(asked)):
        return _gone_on(dice, joint[1], given, _stories.further(dice, given, cell, everything, 300 + dice.below(500)))
    if heads := _HEADS.search(asked):
        told = [_stories.further(dice, given, cell, everything, 120 + dice.below(200))
                for _ in heads[1].splitlines()]
        return "\n\n".join(f"{head}\n{' '.join(text)}" for head, text in zip(heads[1].splitlines(), told, strict=True))
    if given and _CONTINUE.search(asked.replace(given, " ")):
        return " ".join(_stories.further(dice, given, cell, everything, max(least, 500 + dice.below(700))))
    sentences = _sentences(asked)
    if least:
        sentences = max(sentences or 0, least // 90)
    if _stories.STORY.search(asked) or "genre" in {axis.lower() for axis in cell}:
        return _stories.plot(dice, cell, everything, sentences)
    return _stories.prose(dice, cell, everything, sentences)


def _gone_on(dice: Dice, tail: str, given: str, more: list[str]) -> str:
    """The last words again, a broken one as a word that the text knows, their sentence ended, and sentences more."""
    if tail.rstrip().endswith((".", "!", "?", '"', "”", ":")):
        return f"{tail.rstrip()} {' '.join(more)}"
    broken = tail.split()[-1]
    known = sorted({word for word in re.findall(r"\w+", given) if word.startswith(broken) and word != broken})
    if known and broken.isalpha():
        tail = tail.rstrip() + known[dice.below(len(known))][len(broken):]
    first = more[0][0].lower() + more[0][1:] if _OPENS.match(more[0]) else more[0]
    return " ".join([f"{tail.rstrip(' ,;–-')}, and then {first}", *more[1:]])


def to_lengthen(messages: list[Message]) -> str:
    """The text that is to be made longer; empty where nothing of the kind is asked."""
    given = given_text(messages)
    return given if given and _LENGTHEN.search(last_text(messages).replace(given, " ")) else ""


def given_text(messages: list[Message]) -> str:
    """The text that a request is about: the assistant's last turn, a marked block, or what follows the instruction."""
    for message in reversed(messages[:-1]):
        if message.get("role") == "assistant" and _text(message).strip():
            return _text(message).strip()
    asked = last_text(messages)
    blocks = [next(filter(None, match.groups()[:1] + match.groups()[2:]), "") for match in _BLOCK.finditer(asked)]
    if any(len(block) > 40 for block in blocks):
        return max(blocks, key=len).strip()
    _, _, rest = asked.partition("\n\n")
    if len(rest) > 80:
        return rest.strip()
    _, _, rest = asked.partition(":\n")
    return rest.strip() if len(rest) > 80 else ""


def _target(dice: Dice, asked: str, given: str) -> int:
    """Bytes of a lengthened text. Where the prompt names a least size, one in twelve stays below it, as models do."""
    stated = _LEAST.search(asked)
    if stated:
        number = float(stated[1].replace(",", "").rstrip("."))
        wanted = number * _UNITS.get(stated[2].lower().rstrip("s"), 1.0)
        return round(wanted * (0.9 + 0.05 * dice.random() if dice.below(12) == 0 else 1.05 + 0.7 * dice.random()))
    return round(len(given.encode()) * (1.5 + dice.random()))


def _sentences(asked: str) -> int | None:
    """How many sentences a prompt asks for: `three sentences`, `one-sentence`, `50 words`."""
    match = _COUNT.search(asked)
    if not match:
        return None
    count = int(match[1]) if match[1].isdigit() else _NUMBERS.index(match[1].lower())
    return max(1, count if match[2].lower() == "sentence" else count // 18)

"""Base and tuned model on the same held-out prompts: in numbers, and side by side."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipeline import registry
from pipeline.errors import SynthError
from pipeline.metrics import Metric
from pipeline.words import number, plural

from ._text import Cut, brief, cut, moment
from .material import Material, finite, within

PROMPT, TEXT = 500, 1_000
FIRST = ("loss", "stop_rate", "repetition", "mean_tokens", "mean_bytes")
"""In this order; others follow by name."""
ARROWS = {"higher": "higher is better", "lower": "lower is better"}


class Number(NamedTuple):
    """A metric of one model, and its 95% interval."""

    value: str
    interval: str


class Measure(NamedTuple):
    """A metric on both models.

    Attributes:
        what: what it is, in words.
        way: which way is better.
        sure: what chance has to say about the change.
        good: True for a change for the better that is more than chance, False for the worse.
    """

    name: str
    what: str
    way: str
    base: Number
    tuned: Number
    reference: str
    sure: str
    good: bool | None


class Said(NamedTuple):
    """What one model wrote."""

    text: Cut
    note: str


class Side(NamedTuple):
    """A prompt with what each model made of it, and the held-out answer."""

    prompt: Cut
    base: Said
    tuned: Said
    reference: Cut


class Comparison(NamedTuple):
    """The section."""

    lead: str
    decoding: str
    measures: list[Measure]
    sides: list[Side]
    notes: list[str]


class Judgement(NamedTuple):
    """Whether the tuned model is better: one or two words, and by what."""

    word: str
    because: str


def comparison(material: Material) -> Comparison | None:
    """The section; None where nothing was compared."""
    if material.compared is None:
        return None
    told = material.compared.told
    lead = told.get("verdict")
    found = judgement(material)
    if not isinstance(lead, str) or not lead.strip():
        lead = f"The tuned model is {found.word}: {found.because}." if found else "Base and tuned model were compared."
    known = _keys(told)
    said = told.get("notes")
    notes = [cut(note, 300).text for note in said[:5]] if isinstance(said, list) else []
    if _earlier(material):
        assert material.tuned is not None
        notes.insert(0, f"This is fine-tune {brief(str(told.get('finetune')))}; {material.tuned.id} is not judged yet.")
    return Comparison(cut(lead, 700).text, _decoding(told), [_measure(told, key) for key in known],
                      [_side(each) for each in material.compared.sides], notes)


def judgement(material: Material) -> Judgement | None:
    """Better, worse or no clear difference, by held-out loss; None where that is not known of this one."""
    if material.compared is None or _earlier(material):
        return None
    told = material.compared.told
    before, after = (finite(within(told, side).get("loss")) for side in ("base", "tuned"))
    if before is None or after is None:
        return None
    verb = "fell" if after < before else "rose" if after > before else "stayed"
    because = f"held-out loss {verb} from {before:.2f} to {after:.2f}"
    if within(told, "changes", "loss").get("sure") is False:
        return Judgement("not clearly different", f"{because}, which chance could do as well")
    return Judgement("better" if after < before else "worse" if after > before else "no different", because)


def _earlier(material: Material) -> bool:
    """Whether what was compared is not the model that the page is about."""
    compared, tuned = material.compared, material.tuned
    return compared is not None and tuned is not None and compared.told.get("finetune") != tuned.id


def _keys(told: dict[str, Any]) -> list[str]:
    """The metrics that have a number on either side."""
    values = [*within(told, "base").items(), *within(told, "tuned").items()]
    found = {key for key, value in values if finite(value) is not None}
    return sorted(found, key=lambda key: (FIRST.index(key) if key in FIRST else len(FIRST), key))


def _measure(told: dict[str, Any], key: str) -> Measure:
    change = within(told, "changes", key)
    plugin = registry.plugins("metrics").get(registry.printed(key))
    sure, better = change.get("sure"), change.get("better_is")
    mean = finite(change.get("mean"))
    good = (mean > 0) == (better == "higher") if sure and mean and better in ARROWS else None
    reference = finite(within(told, "reference").get(key))
    return Measure(
        brief(key.replace("_", " ")), plugin.summary if plugin else "", ARROWS.get(str(better), ""),
        _number(told, "base", key), _number(told, "tuned", key), "" if reference is None else _digits(key, reference),
        _chance(sure, mean) if better in ARROWS else "", good,
    )


def _chance(sure: Any, mean: float | None) -> str:
    """What chance has to say about a change."""
    if sure is None or mean is None:
        return ""
    return "more than chance" if sure else "could be chance" if mean else "no change"


def _number(told: dict[str, Any], side: str, key: str) -> Number:
    value = finite(within(told, side).get(key))
    bounds = within(told, "intervals", side).get(key)
    low, high = map(finite, bounds) if isinstance(bounds, list) and len(bounds) == 2 else (None, None)
    interval = f"{_digits(key, low)} to {_digits(key, high)}" if low is not None and high is not None else ""
    return Number("–" if value is None else _digits(key, value), interval)


def _digits(key: str, value: float) -> str:
    """A number as its metric says: shares in per cent."""
    try:
        kind: type[Metric] = registry.load("metrics", key)
    except SynthError:  # a metric that is not installed here
        kind = Metric
    return f"{value:.0%}" if kind.share else f"{value:,.{kind.digits}f}"


def _decoding(told: dict[str, Any]) -> str:
    """`5 held-out prompts, temperature 0.7, seed 7, 2026-11-21 08:50`."""
    parts = []
    prompts = finite(told.get("prompts"))
    if prompts:
        parts.append(plural(int(prompts), "held-out prompt"))
    parts += [f"{key.replace('_', ' ')} {number(value)}" for key, value in within(told, "decoding").items()
              if isinstance(value, str | int | float)]
    parts.append(moment(told.get("created")))
    return cut(", ".join(part for part in parts if part), 300).text


def _side(each: dict[str, Any]) -> Side:
    return Side(cut(each.get("prompt"), PROMPT), _said(each.get("base")), _said(each.get("tuned")),
                cut(each.get("reference"), TEXT))


def _said(told: Any) -> Said:
    """What a model wrote, how much, and whether it ended by itself."""
    if not isinstance(told, dict):
        return Said(Cut("", 0), "nothing is known")
    parts = []
    tokens, stopped = finite(told.get("tokens")), told.get("stopped")
    if tokens is not None:
        parts.append(plural(int(tokens), "token"))
    if isinstance(stopped, bool):
        parts.append("ended by itself" if stopped else "cut at the limit")
    return Said(cut(told.get("text"), TEXT), ", ".join(parts))

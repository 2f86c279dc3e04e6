"""Base beside tuned in numbers: every metric on both, what changed, and whether chance could have done it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.metrics import Change, Metric, Output, Summary, change, open_metrics, summary, surely

BASE, TUNED, REFERENCE = "base", "tuned", "reference"
ALWAYS = ("loss", "stop_rate", "mean_tokens", "mean_bytes", "repetition")
"""Keys that evaluation.json always has; null where nothing could be measured."""
FEW = 20
"""Under so many prompts the verdict says that they are few: Wilson's interval of a share is wider than 0.4 then."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The outputs of both models for some rows.

    Attributes:
        references: the held-out answers, as a model would have written them.
        base: what the base model made of each.
        tuned: what the tuned model made of each.
    """

    references: list[Output] = field(default_factory=list)
    base: list[Output] = field(default_factory=list)
    tuned: list[Output] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Compared:
    """One metric on both models. `sure`: the change is more than chance, all metrics looked at together."""

    metric: Metric
    base: Summary
    tuned: Summary
    change: Change
    reference: float | None
    sure: bool = False

    @property
    def better(self) -> bool | None:
        """True or False where tuned differs for better or worse by more than chance; None where neither is known."""
        if not self.sure or self.metric.better == "neither" or not self.change.mean:
            return None
        return (self.change.mean > 0) == (self.metric.better == "higher")


def compare(
    written: Judged, scored: Judged, training: Callable[[], Iterable[str]], seed: int, note: Callable[[str], None]
) -> list[Compared]:
    """Every metric that has something to measure.

    Args:
        written: what was generated, row by row.
        scored: losses of held-out answers, row by row.
        training: reads the answers that were trained on.
        seed: of the intervals.
        note: receives a sentence for each metric that failed.
    """
    found = []
    for metric in in_order(open_metrics()):
        rows = written if metric.of == "generation" else scored
        try:
            compared = _one(metric, rows, training, seed)
        except Exception as error:  # a metric may be anyone's: its fault is a record, never an abort
            note(f"metric {metric.name} raised {type(error).__name__}: {error}")
            continue
        if compared.base.rows or compared.tuned.rows:
            found.append(compared)
    sure = surely([each.change for each in found if each.metric.better != "neither"])
    answers = iter(sure)
    return [_sure(each, next(answers)) if each.metric.better != "neither" else each for each in found]


def in_order(metrics: Iterable[Metric]) -> list[Metric]:
    """What says most first: loss, how answers end, whatever else has a better side; lengths last."""
    first = ("loss", "accuracy", "macro_recall", "unparseable", "stop_rate", "repetition", "copied")
    place = {key: number for number, key in enumerate(first)}
    return sorted(metrics, key=lambda each: (each.better == "neither", place.get(each.key, len(place)), each.key))


def _sure(compared: Compared, sure: bool) -> Compared:
    return replace(compared, sure=sure)


def _one(metric: Metric, rows: Judged, training: Callable[[], Iterable[str]], seed: int) -> Compared:
    metric.prepare([*rows.base, *rows.tuned], training)
    texts, own = [row.text for row in rows.references], rows.references
    before, after = (_values(metric, texts, side) for side in (rows.base, rows.tuned))
    weights = metric.weights(texts, rows.base)
    ideal = _values(metric, texts, own) if metric.of == "generation" else []
    return Compared(
        metric, summary(metric, before, weights, seed), summary(metric, after, weights, seed),
        change(metric, before, after, weights, seed),
        summary(metric, ideal, metric.weights(texts, own), seed).mean if ideal else None,
    )


def _values(metric: Metric, references: Sequence[str], outputs: Sequence[Output]) -> list[float | None]:
    rows = zip(references, outputs, strict=True)
    found = [metric.measure(output.text, reference, output) for reference, output in rows]
    return [value if value is not None and math.isfinite(value) else None for value in found]


def as_json(compared: Sequence[Compared]) -> dict[str, Any]:
    """The numbers as evaluation.json has them: means by side, then intervals and changes by metric."""
    by_key = {each.metric.key: each for each in compared}
    keys = [*ALWAYS, *(key for key in by_key if key not in ALWAYS)]
    sides: dict[str, dict[str, float | None]] = {BASE: {}, TUNED: {}, REFERENCE: {}}
    for key in keys:
        each = by_key.get(key)
        sides[BASE][key] = each.base.mean if each else None
        sides[TUNED][key] = each.tuned.mean if each else None
        if each and each.reference is not None:
            sides[REFERENCE][key] = each.reference
    intervals = {side: {each.metric.key: [getattr(each, side).low, getattr(each, side).high] for each in compared}
                 for side in (BASE, TUNED)}
    changes = {each.metric.key: {**each.change._asdict(), "better_is": each.metric.better, "better": each.better,
                                 "sure": each.sure} for each in compared}
    return {**sides, "intervals": intervals, "changes": changes}


def verdict(compared: Sequence[Compared], prompts: int, rehearsal: bool) -> str:
    """What the numbers show, in sentences, and no more than that."""
    by_key = {each.metric.key: each for each in compared}
    said = []
    if loss := by_key.get("loss"):
        said.append(_loss(loss))
    others = [each for each in compared if each.metric.key != "loss" and each.metric.better != "neither"]
    said += [_changed(each) for each in others if each.better is not None]
    if prompts and prompts < FEW:
        unsure = any(each.better is None for each in others)
        much = "more" if said else "much"
        more = f" to say {much} about what it writes: read them" if unsure else " for more than a first look"
        count = "1 prompt is" if prompts == 1 else f"{prompts} prompts are"
        said.append(f"{count} too few{more}.")
    elif prompts and not any(each.better is not None for each in others):
        said.append(f"What it writes to {prompts} prompts differs in no measure by more than chance would.")
    if size := by_key.get("mean_bytes"):
        said.append(_length(size))
    if rehearsal:
        said.append("It was tuned on rehearsed rows: this shows that the road works, not that the model is good.")
    return " ".join(said) or "Nothing could be measured."


def _loss(loss: Compared) -> str:
    before, after, found = loss.base.mean, loss.tuned.mean, loss.change
    if before is None or after is None:
        return "Held-out loss is not known of both models."
    digits = loss.metric.digits
    verb = "fell" if after < before else "rose" if after > before else "stayed at"
    where = f"from {before:.{digits}f} to {after:.{digits}f}" if after != before else f"{after:.{digits}f}"
    rows = max(found.up, found.down) if after != before else found.rows
    moved = {"fell": "lower", "rose": "higher"}.get(verb, "equal")
    count = found.down if verb == "fell" else found.up if verb == "rose" else rows
    chance = "" if loss.sure or after == before else ", which chance could do as well"
    each = f"{moved} on {count} of {found.rows} held-out answers" if found.rows != 1 else "on 1 held-out answer"
    return f"Held-out loss {verb} {where}, {each}{chance}."


def _changed(each: Compared) -> str:
    """`Stop rate is better: 10% to 95%.`"""
    word = "better" if each.better else "worse"
    name = each.metric.name.replace("-", " ").capitalize()
    return f"{name} is {word}: {shown(each.metric, each.base.mean)} to {shown(each.metric, each.tuned.mean)}."


def shown(metric: Metric, value: float | None) -> str:
    """A metric's number as people read it: shares in per cent; a dash where there is none."""
    if value is None:
        return "-"
    text = f"{value:.0%}" if metric.share else f"{value:,.{metric.digits}f}"
    return text if any(digit in text for digit in "123456789") else text.lstrip("-")


def _length(size: Compared) -> str:
    """How long the answers are, beside those that were held out."""
    before, after, ideal = size.base.mean, size.tuned.mean, size.reference
    if before is None or after is None or ideal is None:
        return ""
    return (f"Its answers have {after:,.0f} bytes on average, the base model's {before:,.0f}, "
            f"the held-out ones {ideal:,.0f}.")

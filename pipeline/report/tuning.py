"""The models that were tuned: what they learned from, and the curves of the last one."""

from __future__ import annotations

from typing import Any, NamedTuple

from markupsafe import Markup

from pipeline.words import duration, money, number, percent, plural

from ._svg import Line, curves
from ._text import brief, cut, moment
from .exports import digests
from .material import Finetune, Material, finite, whole, within

MODELS = 8
CURVES = (("loss", "Loss", "nats per token; lower is better"),
          ("token_accuracy", "Token accuracy", "share of next tokens that were guessed right"))
SIDES = (("train", "train"), ("validation", "validation"))


class Curve(NamedTuple):
    """A chart, and the last value of each of its lines."""

    title: str
    unit: str
    chart: Markup
    legend: list[tuple[str, str]]


class Model(NamedTuple):
    """A tuned model in one line."""

    id: str
    base: str
    backend: str
    state: str
    rows: str
    loss: str
    finished: str


class Tuning(NamedTuple):
    """The section. `facts` are names and what they are, of the last model."""

    lead: str
    curves: list[Curve]
    facts: list[tuple[str, str]]
    models: list[Model]
    problems: list[str]


def tuning(material: Material) -> Tuning | None:
    """The section; None where nothing was tuned."""
    last = material.tuned
    if last is None:
        return None
    said = last.told.get("problems")
    problems = [cut(_problem(one), 300).text for one in said[:5]] if isinstance(said, list) else []
    models = [_model(one) for one in material.finetunes[-MODELS:]]
    return Tuning(lead(material, last), [chart for each in CURVES if (chart := _curve(last, *each))],
                  _facts(material, last), models if len(models) > 1 else [], problems)


def lead(material: Material, tuned: Finetune) -> str:
    """What became of the last model, in a sentence or two."""
    base, state = f"The base model {brief(tuned.told.get('base', ''))}", tuned.state
    if state != "succeeded":
        words = {"running": "is being tuned", "failed": "was to be tuned, and that failed",
                 "cancelled": "was to be tuned, and that was cancelled"}
        return f"{base} {words.get(state, f'is at the state “{brief(state)}”')}."
    train = within(tuned.told, "data", "train")
    rows = whole(train.get("rows"))
    said = f"{base} was tuned on {plural(rows, 'row')}."
    for side, what in (("validation", "Validation loss"), ("train", "Training loss")):
        first, last = (finite(_metrics(tuned).get(key)) for key in (f"first_{side}_loss", f"{side}_loss"))
        if first is not None and last is not None:
            verb = "fell" if last < first else "rose" if last > first else "stayed"
            said += f" {what} {verb} from {first:.2f} to {last:.2f}."
            break
    if material.exports and train.get("sha256") not in digests(material):
        said += " The export has changed since: these are not the rows above."
    return said


def _metrics(tuned: Finetune) -> dict[str, Any]:
    return within(tuned.told, "metrics")


def _curve(tuned: Finetune, key: str, title: str, unit: str) -> Curve | None:
    """Train and validation over steps; a step that was logged twice counts as it was logged last."""
    lines, legend, share = [], [], key != "loss"
    for side, word in SIDES:
        points: dict[float, float] = {}
        for line in tuned.lines:
            step, value = finite(line.get("step")), finite(line.get(f"{side}_{key}"))
            if step is not None and value is not None:
                points[step] = value
        if points:
            ordered = sorted(points.items())
            lines.append(Line(side, ordered))
            legend.append((side, f"{word} {_value(ordered[-1][1], share)}"))
    if not any(len(line.points) > 1 for line in lines):
        return None
    label = f"{title} by step. " + " ".join(
        f"{line.kind}: {_value(line.points[0][1], share)} at step {line.points[0][0]:g}, "
        f"{_value(line.points[-1][1], share)} at step {line.points[-1][0]:g}." for line in lines)
    return Curve(title, unit, curves(lines, label, percent=share), legend)


def _value(value: float, share: bool) -> str:
    return f"{value:.1%}" if share else f"{value:.2f}"


def _facts(material: Material, tuned: Finetune) -> list[tuple[str, str]]:
    told = tuned.told
    model = told.get("model") or "none yet"
    if told.get("model") and not told.get("remote"):
        model = f"finetunes/{tuned.id}/{model}"
    facts = [("Model", brief(model, 90)), ("Base", brief(told.get("base", ""))),
             ("Backend", brief(told.get("backend", "")))]
    parameters = within(told, "parameters")
    if total := whole(parameters.get("total")):
        trained = whole(parameters.get("trainable"))
        facts.append(("Parameters", f"{number(trained)} of {number(total)} are trained, {percent(trained, total)}"))
    for side in ("train", "validation"):
        if file := within(told, "data", side):
            rows = plural(whole(file.get("rows")), "row")
            facts.append((f"{side.capitalize()} file", brief(f"{file.get('path', '')}, {rows}", 90)))
    if steps := whole(_metrics(tuned).get("steps")):
        facts.append(("Steps", number(steps)))
    seconds = finite(told.get("seconds"))
    if seconds:
        facts.append(("Time", duration(seconds)))
    settings = {key: value for key, value in within(told, "settings").items() if value not in (None, "", [], {}, False)}
    if settings:
        text = ", ".join(f"{key} {_setting(value)}" for key, value in settings.items())
        facts.append(("Settings", cut(text, 400).text))
    if paid := finite(told.get("cost_usd")):
        facts.append(("Cost", money(paid)))
    if told.get("finished"):
        facts.append(("Finished", moment(told["finished"])))
    return facts


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_setting(each)}" for key, each in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else "yes" if value is True else str(value)


def _model(tuned: Finetune) -> Model:
    told = tuned.told
    rows = whole(within(told, "data", "train").get("rows"))
    losses = (finite(_metrics(tuned).get(f"{side}_loss")) for side in ("validation", "train"))
    loss = next((found for found in losses if found is not None), None)
    return Model(brief(tuned.id), brief(told.get("base", "")), brief(told.get("backend", "")), brief(tuned.state),
                 number(rows) if rows else "", f"{loss:.2f}" if loss is not None else "", moment(told.get("finished")))


def _problem(problem: Any) -> str:
    if isinstance(problem, dict):
        return ": ".join(str(problem[key]) for key in ("where", "message", "fix") if problem.get(key))
    return str(problem)



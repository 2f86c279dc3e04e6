"""Which rows are meant: the options by which `inspect` and `review` choose them, and how they are read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from pipeline import rows as rows_
from pipeline.errors import RecipeError, did_you_mean
from pipeline.rows import Filters

if TYPE_CHECKING:
    from pipeline.store import Dataset

Verb = TypeVar("Verb", bound=Callable[..., Any])
_RULES = re.compile(r"(?<![\w.])dropped_by\s*(?:[!=]=|(?:not\s+)?in\b)\s*\[([^\]]*)|"
                    r"(\w+|'[^']*'|\"[^\"]*\")\s+(?:not\s+)?in\s+dropped_by\b(?!\.)")
_STATE = re.compile(r"""(?<![\w.])state\s*(?:[!=]=|(?:not\s+)?in\b)\s*([\[(][^\])]*|'[^']*'|"[^"]*")""")


_OPTIONS = [
    click.option("--axis", multiple=True, metavar="NAME=VALUE", help="Rows of one axis value. Repeatable."),
    click.option("--rule", multiple=True, metavar="RULE",
                 help="Rows that this rule dropped or flagged. Repeatable: those of either rule."),
    click.option("--state", type=click.Choice(rows_.STATES),
                  help="new: not curated yet; aside: not in the set today; flagged: kept, with a finding against it."),
    click.option("--text", multiple=True, metavar="WORD", help="Rows that say this, in any case. Repeatable."),
    click.option("--cluster", multiple=True, metavar="ID",
                 help="Rows that are alike: the cluster's id, or its beginning; all: of any, where inspect lists the "
                      "clusters, a line each."),
    click.option("--where", metavar="CONDITION",
                 help="As in a recipe: \"length < 900 and genre == 'horror'\"; genre and cell.genre are the same. "
                      "dropped_by lists rules: \"dropped_by == ['refusal']\"; \"parent == 'k3v9p2xq'\": the rows "
                      "rewritten from one."),
]


NAMES = ("axis", "rule", "state", "text", "cluster", "where")
"""The parameters that they come as."""


def options(verb: Verb) -> Verb:
    """Adds --axis, --rule, --state, --text, --cluster and --where, which the verb gets by these names."""
    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


def read(
    dataset: Dataset, axis: Sequence[str], rule: Sequence[str], state: rows_.Standing | Literal["flagged"] | None,
    text: tuple[str, ...], where: str | None, cluster: tuple[str, ...] = (),
) -> Filters:
    """What the options say.

    Args:
        dataset: whose rows are meant.
        axis: of --axis; and so on.

    Raises:
        RecipeError: an axis, a column, a rule or a state that there is not.
    """
    known = rows_.columns(dataset)
    axes: list[tuple[str, str]] = []
    names = [column.removeprefix("cell.") for column in known if column.startswith("cell.")]
    for wanted in axis:
        name, sign, value = wanted.partition("=")
        if not sign:
            raise RecipeError(f"--axis {wanted}: write it as NAME=VALUE", "--axis 'genre=high fantasy'")
        if name not in names:
            raise _no_axis(wanted, name, value, known, names)
        axes.append((name, value))
    rules = tuple(each.replace("_", "-") for each in rule)
    condition = _condition(where, known, measured(dataset)) if where else None
    return Filters(tuple(axes), rules, state, text, condition, ("",) if "all" in cluster else cluster)


def _no_axis(wanted: str, name: str, value: str, known: list[str], names: list[str]) -> RecipeError:
    """What is said where a name is none of an axis: a column of the source rows is asked for by --where."""
    if f"fields.{name}" not in known or not name.isidentifier():
        columns = [column.removeprefix("fields.") for column in known if column.startswith("fields.")]
        hint = did_you_mean(name, names) if names else "the rows have no axes"
        if not names and (near := did_you_mean(name, columns)).startswith("did you mean"):
            hint += f"; of their columns, {near}"
        return RecipeError(f"--axis {wanted}: no axis '{name}'", hint)
    quoted = repr(value)
    plain = value.lower() if value.lower() in ("true", "false") else value if re.fullmatch(r"-?\d+", value) else ""
    condition = f"{name} in [{quoted}, {plain}]" if plain else f"{name} == {quoted}"
    safe = f'"{condition}"' if not set(condition) & set('"$`\\!') else shlex.quote(condition)
    context = click.get_current_context(silent=True)
    verb = context.info_name if context else "inspect"
    return RecipeError(f"--axis {wanted}: '{name}' is no axis but a column of the source rows",
                       f"synth {verb} NAME --where {safe}")


def measured(dataset: Dataset) -> list[str]:
    """What the last curation may have dropped rows by; none where there was none."""
    noted = (dataset.manifest().get("curation") or {}).get("rules") or []
    return [*(str(each["rule"]) for each in noted), rows_.REVIEW, rows_.REWRITTEN] if noted else []


def _condition(text: str, known: list[str], rules: list[str]) -> Callable[[dict[str, Any]], bool]:
    from pipeline.grid.template import Condition

    condition = Condition(text, "--where")
    if not any(name.endswith((".state", ".dropped_by")) for name in known):  # else that column is meant
        _check_states(text)
        _check_rules(text, rules)
    families: dict[str, dict[str, Any]] = {family: {} for family in rows_.FAMILIES}
    for column in known:
        family, _, key = column.partition(".")
        families.get(family, {})[key] = None
    names = {name.split(".", 1)[-1] for name in known} | {"answer", "prompt", "dropped_by", *families}
    for variable in sorted(condition.variables - names):
        raise RecipeError(f"--where: no column '{variable}'", _column_or_text(variable, names))
    parts = [part for part in condition.parts if part.variable in families]
    for part in parts:
        if part.key not in families[part.variable]:
            raise RecipeError(f"--where: no column '{part.variable}.{part.key}'",
                              did_you_mean(part.key, sorted(families[part.variable])))
    empty = dict.fromkeys(names)

    def holds(context: dict[str, Any]) -> bool:
        context = {**empty, **context}
        for family in {part.variable for part in parts}:
            if isinstance(context[family], dict):
                context[family] = {**families[family], **context[family]}
        try:
            return condition.holds(context)
        except RecipeError:
            measured = [context[name] for name in condition.variables]
            measured += [context[part.variable][part.key] for part in parts]
            if any(value is None for value in measured):
                return False  # nothing was measured there: neither more nor less
            raise

    return holds


def _column_or_text(name: str, names: Iterable[str]) -> str:
    """What was meant by a name that is no column: another one, or a text."""
    return f"{did_you_mean(name, sorted(names))}\na text stands in quotes: '{name}'"


def _check_rules(text: str, rules: list[str]) -> None:
    """Raises RecipeError: a condition compares the rules that dropped a row with what is no rule, or no text."""
    for listed, alone in _RULES.findall(text):
        for word in re.findall(r"[\w-]+|'[^']*'|\"[^\"]*\"", listed or alone):
            name = word.strip("'\"")
            if word == name:
                meant = name.replace("_", "-")
                raise RecipeError(f"--where: dropped_by lists rules by their names, and '{word}' stands without quotes",
                                  f"--where \"dropped_by == ['{meant}']\"")
            if rules and name not in rules:
                raise RecipeError(f"--where: no rule '{name}' was measured", did_you_mean(name, rules))


def _check_states(text: str) -> None:
    """Raises RecipeError: a condition compares the state of a row with what is no state."""
    for compared in _STATE.findall(text):
        for word in re.findall(r"['\"]([^'\"]*)['\"]", compared):
            if word not in rows_.STATES:
                raise RecipeError(f"--where: no row's state is '{word}'", f"one of {', '.join(rows_.STATES)}")

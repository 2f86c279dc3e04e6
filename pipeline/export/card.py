"""The dataset card of an export: README.md with the metadata that the Hugging Face hub and `datasets` read.

No clock and no path of one machine is in it: the same rows give the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import yaml

from pipeline.errors import SynthError
from pipeline.formats import find
from pipeline.recipe import Recipe
from pipeline.sections import About
from pipeline.words import plural, printable

from .origins import Origins, ranked

CARD = "README.md"
MOST_SHOWN = 20
"""Values of an axis that stand in the card; the rest is counted."""
LONGEST_TEXT, LONGEST_RECIPE = 1500, 30_000
"""Characters of a text in the example, and of a prompt or a recipe."""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
         (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))
"""Rows below -> the hub's name for so many; from huggingface_hub's DatasetCardData (2.4.0)."""
_SHORT_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]*")


class Story(NamedTuple):
    """What a card tells beside what the manifest holds.

    Attributes:
        name: of the dataset or the file.
        again: the command that makes the files again.
        recipe: None where there is none.
        about: its `about`, with what was set over it.
        origins: of the rows.
        curation: what the last curation noted; empty where there was none.
        labels: label -> rows in train and in validation, where answers are labels.
    """

    name: str
    again: str
    recipe: Recipe | None
    about: About | None
    origins: Origins
    curation: dict[str, Any]
    labels: dict[str, tuple[int, int]]


def card(story: Story, manifest: dict[str, Any], row: Any) -> str:
    """The text of a card.

    Args:
        story: see Story.
        manifest: of the export, as it is written beside the card.
        row: one row as it stands in the file: an object, or a text.
    """
    parts = [_head(story, manifest), _what(story, manifest), _made(story, manifest), _curation(story.curation),
             _files(manifest), _example(row), _from(story, manifest), _again(story, manifest)]
    front = yaml.safe_dump(metadata(story, manifest), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{front}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def metadata(story: Story, manifest: dict[str, Any]) -> dict[str, Any]:
    """The front matter, in the keys of huggingface_hub's DatasetCardData."""
    about, rows = story.about or About(), sum(file["rows"] for file in manifest["files"])
    found: dict[str, Any] = {"pretty_name": " ".join(printable(about.title or story.name).split()) or story.name}
    if about.license is not None:
        short = about.license.strip().lower()
        found |= {"license": short} if _SHORT_NAME.fullmatch(short) else \
            {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", short).strip("-") or "other"}
    if about.language:
        found["language"] = list(about.language)
    found["task_categories"] = ["text-classification" if story.labels else "text-generation"]
    found["size_categories"] = [next((name for below, name in SIZES if rows < below), "n>1B")]
    written = any(not writer["rehearsal"] for writer in manifest["provenance"]["writers"])
    tags = [*(["synthetic"] if written else []), *(["rehearsal"] if manifest.get("rehearsal") else []), "synth"]
    given = (" ".join(printable(tag).split()) for tag in about.tags)
    found["tags"] = list(dict.fromkeys([*tags, *filter(None, given)]))
    splits = [{"split": _split(file["name"]), "path": file["name"]} for file in manifest["files"]
              if "." in file["name"]]
    if splits:  # a folder of texts is no table, and `datasets` reads it as it likes
        found["configs"] = [{"config_name": "default", "data_files": splits}]
    return found


def _split(name: str) -> str:
    return name.split(".")[0]


def _head(story: Story, manifest: dict[str, Any]) -> str:
    about = story.about or About()
    lines = [f"# {about.title or story.name}"]
    if about.description:
        lines.append(about.description.strip())
    if manifest.get("rehearsal"):
        lines.append("> **A rehearsal**: rows of this set were put together by rules to try the road. No model wrote "
                     "them, and there is nothing to learn from them.")
    return "\n\n".join(lines)


def _what(story: Story, manifest: dict[str, Any]) -> str:
    first = "requests" if find(manifest["format"]).asks else "rows to train on"
    sides = " and ".join(f"{file['rows']:,} {first if _split(file['name']) == 'train' else 'held out'}"
                         for file in manifest["files"])
    lines = ["## What the rows are", f"{sides}, in the format `{manifest['format']}`."]
    lines += _left_out(manifest["counts"], manifest["format"])
    if story.labels:
        lines.append(_table(("answer", "train", "validation"), [(_code(label), train, held) for label, (train, held)
                                                                in story.labels.items()]))
    for axis, counts in story.origins.axes.items():
        lines.append(f"**{_plain(axis)}**: {_values(counts) if counts else 'too many values to list'}")
    return "\n\n".join(lines)


def _left_out(counts: dict[str, Any], name: str) -> list[str]:
    """Which rows the format could not hold, and of how many it leaves another text."""
    lines = []
    if counts["refused"]:
        codes = ", ".join(f"{_code(code)} ({rows:,})" for code, rows in counts["refused_by_code"].items())
        lines.append(f"Of {counts['chosen']:,} rows {counts['refused']:,} were refused, as `{name}` cannot hold them: "
                     f"{codes}.")
    if counts["text_changed_by_template"]:
        lines.append(f"The template of `{name}` strips or folds text of {counts['text_changed_by_template']:,} of the "
                     "rows.")
    return lines


def _values(counts: Any) -> str:
    known = ranked(counts)
    more = f", and {len(known) - MOST_SHOWN:,} more values" if len(known) > MOST_SHOWN else ""
    return ", ".join(f"{_plain(str(value))} ({rows:,})" for value, rows in known[:MOST_SHOWN]) + more


def _made(story: Story, manifest: dict[str, Any]) -> str:
    origins, recipe = manifest["provenance"], story.recipe
    lines = []
    if origins["writers"]:
        rows = [(writer["host"], _code(writer["model"]), writer["rows"]) for writer in origins["writers"]]
        lines.append(_table(("host", "model", "rows"), rows))
    if origins["imported"]:
        lines.append(f"{plural(origins['imported'], 'row is as it was', 'rows are as they were')} imported.")
    lines += [f"{plural(rows, 'row was', 'rows were')} rewritten by `{name}`."
              for name, rows in origins["rewritten"].items()]
    for step in recipe.asks if recipe and origins["writers"] else ():
        assert recipe is not None
        body = {**recipe.generate.body(), **step.body()}
        sent = f", sent with `{json.dumps(body, ensure_ascii=False)}`" if body else ""
        lines.append(f"Asked for `{step.name}`{sent}:")
        lines += [_block(_cut(_text(recipe, text), LONGEST_RECIPE)) for text in (step.system, step.user) if text]
    return "\n\n".join(["## How they were made", *lines]) if lines else ""


def _text(recipe: Recipe, named: str) -> str:
    """A prompt's text; the name of its file where that is not in the dataset."""
    try:
        return recipe.template(named)
    except SynthError:
        return named


def _curation(noted: dict[str, Any]) -> str:
    if not noted:
        return ""
    dropped, flagged = noted.get("by_rule") or {}, noted.get("flagged_by_rule") or {}
    rules = []
    for rule in noted.get("rules") or []:
        options = {key: value for key, value in (rule.get("options") or {}).items() if value is not None}
        rules.append((_code(rule["rule"]), _code(json.dumps(options, ensure_ascii=False)) if options else "",
                      dropped.get(rule["rule"], 0), flagged.get(rule["rule"], 0)))
    told = f"{noted.get('kept', 0):,} rows of {noted.get('rows', 0):,} were kept."
    if flagged:
        by_rule = ", ".join(f"{_code(rule)} ({rows:,})" for rule, rows in flagged.items())
        told += (f" Of the kept ones {plural(noted['flagged'], 'is', 'are')} flagged, for something that alone drops "
                 f"no row: {by_rule}.")
    if not rules:
        return f"## Curation\n\n{told} There was no rule."
    table = _table(("rule", "options", "dropped", "flagged"), rules)
    return f"## Curation\n\n{told} A row that several rules drop counts for each of them.\n\n{table}"


def _files(manifest: dict[str, Any]) -> str:
    rows = [(_code(file["name"]), file["rows"], f"{'' if file['tokens_exact'] else 'about '}{file['tokens']:,}",
             _code(file["sha256"])) for file in manifest["files"]]
    lines = ["## Files", _table(("file", "rows", "tokens", "sha256"), rows)]
    by_answer = manifest.get("families", {}).get("by") == "answer"
    shared = f"Rows of one {'answer' if by_answer else 'cell or one prompt'} are on one side of the split."
    if len(rows) > 1:
        lines.append(shared)
    if any("." in file["name"] for file in manifest["files"]):
        lines.append("```python\nfrom datasets import load_dataset\n\nrows = load_dataset(\"PATH_OR_OWNER/NAME\")\n```")
    return "\n\n".join(lines)


def _example(row: Any) -> str:
    if row is None:
        return ""
    text = row if isinstance(row, str) else json.dumps(_shortened(row), ensure_ascii=False, indent=2, default=str)
    return f"## One row\n\n{_block(_cut(text, 4 * LONGEST_TEXT), '' if isinstance(row, str) else 'json')}"


def _from(story: Story, manifest: dict[str, Any]) -> str:
    about = story.about or About()
    lines = ["## Where they come from, and licence"]
    if about.license:
        lines.append(f"Licence, as the authors state it: {_plain(about.license)}")
    if about.source:
        lines.append(f"Source, as the authors state it: {about.source.strip()}")
    if manifest["notes"]:
        lines.append("\n".join(f"- {note}" for note in manifest["notes"]))
    return "\n\n".join(lines) if len(lines) > 1 else ""


def _again(story: Story, manifest: dict[str, Any]) -> str:
    lines = ["## Make it again", f"Written by synth {manifest['synth']}.", _block(story.again, "sh")]
    if story.recipe is not None and story.recipe.text:
        lines.append(f"With this as `{story.recipe.name}.yaml` (and the files that it names):")
        lines.append(_block(_cut(story.recipe.text, LONGEST_RECIPE), "yaml"))
    return "\n\n".join(lines)


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [names, ["---:" if name in ("rows", "tokens", "train", "validation", "dropped", "flagged") else "---"
                     for name in names], *rows]
    return "\n".join(f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else _cell(cell) for cell in line)} |"
                     for line in lines)


def _cell(value: Any) -> str:
    return re.sub(r"\s+", " ", str(value)).replace("|", "\\|")


def _code(text: str) -> str:
    """A text in backticks, more of them than stand in it."""
    marks = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{marks} {text} {marks}" if "`" in text else f"`{text}`"


def _plain(text: str) -> str:
    """A text whose characters mean nothing to Markdown."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", re.sub(r"\s+", " ", text))


def _block(text: str, kind: str = "") -> str:
    """A text in a fence that is longer than any in it."""
    marks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{marks}{kind}\n{text.rstrip()}\n{marks}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit].rstrip()} […]"


def _shortened(value: Any) -> Any:
    """A row whose long texts are cut."""
    if isinstance(value, str):
        return _cut(value, LONGEST_TEXT)
    if isinstance(value, dict):
        return {key: _shortened(of) for key, of in value.items()}
    return [_shortened(each) for each in value] if isinstance(value, list) else value

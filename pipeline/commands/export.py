"""`synth export`: the kept rows of a dataset, or the rows of any file, as training files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.commands import _decided, _outcome, _push
from pipeline.commands._options import Target, json_option, target

if TYPE_CHECKING:
    from pipeline.export import Exported, Options, Written
    from pipeline.export.convert import Converted
    from pipeline.export.split import Divided
    from pipeline.recipe import Recipe
    from pipeline.sections import Item
    from pipeline.types import Problem

_ORDERS = ("cell", "given", "name", "name-ignorecase", "shuffled")


@click.command("export")
@target(sets=True)
@click.option("--format", "--to", "formats", multiple=True, metavar="FORMAT",
              help="As openai-chat, llama3, csv, 'mistral: {system: fold}'. Repeatable. [recipe]")
@click.option("--config", "configs", multiple=True, metavar="CONFIG",
              help="Beside the rows, files for a trainer or server: axolotl, llama-factory, ollama. Repeatable.")
@click.option("--split", metavar="SHARE", help="Share of cells or prompts for validation, as 0.1, or none. [recipe]")
@click.option("--order", type=click.Choice(_ORDERS), help="given: as imported; cell: by axis values. [recipe]")
@click.option("--ascii", "escape", is_flag=True, help="Escape other letters, as json.dumps does.")
@click.option("--seed", type=int, help="Of the split and of --order shuffled. [recipe]")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Write below DIR, a folder for each format. [datasets/NAME/exports]")
@click.option("--exact", is_flag=True, help="Leave out rows that are paid and no longer asked for.")
@click.option("--include-earlier", is_flag=True, help="Take rows of an earlier prompt or model too.")
@click.option("--allow-mixed", is_flag=True, help="Let rehearsed and real rows share a file.")
@click.option("--push", "repo", metavar="OWNER/NAME", help="Put one format's files on the Hugging Face hub; private.")
@click.option("--public", is_flag=True, help="With --push: for everybody to see.")
@click.option("--allow-rehearsal", is_flag=True, help="With --push: let rehearsed rows go there.")
@click.option("--yes", is_flag=True, help="With --push: do not ask before publishing.")
@json_option
@click.pass_context
def command(context: click.Context, /, target: Target, json_: bool, **given: Any) -> None:
    """Writes the kept rows as training files, reads them back, and puts a manifest beside them.

    \b
    synth export plots                                       as the recipe says
    synth export mine --format prompt-completion --split none
    synth export plots --format llama2 --format gemma --split 0.1
    synth export rows.jsonl --to chatml                      any file, no dataset needed
    synth export rows.jsonl --to 'chat-template: {tokenizer: MODEL_FOLDER}'
    synth export plots --format openai-chat --push me/plots  onto the hub, private; HF_TOKEN says who you are
    synth export plots --format openai-chat --config 'axolotl: {base: MODEL}'
    """
    from pipeline.export import Options, export
    from pipeline.sections import Export

    wanted = _push.wanted_of(target, given)
    path = Path(target.name)
    if path.is_file() or (path / "completions").is_dir():
        _convert(path, target, json_, given, wanted)
        return

    with target.dataset() as dataset:
        _outcome.tell_edits(dataset, target)
        problems: list[Problem] = []
        recipe = _recipe(target)
        options = _given(Options.of(recipe.export, recipe.about) if recipe else Options.of(Export.model_validate({})),
                         given)
        otherwise = _decided.otherwise(dataset, recipe, target)
        _push.refuse_several(wanted, options.formats)
        _push.refuse_early(wanted)
        done = export(dataset, options, problems.append, _push.refuse_rehearsed(wanted))
    for problem in problems:
        console.warn(f"{problem.where}: {problem.message}")
    if not json_:
        show(done)
        if otherwise:
            console.warn(otherwise)
    console.wrote(*(path for written in done.written for path in _paths(written)), *done.configs)
    sent = _push.push(wanted, done.require_most, done.written)
    if json_:
        console.as_json({**as_dict(done), "decided_otherwise": otherwise, **_push.as_dict(sent)})
    done.require_most()
    console.next_command(f"synth check {target.name}" if given["out"] is None else f"synth check {_first(done)}")


def _convert(path: Path, target: Target, json_: bool, given: dict[str, Any], wanted: _push.Wanted | None) -> None:
    """A file's rows in other formats."""
    from pipeline.errors import RecipeError
    from pipeline.export import Options, require_most
    from pipeline.export.convert import convert
    from pipeline.formats import open_formats

    named = [f"--{key.replace('_', '-')}" for key in ("exact", "include_earlier", "allow_mixed") if given[key]]
    if named or target.sets:
        raise RecipeError(f"{path}: {(named or ['--set'])[0]} is for datasets, and this is a file",
                          f"synth export {path} --to chatml")
    if not given["formats"]:
        raise RecipeError(f"{path}: is a file: say what its rows are to become", f"synth export {path} --to chatml")
    options = _given(Options(order="given"), given)
    _push.refuse_several(wanted, options.formats)
    _push.refuse_early(wanted)
    problems: list[Problem] = []
    done = convert(path, open_formats(options.formats), options, problems.append)
    for problem in problems:
        console.warn(f"{problem.where}: {problem.message}")
    if not json_:
        _show_conversion(done)
    console.wrote(*(each for written in done.written for each in _paths(written)), *done.configs)
    sent = _push.push(wanted, lambda: require_most(str(path), done.written), done.written)
    if json_:
        console.as_json({**_conversion(path, done), **_push.as_dict(sent)})
    require_most(str(path), done.written)
    console.next_command(f"synth check {console.near(done.written[0].files[0].path)}")


def _items(options: Options, texts: tuple[str, ...]) -> tuple[Item, ...]:
    """Formats that were named on the command line; one without options has those of the recipe."""
    from pipeline.commands._items import items_of
    from pipeline.registry import resolve

    known = {resolve("formats", item.name): item for item in options.formats}
    given = items_of("--format", texts, "prompt-completion: {system: fold}")
    return tuple(item if item.options else known.get(resolve("formats", item.name), item) for item in given)


def _recipe(target: Target) -> Recipe | None:
    """The recipe; None where the dataset has none."""
    from pipeline.locate import find_recipe

    known = find_recipe(target.name, target.cwd) or (target.path / "recipe.yaml").is_file()
    return target.recipe() if known or target.sets else None


def _given(options: Options, given: dict[str, Any]) -> Options:
    """Options with what was typed above them."""
    from pipeline.commands._items import items_of
    from pipeline.export import share

    changes: dict[str, Any] = {key: given[key] for key in ("order", "seed", "out") if given[key] is not None}
    changes |= {key: True for key in ("exact", "include_earlier", "allow_mixed") if given[key]}
    changes |= {"ascii": True} if given["escape"] else {}
    changes |= {"formats": _items(options, given["formats"])} if given["formats"] else {}
    changes |= {"configs": items_of("--config", given["configs"], "axolotl: {base: MODEL}")} if given["configs"] else {}
    changes |= {"validation": share(given["split"])} if given["split"] is not None else {}
    return options.model_copy(update=changes)


def show(done: Exported, *, told: tuple[str, ...] = ()) -> None:
    """Prints a table of the files, and what a person should know.

    Args:
        done: the export.
        told: why rows are left out, or `flagged`, which a person knows already.
    """
    from pipeline.export import ASIDE

    _show_files(done.written)
    if done.rehearsal:
        console.warn("these rows are a rehearsal: no model wrote them. Name one for real ones: --model openai:MODEL")
    for why, count in done.aside.items():
        if why not in told:
            console.fact("left", f"{console.plural(count, 'row')}: {ASIDE[why]}")
    if "flagged" not in told:
        _outcome.tell_flagged(done.flagged, done.flagged_by_rule, done.dataset)
    _show_leak(done.divided, done.dataset)
    for note in done.notes:
        console.warn(note)
    for written in done.written:
        _show_written(written)


def _show_files(written: list[Written]) -> None:
    lines = [
        (one.format, file.path.name, file.rows, console.size(file.bytes),
         f"{'' if file.tokens_exact else 'about '}{file.tokens:,}")
        for one in written for file in one.files
    ]
    for line in console.table(lines, ("format", "file", "rows", "size", "tokens"), right=("rows", "size", "tokens")):
        console.out(line)
    if len(written) > 1:
        console.fact("tokens", "with the markers that each format sets around the same texts", "dim")


def _show_conversion(done: Converted) -> None:
    _show_files(done.written)
    console.fact("read", f"{console.plural(done.rows, 'row')} of {done.shape}"
                 + (f"; {done.unread:,} could not be read" if done.unread else ""))
    _show_leak(done.divided)
    for note in done.notes:
        console.warn(note)
    for written in done.written:
        _show_written(written)


def _show_leak(divided: Divided, dataset: str = "") -> None:
    """What train and validation share at most: the ids are in the manifest, whole; of a dataset, what shows the two."""
    if divided.validation and divided.leak:
        most = divided.leak[0]
        percent = f"{most.jaccard:.0%}"
        pair = "" if percent == "0%" else ": " + console.short_ids(f"{most.validation}, {most.train}")
        console.fact("split", f"the rows of train and validation that are most alike share {percent} of their "
                              f"runs of words{pair}")
        if pair and dataset:
            look = [f"synth inspect {dataset} {name[:8]}" for name in (most.validation, most.train)]
            console.fact("", "; ".join(look), "dim")
    elif divided.validation:
        console.fact("split", "train and validation have no run of words in common")
    if divided.validation and divided.joined:
        console.fact("split", f"{console.plural(divided.joined, 'near duplicate')} kept on one side")


def _show_written(written: Written) -> None:
    for code, count in sorted(written.refused.items()):
        problem = written.reasons[code]
        rows = console.plural(count, "row")
        console.warn(f"{written.format} refused {rows}: {code}: {problem.message}\n{problem.fix}")
    if written.changed:
        console.warn(f"{written.format}: its template strips or folds text of {console.plural(written.changed, 'row')}")
    if written.untrained:
        rows = console.plural(written.untrained, "row")
        console.warn(f"{written.format}: of {rows} only the last answer is trained, the earlier ones are asked with")
    if written.left:
        console.warn(f"{written.format} leaves the rejected answers of {console.plural(written.left, 'row')} behind")
    if written.unproven:
        lines = console.plural(written.unproven, "line")
        console.warn(f"{written.format}: {lines} kept as imported, though its template sets them otherwise")
    for name in written.stale:
        path, again = console.near(written.folder / name), "--config writes one that describes these"
        console.warn(f"{path} was changed by hand and stays, though it describes the files before; {again}"
                     if (written.folder / name).is_file() else
                     f"{path} described the files before and was taken away; {again}")
    if written.card_kept:
        console.warn(f"{console.near(written.folder / 'README.md')} was written or changed by hand and stays as it is; "
                     "for a new one delete it and export again")
    if written.passed:
        console.fact("kept", f"{console.plural(written.passed, 'line')} of {written.format} byte for byte as imported")


def _paths(written: Written) -> list[Path]:
    beside = [written.card] if written.card and not written.card_kept else []
    beside += [written.manifest] if written.manifest else []
    refused = [written.reasons_in] if written.reasons_in else []
    return [file.path for file in written.files] + refused + beside


def _first(done: Exported) -> str:
    return console.near(done.written[0].files[0].path)


def as_dict(done: Exported) -> dict[str, Any]:
    """An export as `--json` prints it."""
    return {
        "dataset": done.dataset, "rehearsal": done.rehearsal, "rows": done.rows, "left_out": done.aside,
        "flagged": done.flagged, "flagged_by_rule": done.flagged_by_rule, **done.divided.as_json(),
        "notes": done.notes, "configs": done.configs,
        "formats": [_written(written) for written in done.written],
    }


def _conversion(path: Path, done: Converted) -> dict[str, Any]:
    """A conversion as `--json` prints it."""
    return {"file": str(path), "shape": done.shape, "rows": done.rows, "unread": done.unread, "notes": done.notes,
            **done.divided.as_json(),
            "configs": done.configs, "formats": [_written(written) for written in done.written]}


def _written(written: Written) -> dict[str, Any]:
    return {
        "format": written.format, "folder": written.folder,
        "files": [{**file._asdict(), "path": str(file.path)} for file in written.files],
        "refused": written.refused_rows, "refused_by_code": dict(sorted(written.refused.items())),
        "text_changed_by_template": written.changed, "earlier_answers_untrained": written.untrained,
        "written_as_imported": written.passed, "stale_configs": list(written.stale),
    }

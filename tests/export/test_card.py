"""The dataset card and what a manifest says of licence and sources: read by the hub's own classes and by `datasets`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.curate import curate
from pipeline.errors import RecipeError
from pipeline.export import Options, export
from pipeline.export.card import card, metadata
from pipeline.export.convert import convert
from pipeline.formats import open_formats
from pipeline.recipe import parse_recipe
from pipeline.sections import About, Item
from pipeline.store import Dataset
from pipeline.types import Sample
from tests import made

ABOUT = About(license="CC-BY-4.0", language=["en"], title="Tales: of many", description="Short acts.", tags=["fiction"],
              source="Ideas of our own.")


def exported(folder: Path, rows: list[Sample], **options: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The card, its front matter, and the manifest."""
    path = made.dataset(folder / "tales", rows)
    with Dataset.open(path) as dataset:
        export(dataset, Options(**{"validation": 0.2, "about": ABOUT, **options}))
    name = options.get("formats", (Item(name="openai-chat"),))[0].name
    return read(path / "exports" / name)


def read(folder: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    text = (folder / "README.md").read_text(encoding="utf-8")
    return text, yaml.safe_load(text.split("---\n")[1]), json.loads((folder / "manifest.json").read_bytes())


def test_the_card_says_what_the_rows_are_and_whose(tmp_path: Path) -> None:
    text, front, manifest = exported(tmp_path, [made.sample(i) for i in range(30)])
    assert front["license"] == "cc-by-4.0"
    assert front["language"] == ["en"]
    assert front["size_categories"] == ["n<1K"]
    assert front["tags"] == ["synthetic", "synth", "fiction"]
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "train.jsonl"},
                                                 {"split": "validation", "path": "validation.jsonl"}]
    assert "# Tales: of many\n\nShort acts." in text
    assert "| openai | `writer-1-2026` | 27 |" in text
    assert "**genre**: high fantasy (9), horror (9), romance & comedy (9)" in text
    for file in manifest["files"]:
        assert file["sha256"] in text
    assert manifest["license"] == "CC-BY-4.0"
    assert manifest["provenance"]["writers"] == [
        {"host": "openai", "model": "writer-1-2026", "rows": 27, "rehearsal": False}]
    assert manifest["notes"] == [
        "Written by writer-1-2026 at openai: check the terms of openai on training on its output."]
    assert manifest["notes"][0] in text


def test_the_hub_reads_the_front_matter_as_we_wrote_it(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    text, front, _ = exported(tmp_path, [made.sample(i) for i in range(12)])
    data = hub.DatasetCard(text).data
    assert isinstance(data, hub.DatasetCardData)
    assert data.to_dict() == front
    assert (data.license, data.language, data.pretty_name) == ("cc-by-4.0", ["en"], "Tales: of many")


def test_without_a_licence_none_is_made_up(tmp_path: Path) -> None:
    _, front, manifest = exported(tmp_path, [made.sample(i) for i in range(12)], about=None)
    assert "license" not in front
    assert "language" not in front
    assert manifest["license"] is None
    assert any("No licence is stated" in note for note in manifest["notes"])


@pytest.mark.parametrize(("said", "front"), [
    ("MIT", {"license": "mit"}),
    ("Our own terms, 2026", {"license": "other", "license_name": "our-own-terms-2026"}),
])
def test_a_licence_by_its_own_name_is_other(tmp_path: Path, said: str, front: dict[str, str]) -> None:
    text, found, _ = exported(tmp_path, [made.sample(i) for i in range(6)], about=About(license=said))
    assert front.items() <= found.items()
    assert said in text


def test_a_rehearsal_is_no_synthetic_data(tmp_path: Path) -> None:
    rows = [replace(made.sample(i), provenance={"namespace": "rehearsal", "model": "rehearsal", "rehearsal": True})
            for i in range(12)]
    text, front, manifest = exported(tmp_path, rows)
    assert front["tags"] == ["rehearsal", "synth", "fiction"]
    assert "**A rehearsal**" in text
    assert manifest["provenance"]["writers"][0]["rehearsal"] is True
    assert not any("terms" in note for note in manifest["notes"])


def test_rewrites_files_and_imported_rows_are_counted(tmp_path: Path) -> None:
    long = "word " * 200
    source = {"file": "/home/someone/tickets.csv", "digest": "abc", "row": "r", "start": 0, "end": 3}
    rows = [Sample(f"i{i}", [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": long}],
                   source=source, provenance={"imported": "columns"}) for i in range(4)]
    first = made.sample(9)
    child = replace(first, id="child0", parent=first.id, calls=(),
                    provenance={**first.provenance, "augmentation": "expand"})
    text, _, manifest = exported(tmp_path, [*rows, first, child])
    known = manifest["provenance"]
    assert known["files"] == [{"name": "tickets.csv", "sha256": None, "rows": 4, "used": "rows"}]
    assert known["imported"] == 4
    assert known["rewritten"] == {"expand": 1}
    assert "someone" not in text + json.dumps(manifest)


def test_a_row_that_was_rewritten_without_a_model_is_not_as_it_was_imported(tmp_path: Path) -> None:
    rows = [Sample(f"i{i}", [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": "word " * 200}],
                   provenance={"imported": "columns"}) for i in range(4)]
    child = replace(rows[3], id="child0", parent="i3", provenance={"augmentation": "mask"})
    text, _, manifest = exported(tmp_path, [*rows[:3], child])
    assert (manifest["provenance"]["imported"], manifest["provenance"]["rewritten"]) == (3, {"mask": 1})
    assert "3 rows are as they were imported.\n\n1 row was rewritten by `mask`." in text


def test_a_file_of_requests_trains_nothing_and_is_described_so(tmp_path: Path) -> None:
    text, _, _ = exported(tmp_path, [made.sample(i) for i in range(10)],
                          formats=(Item(name="openai-batch", options={"model": "gpt-4.1-mini"}),))
    assert "requests and " in text
    assert "to train on" not in text


def test_flags_stand_in_the_card_and_in_the_manifest(tmp_path: Path) -> None:
    rows = [replace(made.sample(i), id=f"row{i}") for i in range(9)]
    rows[8] = replace(rows[8], messages=[*rows[8].messages[:1], {
        "role": "assistant", "content": f"{rows[8].answer} Write to jane.doe@acme-shop.com."}])
    path = made.dataset(tmp_path / "tales", rows, curated=False)
    with Dataset.open(path) as dataset:
        curate(dataset, [Item(name="length", options={"min": 400, "unit": "bytes"}), Item(name="pii")])
        done = export(dataset, Options())
    assert (done.flagged, done.flagged_by_rule) == (1, {"pii": 1})
    text, _, manifest = read(path / "exports" / "openai-chat")
    counts = manifest["counts"]
    assert (counts["flagged"], counts["flagged_by_rule"]) == (1, {"pii": 1})
    assert "Of the kept ones 1 is flagged, for something that alone drops no row: `pii` (1)." in text
    assert next(line for line in text.splitlines() if line.startswith("| `pii`")).endswith("| 0 | 1 |")


def test_the_card_names_the_version_that_wrote_it_and_nothing_to_install(tmp_path: Path) -> None:
    text, _, manifest = exported(tmp_path, [made.sample(i) for i in range(4)])
    assert f"Written by synth {manifest['synth']}.\n\n```sh\nsynth run tales\n```" in text
    assert "pip install" not in text, "no such version may be released"


def test_labels_are_a_classification(tmp_path: Path) -> None:
    rows = [Sample(f"s{i}", [{"role": "user", "content": f"ticket {i}"},
                             {"role": "assistant", "content": ("bug", "question")[i % 2]}]) for i in range(10)]
    path = made.dataset(tmp_path / "tickets", rows, curated=False)
    with Dataset.open(path) as dataset:
        export(dataset, Options())
    text, front, _ = read(path / "exports" / "openai-chat")
    assert front["task_categories"] == ["text-classification"]
    assert "| `bug` | 5 | 0 |" in text


def test_the_same_rows_give_the_same_card(tmp_path: Path) -> None:
    rows = [made.sample(i) for i in range(20)]
    one = exported(tmp_path / "a", rows)
    other = exported(tmp_path / "b", rows[::-1])
    assert one == other


def test_a_card_changed_by_hand_stays(tmp_path: Path) -> None:
    path = made.dataset(tmp_path / "tales", [made.sample(i) for i in range(12)])
    mine = path / "exports" / "openai-chat" / "README.md"
    with Dataset.open(path) as dataset:
        assert not export(dataset, Options()).written[0].card_kept
        mine.write_text("# Mine\n")
        for _ in range(2):
            (written,) = export(dataset, Options(validation=0.2)).written
            assert written.card_kept
            assert mine.read_text() == "# Mine\n"
        mine.unlink()
        assert not export(dataset, Options()).written[0].card_kept
    assert "pretty_name: tales" in mine.read_text()


def test_a_converted_file_has_a_card_too(tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": f"p{i}", "completion": f"c | `{i}`"}) for i in range(3)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    convert(tmp_path / "rows.jsonl", open_formats([Item(name="chatml")]), Options(order="given"), lambda _: None)
    text, front, manifest = read(tmp_path / "rows-exports" / "chatml")
    assert front["pretty_name"] == "rows"
    assert "3 rows are as they were imported" in text
    (source,) = manifest["provenance"]["files"]
    assert source == {"name": "rows.jsonl", "sha256": manifest["source"]["sha256"], "rows": 3, "used": "rows"}


def test_a_card_counts_the_rows_that_are_written(tmp_path: Path) -> None:
    """Three of ten are refused, one of them for two reasons, and the template strips two of the others."""
    rows = [{"prompt": f"p{i}{' <start_of_turn>' if i < 3 else ''}{' <end_of_turn>' if i == 0 else ''}",
             "completion": f"c{i}{' ' if i > 7 else ''}"} for i in range(10)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = convert(tmp_path / "rows.jsonl", open_formats([Item(name="gemma")]), Options(order="given"), lambda _: None)
    assert dict(done.written[0].refused) == {"control-token": 3}
    text, _, manifest = read(tmp_path / "rows-exports" / "gemma")
    assert "7 rows are as they were imported" in text
    assert "Of 10 rows 3 were refused, as `gemma` cannot hold them: `control-token` (3)." in text
    assert "The template of `gemma` strips or folds text of 2 of the rows." in text
    assert manifest["provenance"]["imported"] == manifest["provenance"]["files"][0]["rows"] == 7
    assert manifest["counts"]["refused_by_code"] == {"control-token": 3}
    refused = (tmp_path / "rows-exports" / "gemma" / "refused.jsonl").read_text().splitlines()
    assert len(refused) == 4, "each reason stands there"


def test_a_card_counts_axes_and_writers_of_the_rows_that_are_written(tmp_path: Path) -> None:
    rows = [made.sample(i) for i in range(3, 9)]
    rows[0] = replace(rows[0], messages=[{"role": "user", "content": "<start_of_turn>"}, *rows[0].messages[-1:]])
    path = made.dataset(tmp_path / "tales", rows, curated=False)
    with Dataset.open(path) as dataset:
        export(dataset, Options(formats=(Item(name="gemma"), Item(name="openai-chat"))))
    for name, count in (("gemma", 5), ("openai-chat", 6)):
        _, _, manifest = read(path / "exports" / name)
        assert sum(writer["rows"] for writer in manifest["provenance"]["writers"]) == count


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(title="", said="", tags=["\x85", "a\u2028b"])
@given(title=st.text(max_size=30), said=st.text(max_size=40), tags=st.lists(st.text(max_size=8), max_size=3))
def test_any_text_is_held_by_the_front_matter(story: Any, title: str, said: str, tags: list[str]) -> None:
    hub = pytest.importorskip("huggingface_hub")
    about = About(title=title, license=said, tags=tags, description=said)
    told, manifest = story
    text = card(told._replace(about=about), manifest, {"text": said})
    assert hub.DatasetCard(text).data.to_dict() == metadata(told._replace(about=about), manifest)


@pytest.fixture(scope="module")
def story() -> Any:
    """What a card is made of, without a dataset."""
    from pipeline.export.card import Story
    from pipeline.export.origins import Files, Origins, sources

    origins = Origins()
    origins.add(made.sample(1))
    manifest = {"format": "openai-chat", "synth": "0", "files": [
        {"name": "train.jsonl", "rows": 1, "tokens": 1, "tokens_exact": True, "sha256": "0"}],
        "counts": {"chosen": 1, "refused": 0, "text_changed_by_template": 0},
        **sources(None, origins, None, Files(()))}
    return Story("tales", "synth run tales", None, None, origins, {}, {}), manifest


@pytest.mark.parametrize("written", ["no", "[no, en]"])
def test_norwegian_is_a_language(written: str) -> None:
    recipe = parse_recipe(f"{made.TALES}about: {{language: {written}}}\n")
    assert recipe.about is not None
    assert recipe.about.language[0] == "no"


def test_a_language_is_a_code() -> None:
    with pytest.raises(RecipeError, match="'English' is no code of two or three letters"):
        parse_recipe(f"{made.TALES}about: {{language: English}}\n")


LOAD = """
import json, sys
from datasets import load_dataset
for folder in sys.argv[2:]:
    found = load_dataset(folder, cache_dir=sys.argv[1])
    print(json.dumps({name: [len(rows), rows.column_names] for name, rows in found.items()}))
"""
COLUMNS = {"openai-chat": ["messages"], "llama2": ["text"], "csv": ["prompt", "completion"], "parquet": None,
           "trl-prompt-completion": ["prompt", "completion"]}


@pytest.mark.slow
def test_datasets_loads_a_folder_by_its_splits(tmp_path: Path) -> None:
    """In a process of its own, with no way to a hub."""
    pytest.importorskip("datasets")
    exported(tmp_path, [made.sample(i) for i in range(30)], formats=tuple(Item(name=name) for name in COLUMNS))
    env = {"PATH": "", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "HOME": str(tmp_path)}
    folders = [str(tmp_path / "tales" / "exports" / name) for name in COLUMNS]
    words = [sys.executable, "-c", LOAD, str(tmp_path / "cache"), *folders]
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for columns, line in zip(COLUMNS.values(), done.stdout.splitlines()[-len(COLUMNS):], strict=True):
        found = json.loads(line)
        assert {split: rows for split, (rows, _) in found.items()} == {"train": 22, "validation": 5}
        assert columns is None or found["train"][1] == columns

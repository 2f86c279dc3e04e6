"""Train and validation: near duplicates on one side, labels on both, and what they share after all."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.commands import main
from pipeline.commands._console import short_ids
from pipeline.export import leak
from pipeline.export._spool import TRAIN, VALIDATION, Spool
from pipeline.export.leak import Shingled, compared
from pipeline.export.order import place_of
from pipeline.export.split import Divided, divide
from pipeline.shingles import Shingler, jaccard
from pipeline.types import Sample

WORDS = [f"w{number}" for number in range(4000)]


def row(name: str, prompt: str, answer: str) -> Sample:
    return Sample(name, [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}])


def text(seed: int, changed: int = 0, size: int = 60) -> str:
    """Words of a seed; of the same seed all but the last `changed` are the same."""
    dice, other = random.Random(seed), random.Random(f"{seed}-{changed}")
    return " ".join([*dice.choices(WORDS, k=size - changed), *other.choices(WORDS, k=changed)])


@contextmanager
def spooled(folder: Path, rows: Sequence[Sample]) -> Iterator[Spool]:
    folder.mkdir(exist_ok=True)
    (folder / "rows.sqlite").unlink(missing_ok=True)
    with Spool(folder / "rows.sqlite") as spool:
        for ordinal, each in enumerate(rows):
            spool.add(ordinal, each, place_of(each, ordinal, None, "given", 0), None)
        yield spool


def divided(
    folder: Path, rows: Sequence[Sample], share: float, near: float = 0.8
) -> tuple[Divided, set[str], set[str]]:
    with spooled(folder, rows) as spool:
        done = divide(spool, share, 0, near)
        train, held = ({each.example.sample for each in spool.rows(side)} for side in (TRAIN, VALIDATION))
    assert len(train) + len(held) == len(rows)
    return done, train, held


def copies(families: int, each: int = 2) -> list[Sample]:
    return [row(f"{family}-{copy}", f"Prompt {family} {copy}", text(family, copy)) for family in range(families)
            for copy in range(each)]


def test_near_duplicates_are_on_one_side_whatever_was_asked(tmp_path: Path) -> None:
    rows = copies(60)
    done, train, held = divided(tmp_path, rows, 0.2)
    assert not {name.split("-")[0] for name in train} & {name.split("-")[0] for name in held}
    assert abs(len(held) - 24) <= 1
    assert done.joined == 60
    assert (done.leak[0].jaccard if done.leak else 0) < 0.2
    before, _, _ = divided(tmp_path, rows, 0.2, near=0)
    assert before.leak[0].jaccard > 0.9
    assert any(f"share {before.leak[0].jaccard:.2f} of their text" in note for note in before.notes)
    assert not done.notes


def test_without_near_duplicates_the_division_is_that_of_the_families(tmp_path: Path) -> None:
    rows = [row(f"{number}", f"Prompt {number}", text(number)) for number in range(80)]
    assert divided(tmp_path, rows, 0.15)[1:] == divided(tmp_path, rows, 0.15, near=0)[1:]


def test_what_was_held_out_stays_held_out_as_rows_arrive(tmp_path: Path) -> None:
    rows = copies(50)
    _, train, held = divided(tmp_path, rows, 0.2)
    _, _, again = divided(tmp_path, [*rows, *copies(80)[100:]], 0.2)
    assert held <= again, "a larger validation set goes on in the same order"
    joined = [row(f"{family}-late", f"Late {family}", text(family, 3)) for family in range(0, 50, 5)]
    _, _, after = divided(tmp_path, [*rows, *joined], 0.2)
    moved = {name for name in train | held if (name in held) != (name in after)}
    assert len(moved) <= 0.1 * len(rows), "a family that joins a cluster may lead it: one of three does"
    for family in {name.split("-")[0] for name in after}:
        assert {name for name in train | held if name.startswith(f"{family}-")} <= after


def test_a_cluster_larger_than_validation_stays_in_train(tmp_path: Path) -> None:
    large = [row(f"same-{number}", f"Q {number}", text(1, 1 + number % 3)) for number in range(40)]
    done, train, held = divided(tmp_path, [*large, *copies(30, 1)[2:]], 0.2)
    assert {each.id for each in large} <= train
    assert len(held) == 14
    assert done.joined == 39


def test_rows_that_are_all_alike_are_divided_nevertheless(tmp_path: Path) -> None:
    rows = [row(f"{number}", f"Q {number}", text(1, number % 3)) for number in range(10)]
    done, train, held = divided(tmp_path, rows, 0.2)
    assert (len(train), len(held)) == (8, 2)
    assert any("all rows are near duplicates" in note for note in done.notes)
    assert any("validation knows what train has" in note for note in done.notes)


TEMPLATE = ("Read the customer's message below with care and say in a single word what it is about, as the list of "
            "topics that we use in support has it, without any other text before or behind it. The message: ")


def tickets(count: int, labels: Sequence[str]) -> list[Sample]:
    return [row(f"{number}", TEMPLATE + text(number, size=12), labels[number % len(labels)]) for number in range(count)]


def test_labels_are_on_both_sides_in_their_share(tmp_path: Path) -> None:
    rows = tickets(300, ["billing"] * 20 + ["hardware"] * 8 + ["account", "fraud"])
    done, train, held = divided(tmp_path, rows, 0.1)
    sides = [Counter(each.answer for each in rows if each.id in side) for side in (train, held)]
    assert sides[0].total() + sides[1].total() == 300
    assert all(sides[1][label] >= 1 and sides[0][label] >= 1 for label in ("billing", "hardware", "account", "fraud"))
    assert abs(sides[1]["billing"] - 20) <= 1
    assert abs(sides[1]["hardware"] - 8) <= 1
    assert done.joined == 0, "what all prompts share makes no near duplicates of them"
    assert done.leak[0].jaccard < 0.1
    _, _, again = divided(tmp_path, [*rows, *tickets(330, ["billing"])[300:]], 0.1)
    assert held <= again
    _, _, few = divided(tmp_path, tickets(4, ["a", "b"]), 0.1)
    assert Counter(int(name) % 2 for name in few) == {0: 1, 1: 1}


def test_like_prompts_of_labels_are_near_duplicates(tmp_path: Path) -> None:
    rows = [row(f"{n}-{copy}", TEMPLATE + text(n, copy, size=40), "ab"[n % 2]) for n in range(40) for copy in (0, 1)]
    done, train, held = divided(tmp_path, rows, 0.2)
    assert done.joined == 40
    assert not {name.split("-")[0] for name in train} & {name.split("-")[0] for name in held}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), words=st.integers(3, 40), held_by=st.sampled_from([1, 3, 256]))
def test_the_largest_jaccard_is_that_of_all_pairs(
    tmp_path_factory: pytest.TempPathFactory, seed: int, words: int, held_by: int
) -> None:
    dice = random.Random(seed)
    rows = [row(f"{number:02}", f"P {number}", " ".join(dice.choices(WORDS[:words], k=dice.randint(5, 30))))
            for number in range(30)]
    folder = tmp_path_factory.mktemp("pairs")
    usual = leak._HELD_BY, leak._TOGETHER, leak._INDEXED
    leak._HELD_BY, leak._TOGETHER, leak._INDEXED = held_by, 4, 40
    try:
        with spooled(folder, rows) as spool:
            spool.rank((family, 0.5) for family in spool.families())
            with Shingled(spool) as texts:
                held = {texts.families[number] for number in range(0, 30, 3)}
                found = texts.most_alike(held)
                sides = {name: texts.families[number] in held for number, name in enumerate(texts.names)}
    finally:
        leak._HELD_BY, leak._TOGETHER, leak._INDEXED = usual
    grams = {each.id: Shingler().grams(compared(each).text) for each in rows}
    every = sorted((-jaccard(grams[ours], grams[other]), ours, other) for ours in sides if sides[ours]
                   for other in sides if not sides[other])
    wanted = [round(-each, 9) for each, *_ in every if each][:3]
    got = [round(pair.jaccard, 9) for pair in found]
    if held_by == 256:
        assert got == wanted
    else:  # runs of words that more rows have find nobody: pairs may be missing, and none is better than it is
        assert len(got) <= len(wanted)
        assert all(found <= best for found, best in zip(got, wanted, strict=False))
        assert got == sorted(got, reverse=True)
    for pair in found:
        assert pair.jaccard == jaccard(grams[pair.validation], grams[pair.train])


def test_the_proof_is_in_the_manifest_and_on_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    halves = [row("", f"Half {number} {part}", text(900 + number, 30 + part))
              for number in range(20) for part in (0, 1)]
    told = exported([*copies(20), *halves], "--split", "0.3")
    assert told["families"] == {"train": 56, "validation": 24, "joined": 20}
    first = told["leak"]["pairs"][0]
    assert told["leak"]["largest_jaccard"] == first["jaccard"]
    assert 0.2 < first["jaccard"] < 0.5
    assert [first[f"{side}_begins"][:20] for side in ("train", "validation")] == [first["train_begins"][:20]] * 2
    said = " ".join("".join(capsys.readouterr()).split())
    assert (f"that are most alike share {first['jaccard']:.0%} of their runs of words: "
            f"{short_ids(first['validation'])}, {short_ids(first['train'])}") in said
    assert exported([row("", f"P {number}", text(number)) for number in range(20)], "--split", "0.3")["leak"] == {
        "largest_jaccard": 0.0, "pairs": []}
    assert "train and validation have no run of words in common" in "".join(capsys.readouterr())
    assert "leak" not in exported(copies(20))
    assert "most alike" not in "".join(capsys.readouterr())


def exported(rows: Sequence[Sample], *options: str) -> dict[str, Any]:
    """The manifest of a file's rows as another format."""
    lines = [json.dumps({"prompt": each.prompt, "completion": each.answer}) + "\n" for each in rows]
    Path("rows.jsonl").write_text("".join(lines))
    assert main(["export", "rows.jsonl", "--to", "prompt-completion", *options]) == 0
    found: dict[str, Any] = json.loads(Path("rows-exports/prompt-completion/manifest.json").read_text())
    return found


def test_near_duplicates_of_sentences_that_people_wrote(tmp_path: Path, shared_data: Path) -> None:
    """Of 14,044 real questions 1,549 are near copies of another one: by prompt alone, 0.95 was on both sides."""
    import gzip

    with gzip.open(shared_data / "curation/base.jsonl.gz") as file:
        texts = [each["t"] for each in map(json.loads, file) if each["k"] == "q"][2200:2900]
    rows = [row(f"{number:03}", f"Prompt {number}", each) for number, each in enumerate(texts)]
    assert divided(tmp_path, rows, 0.1)[0].leak[0].jaccard < 0.8
    assert divided(tmp_path, rows, 0.1, near=0)[0].leak[0].jaccard > 0.8


def test_one_prompt_is_divided_by_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows of one answer, and near duplicates, are on one side."""
    monkeypatch.chdir(tmp_path)
    texts = [text(number) for number in range(30)] + [text(0)] + [text(number, 2) for number in range(1, 6)]
    path = Path("rows.jsonl")
    path.write_text("".join(json.dumps({"prompt": "Write.", "completion": each}) + "\n" for each in texts))
    assert main(["export", "rows.jsonl", "--to", "openai-chat", "--split", "0.2"]) == 0
    said = capsys.readouterr().err
    assert "all rows share one cell or prompt: they are divided by answer" in said
    assert "5 near duplicates kept on one side" in said
    folder = Path("rows-exports/openai-chat")
    sides = {}
    for side in ("train", "validation"):
        for line in (folder / f"{side}.jsonl").read_text().splitlines():
            sides.setdefault(json.loads(line)["messages"][-1]["content"][:150], set()).add(side)
    assert all(len(found) == 1 for found in sides.values())
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["families"]["by"] == "answer"
    assert [file["rows"] for file in manifest["files"]] != [36]
    assert "Rows of one answer are on one side" in (folder / "README.md").read_text()


def test_one_prompt_and_one_answer_are_not_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text((json.dumps({"prompt": "Write.", "completion": "Yes."}) + "\n") * 5)
    assert main(["export", "rows.jsonl", "--to", "openai-chat", "--split", "0.2"]) == 0
    assert "no validation file: all rows have one prompt and one answer" in capsys.readouterr().err


def test_hardly_alike_is_said_without_names(capsys: pytest.CaptureFixture[str]) -> None:
    from pipeline.commands.export import _show_leak
    from pipeline.export.leak import Pair

    _show_leak(Divided(10, 2, leak=(Pair(0.001, "one", "other", ("a", "b")),)))
    said = capsys.readouterr().err
    assert "share 0% of their runs of words" in " ".join(said.split())
    assert "one, other" not in said

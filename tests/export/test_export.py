"""The export stage on real datasets: which rows, in which order, on which side, byte for byte."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError, RecipeError, YieldError
from pipeline.export import Exported, Options, export, share
from pipeline.export._spool import Spool
from pipeline.store.dataset import Dataset
from pipeline.types import Sample, Verdict

GENRES, PLACES = ("comedy", "crime", "horror", "fantasy"), ("France", "Japan", "Peru")


def sample(name: str, prompt: str | None = None, answer: str = "", **rest: Any) -> Sample:
    asked = [] if prompt is None else [{"role": "user", "content": prompt}]
    return Sample(id=name, messages=[*asked, {"role": "assistant", "content": answer or f"answer of {name}"}], **rest)


def grid() -> list[Sample]:
    cells = [{"genre": genre, "place": place} for genre in GENRES for place in PLACES]
    return [
        sample(f"{cell['genre']}-{cell['place']}-{repeat}", f"{cell['genre']} in {cell['place']}", cell=cell)
        for cell in cells
        for repeat in (0, 1)
    ]


def dataset(folder: Path, samples: Iterable[Sample], name: str = "plots") -> Dataset:
    made = Dataset.create(folder / name)
    with made.sample_writer() as writer:
        for each in samples:
            assert writer.add(each)
    return made


def run(made: Dataset, **options: Any) -> Exported:
    return export(made, Options(**{"formats": ("prompt-completion",), **options}))


def lines(made: Dataset, name: str = "prompt-completion/train.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (made.exports / name).read_bytes().splitlines()]


def answers(made: Dataset, name: str = "prompt-completion/train.jsonl") -> list[str]:
    return [line["completion"].removeprefix("answer of ") for line in lines(made, name)]


def test_files_manifest_and_counts(tmp_path: Path) -> None:
    with dataset(tmp_path, grid()) as made:
        done = run(made, formats=("openai-chat", "llama2"), validation=0.25)
        assert done.rows == 24
        assert not done.rehearsal
        for written in done.written:
            assert [file.path.name for file in written.files] == ["train.jsonl", "validation.jsonl"]
            manifest = json.loads((written.folder / "manifest.json").read_bytes())
            assert manifest["dataset"] == "plots"
            assert manifest["counts"]["rows"] == manifest["counts"]["chosen"] == 24
            assert sum(file["rows"] for file in manifest["files"]) == 24
            for file, listed in zip(written.files, manifest["files"]):
                data = file.path.read_bytes()
                assert listed["sha256"] == hashlib.sha256(data).hexdigest() == file.sha256
                assert listed["bytes"] == len(data)
                assert listed["rows"] == data.count(b"\n")
                assert listed["tokens"] > 0
            assert not any(path.name.startswith(".") for path in written.folder.iterdir())
        assert not any(path.name.startswith(".") for path in made.exports.iterdir())


def test_same_bytes_whatever_the_arrival(tmp_path: Path) -> None:
    samples = grid()
    found = set()
    for number in range(3):
        random.Random(number).shuffle(samples)
        with dataset(tmp_path / str(number), samples) as made:
            done = run(made, validation=0.3)
            run(made, validation=0.3)
            manifest = made.exports / "prompt-completion" / "manifest.json"
            files = [*(file.path for file in done.written[0].files), manifest]
            found.add(tuple(path.read_bytes() for path in files))
    assert len(found) == 1


def test_orders(tmp_path: Path) -> None:
    samples = [
        sample("3", "q", fields={"name": "b.txt"}),
        sample("1", "q", fields={"name": "A.txt"}),
        sample("2", "q", fields={"name": "a.txt"}),
        sample("0", "q", fields={"name": "_.txt"}),
        sample("4", "q", fields={"name": "É.txt"}),
    ]
    with dataset(tmp_path, samples) as made:
        run(made, order="given")
        assert answers(made) == ["3", "1", "2", "0", "4"]
        run(made, order="cell")  # rows without a cell stay as they came
        assert answers(made) == ["3", "1", "2", "0", "4"]
        run(made, order="name")
        assert answers(made) == ["1", "0", "2", "3", "4"]
        run(made, order="name-ignorecase")
        assert answers(made) == ["0", "1", "2", "3", "4"]
        run(made, order="shuffled", seed=1)
        first = answers(made)
        assert sorted(first) == ["0", "1", "2", "3", "4"]
        run(made, order="shuffled", seed=2)
        assert answers(made) != first


def test_a_rewrite_follows_its_parent(tmp_path: Path) -> None:
    parent = sample("zz", "q", cell={"genre": "a"})
    child = sample("aa", "q", cell={"genre": "a"}, parent="zz")
    grandchild = sample("bb", "q", parent="aa")
    other = sample("mm", "q", cell={"genre": "a"})
    imported, longer = sample("yy", "p"), sample("xx", "p", parent="yy")
    with dataset(tmp_path, [imported, parent, other, child, grandchild, longer]) as made:
        run(made)
        assert answers(made) == ["yy", "xx", "mm", "zz", "aa", "bb"]


def test_split_keeps_twins_together(tmp_path: Path) -> None:
    extra = [sample(f"{row.id}-longer", "another prompt", parent=row.id) for row in grid()[::5]]
    with dataset(tmp_path, [*grid(), *extra]) as made:
        done = run(made, validation=0.4)
        train, held = answers(made), answers(made, "prompt-completion/validation.jsonl")
        assert len(train) + len(held) == 24 + len(extra)
        cells = [{name.split("-")[0] + name.split("-")[1] for name in side} for side in (train, held)]
        assert not cells[0] & cells[1]
        assert 2 <= len(cells[1]) <= 8
        again = run(made, validation=0.4, seed=5)
        assert again.written[0].files[1].sha256 != done.written[0].files[1].sha256


def test_split_is_hardly_disturbed_as_cells_arrive(tmp_path: Path) -> None:
    """Cells that were there keep their rank: those held out before contain those held out now, or the other way."""
    some = [row for row in grid() if row.cell["genre"] != "horror"]
    with dataset(tmp_path / "a", some) as small, dataset(tmp_path / "b", grid()) as large:
        run(small, validation=0.4)
        run(large, validation=0.4)
        held = "prompt-completion/validation.jsonl"
        before, now = set(answers(small, held)), {name for name in answers(large, held) if "horror" not in name}
        assert before <= now or now <= before
        assert before & now


@pytest.mark.parametrize(("share", "cells"), [(0.25, 3), (0.1, 1), (0.5, 6), (0.96, 11)])
def test_the_share_is_met_to_the_cell(tmp_path: Path, share: float, cells: int) -> None:
    with dataset(tmp_path, grid()) as made:
        done = run(made, validation=share)
        assert [file.rows for file in done.written[0].files] == [24 - 2 * cells, 2 * cells]
        assert bool(done.notes[1:]) == (share == 0.96)


def test_imported_rows_are_split_by_prompt(tmp_path: Path) -> None:
    samples = [sample(f"{i}", ["What  is\nIT", "what is it"][i % 2] + f" {i // 2}") for i in range(40)]
    with dataset(tmp_path, samples) as made:
        run(made, validation=0.3)
        train, held = answers(made), answers(made, "prompt-completion/validation.jsonl")
        assert not {int(name) // 2 for name in train} & {int(name) // 2 for name in held}
        assert len(held) >= 2


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("validation", [0.001, 0.999])
def test_tiny_sets_have_both_sides(tmp_path: Path, count: int, validation: float) -> None:
    with dataset(tmp_path, [sample(f"{i}", f"q{i}") for i in range(count)]) as made:
        done = run(made, validation=validation)
        rows = [file.rows for file in done.written[0].files]
        assert rows == ([count - 1, 1] if validation < 0.5 else [1, count - 1])
        assert any("too few" in note for note in done.notes)


def test_one_prompt_is_divided_by_its_answers(tmp_path: Path) -> None:
    with dataset(tmp_path, [sample(f"{i}", "Q" if i else "q ") for i in range(5)]) as made:
        done = run(made, validation=0.5)
        assert [file.path.name for file in done.written[0].files] == ["train.jsonl", "validation.jsonl"]
        assert any("by answer" in note for note in done.notes), done.notes


def test_answers_alone_are_divided_too(tmp_path: Path) -> None:
    with dataset(tmp_path, [sample(f"{i}") for i in range(30)]) as made:
        done = run(made, validation=0.3)
        assert [line["prompt"] for line in lines(made)] == [""] * done.written[0].files[0].rows
        assert done.written[0].files[1].rows > 1


def verdicts(samples: list[Sample], dropped: set[str]) -> list[Verdict]:
    return [Verdict(row.id, row.digest, "dropped" if row.id in dropped else "kept", ()) for row in samples]


def test_only_kept_rows(tmp_path: Path) -> None:
    samples = [sample(str(i), f"q{i}") for i in range(6)]
    with dataset(tmp_path, samples[:5]) as made:
        assert any("not curated yet" in note for note in run(made).notes)
        made.write_verdicts(verdicts(samples[:5], {"1", "2"}))
        with made.sample_writer() as writer:
            writer.add(samples[5])
        done = run(made)
        assert answers(made) == ["0", "3", "4"]
        assert done.aside == {"dropped": 2, "unmeasured": 1}
        assert not done.notes


def test_a_hand_wins_over_an_old_verdict(tmp_path: Path) -> None:
    """A kept row that was edited stays in; a dropped one waits until it is measured again."""
    samples = [sample(str(i), f"q{i}") for i in range(3)]
    with dataset(tmp_path, samples) as made:
        made.write_verdicts(verdicts(samples, {"1"}))
        path = made.path / "samples.jsonl"
        path.write_text(path.read_text().replace("answer of", "edited answer of"))
        done = run(made)
        assert [line["completion"] for line in lines(made)] == ["edited answer of 0", "edited answer of 2"]
        assert done.aside == {"unmeasured": 1}
        assert any("changed since" in note for note in done.notes)


def test_nothing_kept_is_no_success(tmp_path: Path) -> None:
    samples = [sample("0", "q")]
    with dataset(tmp_path, samples) as made:
        made.write_verdicts(verdicts(samples, {"0"}))
        with pytest.raises(YieldError, match="1 dropped by curation") as error:
            run(made)
        assert error.value.hint == "synth inspect plots --state dropped"
    with dataset(tmp_path, [], "empty") as made, pytest.raises(YieldError, match="no rows"):
        run(made)


def test_rehearsed_and_real_rows_part(tmp_path: Path) -> None:
    rehearsed = [sample(f"r{i}", f"q{i}", provenance={"rehearsal": True}) for i in range(2)]
    with dataset(tmp_path / "a", rehearsed) as made:
        done = run(made)
        assert done.rehearsal
        assert json.loads((made.exports / "prompt-completion/manifest.json").read_bytes())["rehearsal"] is True
    with dataset(tmp_path / "b", [*rehearsed, sample("real", "q")]) as made:
        done = run(made)
        assert not done.rehearsal
        assert answers(made) == ["real"]
        assert done.aside == {"rehearsed": 2}
        mixed = run(made, allow_mixed=True)
        assert mixed.rehearsal
        assert len(answers(made)) == 3


def test_earlier_writers_stand_aside(tmp_path: Path) -> None:
    samples = [
        sample("old", "q", provenance={"writer": "w1"}),
        sample("new", "q", provenance={"writer": "w2"}),
        sample("child", "q", parent="old"),
        sample("imported", "q"),
    ]
    with dataset(tmp_path, samples) as made:
        made.note("generate", {"writer": "w2"})
        assert run(made).aside == {"earlier": 2}
        assert sorted(answers(made)) == ["imported", "new"]
        assert run(made, include_earlier=True).rows == 4


def test_surplus_stays_unless_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [sample("a", "q"), sample("b", "q"), sample("c", "q", parent="b")]
    with dataset(tmp_path, samples) as made:
        monkeypatch.setattr(made, "surplus_ids", lambda: {"b"})
        assert run(made).rows == 3
        assert run(made, exact=True).aside == {"surplus": 2}
        assert answers(made) == ["a"]


def test_refused_rows_are_listed(tmp_path: Path) -> None:
    good = sample("good", "q")
    system = replace(good, id="system", messages=[{"role": "system", "content": "S"}, *good.messages])
    empty = replace(
        good,
        id="empty",
        messages=[{"role": "system", "content": "S"}, good.messages[0], {"role": "assistant", "content": " "}],
    )
    with dataset(tmp_path, [good, system, empty]) as made:
        done = run(made, formats=("prompt-completion", "openai-chat")).written
        assert dict(done[0].refused) == {"holds-no-system": 2}
        assert done[0].refused_rows == 2
        listed = [json.loads(line) for line in (done[0].folder / "refused.jsonl").read_bytes().splitlines()]
        assert [line["sample"] for line in listed] == ["system", "empty"]
        assert all(line["fix"] for line in listed)
        assert answers(made) == ["good"]
        assert dict(done[1].refused) == {"empty-answer": 1}
        made.write_verdicts(verdicts([good, system, empty], {"system", "empty"}))
        run(made)
        assert not (done[0].folder / "refused.jsonl").exists()


def test_a_format_that_holds_nothing_fails_and_others_are_written(tmp_path: Path) -> None:
    with dataset(tmp_path, [sample("0"), sample("1")]) as made:
        done = run(made, formats=("openai-chat", "prompt-completion"))
        with pytest.raises(DataError, match="no row could be written as openai-chat, 2 were refused") as error:
            done.require_most()
        assert "prompt-completion" in error.value.hint
        with pytest.raises(DataError, match="no row could be written as openai-chat"):
            run(made, formats=("openai-chat",))
        assert len(lines(made)) == 2
        left = [path.name for path in (made.exports / "openai-chat").iterdir()]
        assert left == ["refused.jsonl"], "nothing is left of what was not written but why"


def test_a_second_export_replaces_the_first(tmp_path: Path) -> None:
    with dataset(tmp_path, grid()) as made:
        run(made, validation=0.4)
        folder = made.exports / "prompt-completion"
        (folder / "notes.txt").write_text("the user's own")
        run(made)
        assert sorted(path.name for path in folder.iterdir()) == [
            "README.md", "manifest.json", "notes.txt", "train.jsonl"]


def test_an_export_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dataset(tmp_path, grid()) as made:
        run(made)
        before = {path.name: path.read_bytes() for path in (made.exports / "prompt-completion").iterdir()}
        monkeypatch.setattr("pipeline.formats._pair.PairFormat.read", lambda self, values: sample("x", "y").example())
        with pytest.raises(DataError, match="is not comedy"):
            run(made)
        assert {path.name: path.read_bytes() for path in (made.exports / "prompt-completion").iterdir()} == before


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_anew = Spool.__init__

    def small(self: Spool, path: Path) -> None:
        made_anew(self, path)
        self._db.execute("pragma max_page_count = 12")

    with dataset(tmp_path, [sample(f"{i}", "q", "long " * 2000) for i in range(20)]) as made:
        run(made)
        before = (made.exports / "prompt-completion/train.jsonl").read_bytes()
        monkeypatch.setattr(Spool, "__init__", small)
        with pytest.raises(DataError, match="full") as error:
            run(made, order="shuffled")
        assert "df -h" in error.value.hint
        assert (made.exports / "prompt-completion/train.jsonl").read_bytes() == before


def test_what_a_killed_export_left_goes_away(tmp_path: Path) -> None:
    with dataset(tmp_path, grid()) as made:
        for left in (".export-abc", "prompt-completion/.new-abc"):
            (made.exports / left).mkdir(parents=True)
            (made.exports / left / "train.jsonl").write_text("half")
        run(made)
        assert [path.name for path in made.exports.iterdir()] == ["prompt-completion"]
        assert sorted(p.name for p in (made.exports / "prompt-completion").iterdir()) == [
            "README.md",
            "manifest.json",
            "train.jsonl",
        ]


def test_template_changes_are_counted(tmp_path: Path) -> None:
    with dataset(tmp_path, [sample("0", "q "), sample("1", "q2")]) as made:
        done = run(made, formats=("llama2", "prompt-completion", "text"))
        assert [written.changed for written in done.written] == [1, 0, 0]


def test_elsewhere_and_every_container(tmp_path: Path) -> None:
    samples = [replace(each, fields={"name": f"{each.id}.txt"}) for each in grid()]
    with dataset(tmp_path, samples) as made:
        out = tmp_path / "elsewhere"
        done = run(made, formats=("csv", "parquet", "folders", "alpaca", "sharegpt", "gemma"), out=out, validation=0.3)
        assert not made.exports.exists()
        for written in done.written:
            assert written.folder.parent == out
            assert sum(file.rows for file in written.files) == 24
        again = run(made, formats=("csv", "parquet", "folders"), out=out, validation=0.3)
        assert [w.files[0].sha256 for w in again.written] == [w.files[0].sha256 for w in done.written[:3]]
        assert (out / "folders/train/completions/comedy-France-0.txt").exists() or (
            out / "folders/validation/completions/comedy-France-0.txt"
        ).exists()


def test_a_users_line_passes_through(tmp_path: Path) -> None:
    """Spacing, key order, extra keys, escapes: a line that still says what the row says is written as it came."""
    own = [
        b'{"completion":"A1",  "prompt":"Q1", "id": 7}',
        b'{"prompt": "caf\\u00e9", "completion": "\\u2603"}',
        b'{"prompt": "edited", "completion": "before"}',
        b'{"prompt": "a", "prompt": "Q4", "completion": "A4"}',
    ]
    (tmp_path / "own.jsonl").write_bytes(b"\n".join(own) + b"\n")
    from pipeline.read import file_digest

    name, start, samples = file_digest(tmp_path / "own.jsonl"), 0, []
    for number, line in enumerate(own):
        values = json.loads(line)
        samples.append(
            sample(
                str(number),
                values["prompt"],
                values["completion"],
                source={"file": "own.jsonl", "digest": name, "start": start, "end": start + len(line)},
            )
        )
        start += len(line) + 1
    samples[2] = sample("2", "edited", "after", source=samples[2].source)
    with dataset(tmp_path / "datasets", samples) as made:
        done = run(made)
        written = (made.exports / "prompt-completion/train.jsonl").read_bytes().splitlines()
        assert written == [
            own[0],
            own[1],
            b'{"prompt": "edited", "completion": "after"}',
            b'{"prompt": "Q4", "completion": "A4"}',
        ]
        assert done.written[0].passed == 2
        run(made, ascii=True)
        assert b"caf\\u00e9" in (made.exports / "prompt-completion/train.jsonl").read_bytes()
        (tmp_path / "own.jsonl").write_bytes(b"changed")
        assert run(made).written[0].passed == 0


def test_bad_options(tmp_path: Path) -> None:
    with dataset(tmp_path, grid()) as made:
        with pytest.raises(RecipeError, match="unknown format 'openai-chatt'"):
            run(made, formats=("openai-chatt",))
        with pytest.raises(RecipeError, match="csv"):
            run(made, formats=("csv",), ascii=True)
        assert run(made, formats=("openai_chat", "openai-chat")).written[0].format == "openai-chat"
    assert share("none") == share("0") == 0.0
    assert share("0.1") == 0.1
    for wrong in ("1", "-0.1", "ten", "nan", "10%"):
        with pytest.raises(RecipeError, match="--split"):
            share(wrong)


@pytest.mark.parametrize("order", ["given", "name", "name-ignorecase"])
@pytest.mark.parametrize("escape", [False, True])
def test_a_folder_join_is_byte_exact(tmp_path: Path, order: Any, escape: bool) -> None:
    """Joined as scripts of 2022 did: names as listed or sorted, `json.dump`, a line break."""
    from pipeline.read.folders import pairs

    texts = {
        "b.txt": "Prompt ü: ",
        "A.txt": "two\r\nlines",
        "a.txt": "tab\t",
        "_x.txt": '"',
        "É.txt": "\u2028",
        "Z.txt": "z",
    }
    for folder in ("prompts", "completions"):
        (tmp_path / folder).mkdir()
        for name, text in texts.items():
            (tmp_path / folder / name).write_bytes(f"{folder} {text}".encode())
    found = list(pairs(tmp_path / "prompts", tmp_path / "completions", order, print))
    rows = [sample(f"{i}", pair.prompt, pair.completion, fields={"name": pair.name}) for i, pair in enumerate(found)]
    names = [path.name for path in (tmp_path / "completions").iterdir()]
    if order == "given":
        import os

        names = os.listdir(tmp_path / "completions")
    else:
        names.sort(key=(lambda name: (name.casefold(), name)) if order == "name-ignorecase" else str)
    wanted = b"".join(
        json.dumps(
            {"prompt": f"prompts {texts[name]}", "completion": f"completions {texts[name]}"}, ensure_ascii=escape
        ).encode()
        + b"\n"
        for name in names
    )
    with dataset(tmp_path / "as-imported", rows) as made:
        run(made, ascii=escape)
        assert (made.exports / "prompt-completion/train.jsonl").read_bytes() == wanted
    random.Random(1).shuffle(rows)
    if order != "given":
        with dataset(tmp_path / "sorted", rows) as made:
            run(made, order=order, ascii=escape, formats=("prompt-completion", "folders")[: 1 if escape else 2])
            assert (made.exports / "prompt-completion/train.jsonl").read_bytes() == wanted
            if not escape:
                back = made.exports / "folders/train"
                assert list(pairs(back / "prompts", back / "completions", order, print)) == found


@pytest.mark.parametrize("lines_as_theirs", [True, False])
def test_a_manifest_says_what_of_the_rendering_is_proven(tmp_path: Path, lines_as_theirs: bool) -> None:
    """A line of one's own stays as it came; where it lacks the begin token, the manifest does not call it proven."""
    from pipeline.read import file_digest

    text = "<start_of_turn>user\nQ<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n"
    own = [json.dumps({"text": f"{'' if lines_as_theirs else '<bos>'}{text.replace('Q', f'Q{n}')}"}) for n in range(3)]
    (tmp_path / "own.jsonl").write_text("\n".join(own) + "\n")
    digest, size = file_digest(tmp_path / "own.jsonl"), len(own[0])
    samples = [sample(str(n), f"Q{n}", "A", source={"file": "own.jsonl", "digest": digest, "start": n * (size + 1),
                                                    "end": n * (size + 1) + size}) for n in range(3)]
    with dataset(tmp_path / "datasets", samples) as made:
        (written,) = run(made, formats=("gemma",)).written
        assert (made.exports / "gemma/train.jsonl").read_text().splitlines() == own
        manifest = json.loads((made.exports / "gemma/manifest.json").read_bytes())
        assert "rendering" not in json.loads((run(made).written[0].folder / "manifest.json").read_bytes())
    assert written.unproven == (3 if lines_as_theirs else 0)
    assert manifest["rendering"] == {
        "begin": "<bos>", "begins": "row", "stop": "<end_of_turn>", "add_special_tokens": False,
        "proven": 3 - written.unproven, "unproven": written.unproven}

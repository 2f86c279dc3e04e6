"""samples.jsonl under the user's hand: edits are found and stand, nothing else of the file is ever touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.store import Dataset
from pipeline.store.edits import HandEdits, Rebuilt, Restored
from pipeline.store.samples import from_row, to_row
from pipeline.types import CallRef, Problem, Sample
from tests.made import sample

TEXTS = st.text(st.characters(codec=None), max_size=60)
STEPS = ["delete", "edit", "swap", "crlf", "blank", "break", "twice"]
Edit = Callable[[list[bytes]], list[bytes]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A dataset of six rows."""
    write(tmp_path / "set", *range(6))
    return tmp_path / "set"


def write(path: Path, *numbers: int) -> int:
    """Rows written as a run writes them; how many were new."""
    with Dataset.create(path) as dataset, dataset.lock("samples"), dataset.sample_writer() as rows:
        return sum(rows.add(sample(number)) for number in numbers)


def edits(path: Path) -> tuple[int, int, int, int]:
    """How many rows a hand deleted, edited, added, broke."""
    with Dataset.open(path) as dataset:
        found = dataset.hand_edits()
    return len(found.deleted), len(found.edited), len(found.added), len(found.broken)


def lines(path: Path) -> list[bytes]:
    return (path / "samples.jsonl").read_bytes().splitlines(keepends=True)


def edited(path: Path, change: Edit) -> bytes:
    data = b"".join(change(lines(path)))
    (path / "samples.jsonl").write_bytes(data)
    return data


def answers(path: Path) -> list[str]:
    with Dataset.open(path) as dataset:
        return [row.answer for row in dataset.samples()]


def reworded(line: bytes, text: str = "mine") -> bytes:
    """The row with another answer, as a person's script would write it: other spaces, other escapes."""
    row = json.loads(line)
    row["messages"][-1]["content"] = text
    return json.dumps(row).encode() + b"\n"


@given(TEXTS, TEXTS, st.one_of(st.none(), TEXTS), st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=3))
def test_a_row_comes_back_as_it_was(user: str, answer: str, label: str | None, fields: dict) -> None:
    one = Sample(
        id="x1", messages=[{"role": "user", "content": user}, {"role": "assistant", "content": answer, "weight": 1}],
        cell={"a": 1.5}, fields=fields, label=label, rejected=[{"role": "assistant", "content": user}],
        calls=(CallRef("c1", "step:answer"),), parent="p", source={"file": "f", "row": "r"}, provenance={"draw": "d"},
    )
    back = from_row(json.loads(json.dumps(to_row(one))), b"")
    assert back == one
    assert back.digest == one.digest


def test_untouched(path: Path) -> None:
    assert edits(path) == (0, 0, 0, 0)
    assert write(path, *range(8)) == 2, "what is there is not written again"
    assert edits(path) == (0, 0, 0, 0)


@pytest.mark.parametrize(("change", "found"), [
    (lambda rows: [rows[0], *rows[3:]], (2, 0, 0, 0)),
    (lambda rows: [reworded(rows[0]), *rows[1:]], (0, 1, 0, 0)),
    (lambda rows: [*rows, b'{"messages":[{"role":"user","content":"hi"}]}\n'], (0, 0, 1, 0)),
    (lambda rows: [*rows[:2], b"not a row\n", *rows[2:]], (0, 0, 0, 1)),
    (lambda rows: [rows[0][:40] + b"\n", *rows[1:]], (0, 0, 0, 1)),
    (lambda rows: [b"[1, 2]\n", *rows], (0, 0, 0, 1)),
    (lambda rows: [b'{"messages": [3]}\n', *rows], (0, 0, 0, 1)),
    (lambda rows: [b"[" * 60_000 + b"\n", *rows], (0, 0, 0, 1)),
    (lambda rows: [*rows, reworded(rows[0])], (0, 0, 0, 1)),
    (lambda rows: [], (6, 0, 0, 0)),
    (lambda rows: [reworded(rows[1]), *rows[3:], b"x\n", b'{"id":"mine-1","messages":[]}\n'], (2, 1, 1, 1)),
])
def test_what_a_hand_does_is_found_and_not_touched(path: Path, change: Edit, found: tuple[int, int, int, int]) -> None:
    mine = edited(path, change)
    assert edits(path) == found
    write(path, 6, 7)
    assert (path / "samples.jsonl").read_bytes()[: len(mine)] == mine
    assert len(lines(path)) == mine.count(b"\n") + 2
    assert edits(path) == found, "found again, although a run went on"


@pytest.mark.parametrize("change", [
    lambda rows: rows[::-1],
    lambda rows: [*rows[:-1], rows[-1].rstrip(b"\n")],
    lambda rows: [row.replace(b"\n", b"\r\n") for row in rows],
    lambda rows: [b"\xef\xbb\xbf", *rows],
    lambda rows: [rows[0], b"\n", b"  \n", *rows[1:]],
    lambda rows: [json.dumps(json.loads(row)).encode() + b"\n" for row in rows],
    lambda rows: [*rows, rows[2]],
], ids=["reordered", "no final line break", "CRLF", "BOM", "blank lines", "reformatted", "a line twice"])
def test_what_changes_no_row_is_no_edit(path: Path, change: Edit) -> None:
    before = answers(path)
    mine = edited(path, change)
    assert edits(path) == (0, 0, 0, 0)
    assert sorted(answers(path)) == sorted(before)
    write(path, 6)
    assert (path / "samples.jsonl").read_bytes().startswith(mine)
    assert len(answers(path)) == 7


def test_ids_of_a_hand_may_begin_alike(path: Path) -> None:
    said = [{"role": "assistant", "content": "mine"}]
    mine = [{"id": f"my-own-row-about-the-sea-{n}", "messages": said} for n in range(3)]
    edited(path, lambda rows: [*rows, *(json.dumps(row).encode() + b"\n" for row in mine)])
    assert edits(path) == (0, 0, 3, 0)
    assert len(answers(path)) == 9


def test_what_is_said_of_edits() -> None:
    broken = [Problem("error", "unreadable-row", "x:1", "no")]
    assert str(HandEdits(["a", "b"], ["c"], [], broken)) == "2 rows deleted, 1 edited, 1 unreadable by hand"
    assert str(HandEdits([], ["c"], [], [])) == "1 row edited by hand"
    assert not HandEdits([], [], [], [])


def test_a_broken_row_is_named_once_with_its_line(path: Path) -> None:
    edited(path, lambda rows: [rows[0], rows[1][:-20] + b"\n", *rows[2:]])
    with Dataset.open(path) as dataset:
        found = dataset.hand_edits()
        problems: list[Problem] = []
        assert len(list(dataset.samples(problems.append))) == 5
    assert found.deleted == [], "it is not counted as deleted as well"
    assert [problem.where for problem in found.broken] == [problem.where for problem in problems]
    assert found.broken[0].where == f"{path / 'samples.jsonl'}:2"


def adopt(path: Path) -> HandEdits:
    with Dataset.open(path) as dataset, dataset.lock("samples"):
        return dataset.adopt()


def restore(path: Path) -> Restored:
    with Dataset.open(path) as dataset, dataset.lock("samples"):
        return dataset.restore()


def mixed(rows: list[bytes]) -> list[bytes]:
    """Row 0 edited, 1 deleted, 2 broken, 3 as it was, 4 deleted, 5 as it was; one added."""
    return [reworded(rows[0]), rows[2][:50] + b"\n", rows[3], rows[5], b'{"id":"mine-1","messages":[]}\n']


def test_adopted_edits_are_decisions(path: Path) -> None:
    mine = edited(path, mixed)
    found = adopt(path)
    assert (len(found.deleted), len(found.edited), len(found.added), len(found.broken)) == (2, 1, 1, 1)
    assert (path / "samples.jsonl").read_bytes() == mine, "the file is not touched"
    assert write(path, *range(8)) == 2, "deleted rows stay deleted"
    assert edits(path) == (0, 0, 0, 0)
    os.utime(path / "samples.jsonl", ns=(1, 1))
    assert edits(path) == (0, 0, 0, 0), "nor are they asked about again when the file has to be compared"
    with Dataset.open(path) as dataset:
        dropped = {key for key, line in dataset.reviews().items() if line["action"] == "drop"}
        assert dropped == {*found.deleted, sample(2).id}, "the row of a line that cannot be read is dropped with it"
    (path / "written.jsonl").unlink()  # the log is a convenience: what is as we wrote it is ours again
    assert edits(path)[0] == 0


def test_a_row_edited_again_after_adoption_is_found_again(path: Path) -> None:
    edited(path, mixed)
    adopt(path)
    edited(path, lambda rows: [reworded(rows[0], "mine too"), *rows[1:]])
    assert edits(path) == (0, 1, 0, 0)
    adopt(path)
    assert edits(path) == (0, 0, 0, 0)


def test_a_deleted_row_put_back_after_adoption_is_found(path: Path) -> None:
    gone = lines(path)[1]
    edited(path, lambda rows: [rows[0], *rows[2:]])
    adopt(path)
    edited(path, lambda rows: [*rows, gone])
    assert edits(path) == (0, 1, 0, 0)
    adopt(path)
    assert edits(path) == (0, 0, 0, 0)


def test_restored_rows_come_back_and_the_edits_are_copied(path: Path) -> None:
    before = sorted(answers(path))
    mine = edited(path, mixed)
    done = restore(path)
    assert done.copy.read_bytes() == mine
    assert (done.rows, done.adopted, done.standing) == (4, False, 0)
    assert str(done) == f"4 rows brought back; your version is {done.copy}"
    assert edits(path) == (0, 0, 0, 0)
    assert write(path, *range(6)) == 4
    assert sorted(answers(path)) == before
    again = restore(path)
    assert again.copy != done.copy, "the copy is never overwritten"
    assert (again.rows, again.adopted) == (0, False)


def test_a_file_that_is_gone_is_made_again(path: Path) -> None:
    gone = lines(path)[1]
    edited(path, lambda rows: [row for row in rows if row != gone])
    adopt(path)
    (path / "samples.jsonl").unlink()
    assert edits(path) == (0, 0, 0, 0)
    assert answers(path) == []
    assert adopt(path) == HandEdits([], [], [], []), "a missing file is no decision on any row"
    assert write(path, *range(6)) == 5, "all but the one that was deleted on purpose"
    assert edits(path) == (0, 0, 0, 0)


def test_an_emptied_file_is_a_decision_that_is_asked_about(path: Path) -> None:
    edited(path, lambda rows: [])
    assert edits(path) == (6, 0, 0, 0)
    restore(path)
    assert write(path, *range(6)) == 6


def rebuild(path: Path) -> Rebuilt:
    with Dataset.open(path) as dataset, dataset.lock("samples"):
        return dataset.rebuild()


def test_adopted_rows_outlive_their_file(path: Path) -> None:
    """Row 0 was edited, 1, 2 and 4 deleted or broken, one was added: adopted, all of it counts for good."""
    edited(path, lambda rows: [*mixed(rows), b'{"messages":[{"role":"user","content":"no id"}]}\n'])
    adopt(path)
    with Dataset.open(path) as dataset:
        before = [row for row in dataset.samples() if row.id not in (sample(3).id, sample(5).id)]
    (path / "samples.jsonl").unlink()
    done = rebuild(path)
    assert (done.again, done.adopted, done.deleted, done.lost) == (2, 3, 3, 0)
    assert str(done) == (
        "samples.jsonl was gone; rows: 2 made again for nothing, 3 edited by hand are back, 3 stay deleted")
    with Dataset.open(path) as dataset:
        assert list(dataset.samples()) == before, "word for word, the one that was named by its bytes too"
    assert edits(path) == (0, 0, 0, 0)
    assert write(path, *range(6)) == 2
    os.utime(path / "samples.jsonl", ns=(1, 1))
    assert edits(path) == (0, 0, 0, 0)
    assert not rebuild(path), "a file that stands is left alone"


def test_adopted_rows_outlive_their_file_when_it_goes_during_a_run(path: Path) -> None:
    edited(path, mixed)
    adopt(path)
    with Dataset.open(path) as dataset, dataset.lock("samples"), dataset.sample_writer() as rows:
        assert rows.add(sample(6))
        (path / "samples.jsonl").unlink()
        assert rows.add(sample(7))
    assert "mine" in answers(path)
    assert write(path, *range(8)) == 3, "3, 5 and 6"
    assert edits(path) == (0, 0, 0, 0)


def test_an_edit_that_an_earlier_version_adopted_is_said_to_be_lost(path: Path) -> None:
    edited(path, lambda rows: [reworded(rows[0]), *rows[1:]])
    adopt(path)
    reviews = path / "reviews.jsonl"
    lines_ = [json.loads(line) for line in reviews.read_text().splitlines()]
    reviews.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "row"}) + "\n" for line in lines_))
    (path / "samples.jsonl").unlink()
    assert str(rebuild(path)).endswith("5 made again for nothing, 1 edited by hand are lost")


def test_what_was_not_decided_is_undone_first_and_then_what_was_adopted(path: Path) -> None:
    before = sorted(answers(path))
    edited(path, mixed)
    adopt(path)
    adopted = sorted(answers(path))
    edited(path, lambda rows: [reworded(rows[0], "worse"), *rows[1:-1]])  # the edited row again; the added one deleted
    first = restore(path)
    assert (first.rows, first.adopted, first.standing) == (2, False, 5)
    assert "5 adopted before stand: --restore once more" in str(first)
    assert sorted(answers(path)) == adopted
    assert edits(path) == (0, 0, 0, 0)
    second = restore(path)
    assert (second.rows, second.adopted, second.standing) == (5, True, 0)
    assert str(second).startswith("5 adopted decisions undone; your version is ")
    write(path, *range(6))
    assert sorted(answers(path)) == before
    assert edits(path) == (0, 0, 0, 0)
    with Dataset.open(path) as dataset:
        assert dataset.reviews() == {}, "no row that is back is dropped by curating"
    (path / "samples.jsonl").unlink()
    rebuild(path)
    assert write(path, *range(6)) == 6, "nor does a decision that was undone come back"


def test_a_row_deleted_and_put_back_is_not_dropped(path: Path) -> None:
    gone = lines(path)[1]
    edited(path, lambda rows: [rows[0], *rows[2:]])
    adopt(path)
    edited(path, lambda rows: [*rows, gone])
    adopt(path)
    with Dataset.open(path) as dataset:
        assert dataset.reviews() == {}


def test_a_deleted_row_that_was_put_back_goes_again_when_that_is_undone(path: Path) -> None:
    gone = lines(path)[1]
    edited(path, lambda rows: [rows[0], *rows[2:]])
    adopt(path)
    edited(path, lambda rows: [*rows, gone])
    assert restore(path).rows == 0
    assert write(path, *range(6)) == 0
    assert edits(path) == (0, 0, 0, 0)


def test_what_adopting_means_is_said(path: Path) -> None:
    assert adopt(path).adopted() == "nothing was changed by hand: there is nothing to adopt"
    edited(path, mixed)
    assert adopt(path).adopted() == ("2 rows deleted, 1 edited, 1 added, 1 unreadable by hand: kept as your decisions; "
                                     "what stood on a line that cannot be read is dropped")


def test_looking_writes_nothing(path: Path) -> None:
    (path / "calls" / "index.sqlite").unlink(missing_ok=True)
    edited(path, mixed)
    before = {p.name: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    assert edits(path) == (2, 1, 1, 1)
    answers(path)
    after = {p.name: p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != "index.sqlite"}
    assert after == before


# -- kills ---------------------------------------------------------------------------------------

def test_a_row_torn_at_any_byte_is_ours_and_no_edit(path: Path, tmp_path: Path) -> None:
    whole = (path / "samples.jsonl").read_bytes()
    with Dataset.create(tmp_path / "other") as other, other.sample_writer() as rows:
        rows.add(sample(6))
    row = (tmp_path / "other" / "samples.jsonl").read_bytes()
    for cut in range(1, len(row), 11):
        (path / "samples.jsonl").write_bytes(whole + row[:cut])
        assert edits(path) == (0, 0, 0, 0), f"torn at byte {cut}"
        assert len(answers(path)) == 6 + (cut == len(row) - 1)
    write(path, 6)
    assert (path / "samples.jsonl").read_bytes() == whole + row


def test_a_last_line_broken_by_hand_is_not_cut(path: Path) -> None:
    mine = edited(path, lambda rows: [*rows[:-1], rows[-1][:80]])
    assert edits(path) == (0, 0, 0, 1)
    write(path, 6)
    assert (path / "samples.jsonl").read_bytes().startswith(mine + b"\n")


def test_a_last_line_of_a_hand_without_line_break_is_completed(path: Path) -> None:
    mine = edited(path, lambda rows: [*rows, b'{"messages": [{"role": "user", "content": "unfinished'])
    write(path, 6)
    assert (path / "samples.jsonl").read_bytes().startswith(mine + b"\n")
    assert edits(path) == (0, 0, 1, 1) or edits(path) == (0, 0, 0, 1)


CHILD = """
import os, signal, sys
from pathlib import Path
from pipeline.store import Dataset
from tests.made import sample
with Dataset.create(Path(sys.argv[1])) as dataset, dataset.lock("samples"), dataset.sample_writer() as rows:
    for number in range(100):
        rows.add(sample(number))
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_rows_of_a_killed_run_are_ours(tmp_path: Path) -> None:
    path = tmp_path / "set"
    for last in (3, 40, 41):
        subprocess.run([sys.executable, "-c", CHILD, str(path), str(last)], check=False, cwd=Path(__file__).parents[2])
        assert len(lines(path)) == last + 1
        assert edits(path) == (0, 0, 0, 0), "no log names them yet, and they are no hand's"
    assert write(path, *range(50)) == 50 - 42
    assert len(set(answers(path))) == 50


def test_rows_of_a_killed_run_that_a_hand_then_edits_are_edits(tmp_path: Path) -> None:
    path = tmp_path / "set"
    subprocess.run([sys.executable, "-c", CHILD, str(path), "9"], check=False, cwd=Path(__file__).parents[2])
    edited(path, lambda rows: [reworded(rows[0]), *rows[1:]])
    assert edits(path) == (0, 0, 1, 0)


# -- while a run goes on -------------------------------------------------------------------------

@pytest.mark.parametrize("anew", [False, True], ids=["in place", "as editors save"])
def test_editing_during_a_run(tmp_path: Path, anew: bool) -> None:
    path, file = tmp_path / "set", tmp_path / "set" / "samples.jsonl"
    with Dataset.create(path) as dataset, dataset.lock("samples"), dataset.sample_writer() as rows:
        for number in range(4):
            rows.add(sample(number))
        mine = [reworded(lines(path)[0]), *lines(path)[2:]]
        target = tmp_path / "saved" if anew else file
        target.write_bytes(b"".join(mine).removesuffix(b"\n"))  # this editor strips the final line break
        if anew:
            target.replace(file)
        for number in range(4, 7):
            rows.add(sample(number))
    assert lines(path)[:3] == mine
    assert [json.loads(line)["id"] for line in lines(path)[3:]] == [sample(n).id for n in range(4, 7)]
    assert edits(path) == (1, 1, 0, 0), "the edit is found, although the run went on behind it"
    adopt(path)
    assert write(path, *range(7)) == 0


def test_deleting_the_file_during_a_run(tmp_path: Path) -> None:
    path = tmp_path / "set"
    with Dataset.create(path) as dataset, dataset.lock("samples"), dataset.sample_writer() as rows:
        for number in range(6):
            if number == 3:
                (path / "samples.jsonl").unlink()
            rows.add(sample(number))
    assert len(lines(path)) == 3
    assert edits(path) == (0, 0, 0, 0)
    assert write(path, *range(6)) == 3
    assert len(set(answers(path))) == 6


def test_deleting_the_file_at_the_end_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "set"
    with Dataset.create(path) as dataset, dataset.lock("samples"), dataset.sample_writer() as rows:
        rows.add(sample(0))
        (path / "samples.jsonl").unlink()
    assert edits(path) == (0, 0, 0, 0)
    assert write(path, 0) == 1


# -- rendering anew ------------------------------------------------------------------------------

def shout(row: Sample) -> Sample | None:
    messages = [{**message, "content": message["content"].upper()} for message in row.messages]
    return replace(row, messages=messages) if messages != row.messages else None


def test_rewriting_leaves_what_a_hand_did(path: Path) -> None:
    mine = edited(path, lambda rows: [reworded(rows[0]), b"[]\n", b"broken\n", *rows[1:]])
    with Dataset.open(path) as dataset, dataset.lock("samples"):
        assert dataset.rewrite(shout) == 5
    after = lines(path)
    assert b"".join(after[:3]) == b"".join(mine.splitlines(keepends=True)[:3])
    assert all(json.loads(line)["messages"][1]["content"].isupper() for line in after[3:])
    assert edits(path) == (0, 1, 0, 2)
    with Dataset.open(path) as dataset, dataset.lock("samples"):
        before = (path / "samples.jsonl").stat()
        assert dataset.rewrite(shout) == 0
        assert (path / "samples.jsonl").stat().st_ino == before.st_ino, "nothing changed, nothing is replaced"
    assert not [p for p in path.iterdir() if "renewed" in p.name or p.suffix == ".part"]


def test_a_kill_between_rewriting_and_its_log_is_no_edit(path: Path) -> None:
    log = (path / "written.jsonl").read_bytes()
    with Dataset.open(path) as dataset, dataset.lock("samples"):
        dataset.rewrite(shout)
    (path / "written.jsonl").write_bytes(log)
    (path / "calls" / "index.sqlite").unlink(missing_ok=True)
    os.utime(path / "samples.jsonl", ns=(1, 1))
    assert edits(path) == (0, 0, 0, 0)


# -- extremes ------------------------------------------------------------------------------------

def test_rows_of_a_megabyte_surrogates_and_great_numbers(tmp_path: Path) -> None:
    path = tmp_path / "set"
    texts = ["é" * (1 << 20), "\ud800 alone", "\x00\u2028\u2029\x85 line breaks of others", ""]
    made = [replace(sample(n, text), fields={"n": 2**70 + n}) for n, text in enumerate(texts)]
    with Dataset.create(path) as dataset, dataset.sample_writer() as rows:
        assert all(rows.add(one) for one in made)
    with Dataset.open(path) as dataset:
        assert list(dataset.samples()) == made
    os.utime(path / "samples.jsonl", ns=(1, 1))
    assert edits(path) == (0, 0, 0, 0)
    assert len(lines(path)) == 4
    (path / "samples.jsonl").write_bytes((path / "samples.jsonl").read_bytes()[:-1])
    write(path, 9)
    assert len(answers(path)) == 5


def test_rows_copied_in_from_another_machine(path: Path, tmp_path: Path) -> None:
    write(tmp_path / "there", 3, 4, 6, 7)
    edited(path, lambda rows: [*rows, *lines(tmp_path / "there")])
    assert edits(path) == (0, 0, 0, 0), "ours, wherever they were written"
    assert len(answers(path)) == 8
    assert write(path, *range(9)) == 1


@settings(max_examples=30)
@given(st.lists(st.sampled_from(STEPS), max_size=6), st.randoms())
def test_any_sequence_of_edits_is_kept_by_adopting(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], random: object
) -> None:
    path = tmp_path_factory.mktemp("any") / "set"
    write(path, *range(5))
    rows = lines(path)
    for step in steps:
        place = random.randrange(len(rows) + 1)  # type: ignore[attr-defined]
        if place >= len(rows):
            continue
        if step == "edit" and rows[place].startswith(b"{") and rows[place].rstrip().endswith(b"}"):
            rows[place] = reworded(rows[place], f"mine {place}")
        rows[place : place + 1] = {
            "delete": [], "crlf": [rows[place].rstrip() + b"\r\n"], "blank": [b"\n", rows[place]],
            "break": [rows[place][:60].rstrip() + b"\n"], "twice": [rows[place]] * 2,
        }.get(step, [rows[place]])
        if step == "swap":
            rows.append(rows.pop(place))
    mine = b"".join(rows)
    (path / "samples.jsonl").write_bytes(mine)
    before = answers(path)
    adopt(path)
    assert write(path, *range(5)) == 0
    assert (path / "samples.jsonl").read_bytes() == mine
    assert answers(path) == before
    os.utime(path / "samples.jsonl", ns=(1, 1))
    assert edits(path) == (0, 0, 0, 0)


def test_a_file_read_again_says_the_same_until_a_hand_touches_it(path: Path) -> None:
    """Rows that are known to be whole are read faster: what is broken or stands twice is still told, every time."""
    file = path / "samples.jsonl"
    with Dataset.open(path) as dataset:
        first = list(dataset.samples())
        assert list(dataset.samples()) == first
        assert len(first) == 6
        lines = file.read_bytes().splitlines(keepends=True)
        twice = lines[1].replace(b'"cell":', b'"hand":1,"cell":')
        file.write_bytes(b"".join([*lines, lines[0], b"no row\n", twice, lines[2]]))
        for _ in range(2):
            told: list[Problem] = []
            assert list(dataset.samples(told.append)) == first
            assert [problem.code for problem in told] == ["unreadable-row", "row-twice"]
        file.write_bytes(b"".join(lines[:3]))
        assert list(dataset.samples()) == list(dataset.samples()) == first[:3]

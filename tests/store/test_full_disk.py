"""A real small disk that fills up: answers that came are kept, the sentence is clear, the next run goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.store import Dataset
from pipeline.store.calls import event_of
from tests.made import sample
from tests.store.calls import call

ANSWER = "word " * 4000


@pytest.fixture(params=["2m", "24m"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes: with less room than the ballast, and with more."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def room(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


async def test_answers_first_then_rows(disk: Path) -> None:
    path = disk / "set"
    acknowledged: list[str] = []

    async def run() -> None:
        with Dataset.create(path) as dataset, dataset.lock("samples"), dataset.sample_writer() as rows:
            for number in range(3000):
                one = call(number, text=f"{number} {ANSWER}")
                await dataset.calls.journal.durable(event_of(one))
                acknowledged.append(one.id)
                rows.add(replace(sample(number), messages=[{"role": "assistant", "content": one.text}]))

    with pytest.raises(DataError) as caught:
        await run()
    assert "free some space" in caught.value.hint
    assert 20 < len(acknowledged) < 3000

    with Dataset.open(path) as again:
        found = {one.id for one in again.calls.outcomes("answered")}
        assert set(acknowledged) <= found, "no answer that counted is lost"
        assert again.calls.problems() == []
    room(disk, "64m")
    with Dataset.open(path) as again, again.lock("samples"), again.sample_writer() as rows:
        before = sum(1 for _ in again.samples())
        added = sum(
            rows.add(replace(sample(n), messages=[{"role": "assistant", "content": f"{n} {ANSWER}"}]))
            for n in range(len(acknowledged))
        )
        assert before + added == len(acknowledged)
        assert added <= 2, "all rows but the last were there"
        assert not again.hand_edits()
    assert not list(path.glob("calls/.ballast*"))


def test_every_small_file_says_so(disk: Path) -> None:
    path = disk / "set"
    with Dataset.create(path) as dataset:
        subprocess.run(["dd", "if=/dev/zero", f"of={disk / 'filler'}", "bs=4k"], check=False, capture_output=True)
        for write in (
            lambda: dataset.note("generate", {"rows": "x" * 9000}),
            lambda: dataset.review("a", "keep", "d" * 9000, by="ann"),
            lambda: dataset.write_verdicts([]) and dataset.write_failures([call(n, text=ANSWER) for n in range(9)]),
        ):
            with pytest.raises(DataError) as caught:
                write()
            assert "No space left" in caught.value.message
            assert "free some space" in caught.value.hint
        (disk / "filler").unlink()
        dataset.note("generate", {"rows": 1})
        assert dataset.manifest()["generate"] == {"rows": 1}

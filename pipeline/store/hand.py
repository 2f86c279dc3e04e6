"""The user's hand in samples.jsonl: adopted as decisions, undone, or written again where the file is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from .calls import CallStore
from .edits import HandEdits, Rebuilt, Restored
from .files import jsonl_bytes, loads, write_atomic
from .reviews import HAND, Reviews, decision
from .samples import SampleFile, from_row

_LINE = "line"
"""In the log, in the digest's place: not a row was dropped, but a line that cannot be read."""


class Hand:
    """What a hand did to one dataset's rows. For the one process that holds `lock("samples")`."""

    def __init__(self, file: SampleFile, calls: CallStore, reviews: Reviews) -> None:
        self._file = file
        self._calls = calls
        self._reviews = reviews

    def adopt(self) -> HandEdits:
        """Records edits as the user's decisions, the rows that a hand made with them; the file is not touched."""
        found = self._file.compare()
        self._file.claim(found.unlogged)
        taken = {*found.edits.edited, *found.edits.added}
        broken = [key for key in found.unreadable if self._calls.index.sample(key) is not None]
        digests: dict[str, str] = {}

        def decisions() -> Iterator[dict[str, Any]]:
            yield from (decision(key, "drop", "", HAND) for key in (*found.edits.deleted, *broken))
            for line in self._file.lines():
                name = line.sample.id
                if name in taken and name not in digests:
                    digests[name] = line.sample.digest
                    yield decision(name, "edit", digests[name], HAND,
                                   row={**loads(line.data.strip()), "id": name})

        self._reviews.append(decisions())
        for sample_id, digest in digests.items():
            self._file.note(sample_id, digest, "edited")
        for key in (*found.edits.deleted, *broken):
            self._file.note(key, "", "deleted")
        for key in set(found.unreadable).difference(broken):
            self._file.note(key, _LINE, "deleted")
        self._calls.written.flush(durable=True)
        return found.edits

    def restore(self, copy: Path) -> Restored:
        """Takes the hand's rows out of the file, after a copy, so that ours can be made again.

        What was not decided on goes first, back to what was adopted before; where there is no such thing, what was
        adopted goes.
        """
        found = self._file.compare()
        write_atomic(copy, _bytes(self._file.path))
        self._file.claim(found.unlogged)
        if not (found.edits or found.unreadable):
            return Restored(copy, self._undo(), True, 0) if self.decided() else Restored(copy, 0, False, 0)
        away = {*found.edits.edited, *found.edits.added}
        lost = {*found.edits.edited, *found.edits.deleted}
        lost |= {key for key in found.unreadable if self._calls.index.sample(key)}
        back = {key: number for key, number in self._reviews.adopted().items() if key in lost}
        stay = {key for key in lost if (self._calls.index.sample(key) or ("", ""))[1] == "deleted"}
        ours = (line.data for line in self._file.lines() if line.sample.id not in away)
        digests = self._write_again(back, ours)
        for sample_id in lost - stay - back.keys():
            self._file.note(sample_id, "", "forgotten")
        for sample_id, digest in digests.items():
            self._file.note(sample_id, digest, "edited")
        self._calls.written.flush(durable=True)
        return Restored(copy, len(lost - stay), False, self.decided())

    def counts(self) -> Counter[str]:
        """How many rows are in each state; lines that were never rows are left out."""
        return Counter(state for _, digest, state in self._calls.index.samples() if digest != _LINE)

    def decided(self) -> int:
        """Rows that stand as a hand left them, or are gone by hand, because that was adopted."""
        counts = self.counts()
        return counts["edited"] + counts["deleted"]

    def _undo(self) -> int:
        """Takes back every decision that was adopted; returns how many."""
        decided = [(key, state) for key, _, state in self._calls.index.samples() if state in ("edited", "deleted")]
        count = self.decided()
        made = {key for key, state in decided if state == "edited"}
        write_atomic(self._file.path, (line.data for line in self._file.lines() if line.sample.id not in made))
        self._reviews.append(decision(key, "undo", "", HAND) for key, _ in decided)
        for key, _ in decided:
            self._file.note(key, "", "forgotten")
        self._calls.written.flush(durable=True)
        return count

    def rebuild(self) -> Rebuilt:
        """The file is gone: what we wrote may be written again, what a hand made is written from reviews.jsonl."""
        adopted = self._reviews.adopted()
        again = deleted = lost = 0
        for sample_id, digest, state in self._calls.index.samples():
            deleted += state == "deleted" and digest != _LINE
            if state in ("written", "edited") and sample_id not in adopted:
                self._file.note(sample_id, "", "forgotten")
                again += state == "written"
                lost += state == "edited"
        self._calls.written.flush(durable=True)  # first: a process killed from here on finds the file gone again
        if adopted:
            for sample_id, digest in self._write_again(adopted).items():
                self._file.note(sample_id, digest, "edited")
            self._calls.written.flush(durable=True)
        return Rebuilt(again, len(adopted), deleted, lost)

    def _write_again(self, adopted: dict[str, int], ours: Iterable[bytes] = ()) -> dict[str, str]:
        """The file anew: `ours`, then rows as a hand left them. Returns the digests of those."""
        digests: dict[str, str] = {}

        def lines() -> Iterator[bytes]:
            for row in self._reviews.rows(adopted.values()):
                data = jsonl_bytes(row)
                sample = from_row(row, data)
                digests[sample.id] = sample.digest
                yield data

        write_atomic(self._file.path, chain(ours, lines()))
        return digests


def _bytes(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk

"""Small jobs for the backend lora: files of rows, a random base, a few steps."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.backends import AnyBackend, Job, TuneProgress, open_backend
from pipeline.sections import Finetune
from pipeline.settings import Settings

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def talk(number: int) -> dict[str, Any]:
    """A row that a small model can learn."""
    word = NUMBERS[number % len(NUMBERS)]
    return {"messages": [{"role": "user", "content": f"say number {word}"},
                         {"role": "assistant", "content": f"the number is {word} {word}"}]}


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [talk(number) for number in range(start, start + count)]


def write(path: Path, values: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def job(
    folder: Path, base: Path | str, train: Sequence[dict[str, Any]] | None = None,
    validation: Sequence[dict[str, Any]] | None = None, **options: Any,
) -> tuple[AnyBackend, Job[Any]]:
    """A backend and a job for it, in a folder of its own."""
    given = {"base": str(base), "device": "cpu", "rank": 8, "batch": 4, "accumulation": 1, "learning_rate": 1e-2,
             "max_steps": 12, **options}
    backend, how = open_backend(Finetune(**given), Settings(), {})
    train_path = write(folder / "train.jsonl", rows(24) if train is None else train)
    held = write(folder / "validation.jsonl", validation) if validation is not None else None
    (folder / "ft").mkdir(exist_ok=True)
    return backend, Job("ft", folder / "ft", train_path, held, how, "numbers", 7, True)


class Heard(list[TuneProgress]):
    """Keeps all reports."""

    def __call__(self, progress: TuneProgress) -> None:
        self.append(progress)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [dict(each.logged) for each in self if each.logged is not None]


def dies(folder: Path, base: str, steps: int, last: int) -> None:
    """Runs a job, and dies by SIGKILL once it has logged a step; what was logged is in the folder's `heard`."""
    backend, todo = job(folder, base, max_steps=steps)
    with (folder / "heard").open("w") as heard:

        def report(progress: TuneProgress) -> None:
            if progress.logged is not None:
                print(json.dumps(dict(progress.logged)), file=heard, flush=True)
                if progress.logged["step"] == last:
                    os.kill(os.getpid(), signal.SIGKILL)

        backend.run(todo, report)


def main() -> None:
    """Such jobs, each in a process forked from this one, which has the stack loaded: base, steps, folder, last steps.

    Prints how each ended."""
    for name in ("torch", "transformers", "peft", "trl"):
        importlib.import_module(name)
    base, steps, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    for last in sys.argv[4:]:
        (folder / last).mkdir()
        child = os.fork()
        if not child:
            dies(folder / last, base, steps, int(last))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()

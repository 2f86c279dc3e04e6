"""`synth check` beside orjson's parse of the same lines, in pairs: clean rows, rows that all fail, and memory by rows.

    python benchmarks/checking.py [ROWS] [ROUNDS]

Rows are chats of three messages and some 520 bytes. A pair is the parse of a file and the check of it, one behind the
other, so that a busy machine slows both alike; seconds are of CPU.
"""

from __future__ import annotations

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from pipeline.export.check import check_file
from pipeline.tokens import vocabulary

WORDS = ["the", "of", "and", "to", "in", "that", "for", "it", "was", "with", "plum", "evening", "said", "no", "old"]


def write(path: Path, rows: int, answer: Callable[[random.Random], str]) -> Path:
    """Chats that all differ."""
    pick = random.Random(7)
    with path.open("w") as file:
        for number in range(rows):
            asked = f"Question {number}: {' '.join(pick.choices(WORDS, k=25))}?"
            told = [("system", "You are a helpful assistant."), ("user", asked), ("assistant", answer(pick))]
            file.write(json.dumps({"messages": [{"role": role, "content": text} for role, text in told]}) + "\n")
    return path


def seconds(work: Callable[[], object]) -> float:
    """Of CPU."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def parse(path: Path) -> None:
    """Lines through orjson, and nothing else."""
    with path.open("rb") as file:
        for line in file:
            orjson.loads(line)


def pairs(path: Path, rounds: int, **options: str) -> None:
    """One line of the table."""
    problems = 0

    def take(problem: object) -> None:
        nonlocal problems
        problems += 1

    alone, ours = [], []
    for _ in range(rounds):
        alone.append(seconds(lambda: parse(path)))
        problems = 0
        ours.append(seconds(lambda: check_file(path, take, **options)))  # type: ignore[arg-type]
    ratios = sorted(one / other for one, other in zip(ours, alone, strict=True))
    what = ", ".join(f"{key} {value}" for key, value in options.items()) or "all groups"
    print(f"| {path.stem}, {what} | {statistics.median(alone):.2f} | {statistics.median(ours):.2f} | "
          f"{statistics.median(ratios):.1f} | {ratios[0]:.1f} to {ratios[-1]:.1f} | {problems:,} |", flush=True)


def peak(path: Path) -> int:
    """MB of a process that checks a file."""
    code = ("import sys; from pathlib import Path; from pipeline.export.check import check_file; "
            "check_file(Path(sys.argv[1]), lambda problem: None); print(open('/proc/self/status').read())")
    said = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True).stdout
    return int(said.partition("VmHWM:")[2].split()[0]) // 1024  # of this program; ru_maxrss begins at its parent's


def command(path: Path) -> float:
    """Seconds of CPU of the whole command, every problem printed into a pipe."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "pipeline", "check", str(path)], check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(rows: int, rounds: int) -> None:
    """Prints the tables."""
    with tempfile.TemporaryDirectory() as folder:
        clean = write(Path(folder) / "clean.jsonl", rows, lambda pick: " ".join(pick.choices(WORDS, k=75)))
        failing = write(Path(folder) / "failing.jsonl", rows, lambda pick: "  ")
        print(f"| {rows:,} rows | orjson s | ours s | ratio | range | problems |")
        pairs(clean, rounds, groups="AB")
        pairs(clean, rounds, groups="ABC")
        pairs(failing, rounds, groups="AB")
        pairs(failing, rounds)
        if vocabulary("o200k_base"):
            pairs(clean, max(1, rounds // 3), target="gpt-4.1-mini")
        pairs(clean, max(1, rounds // 3), target="llama2")
        print(f"\nthe whole command on rows that all fail: {command(failing):.1f} s")
        for count in (rows // 10, rows, 4 * rows):
            path = write(Path(folder) / f"{count}.jsonl", count, lambda pick: " ".join(pick.choices(WORDS, k=75)))
            print(f"{count:,} rows: {peak(path)} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, int(sys.argv[2]) if len(sys.argv) > 2 else 9)

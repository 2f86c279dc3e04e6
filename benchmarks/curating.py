"""Row rules beside orjson's parse of the same rows, in pairs: microseconds a row, and each rule's share.

    python benchmarks/curating.py [PRESET,RULE,...] [ROWS] [ROUNDS]
    python benchmarks/curating.py --command ROWS [FILE.jsonl]

Rows are passages of SYNTH_SHARED or ../shared/data (curation/base.jsonl.gz), joined to some 1.5 kB; where that is
absent, invented prose. A pair is the parse of all rows and their way through all rules, one behind the other, so that a
busy machine slows both alike; seconds are of CPU, of one core. Rules on a row share its words and its kind, as in
`synth curate`; the table says what each adds in its turn. Rules that compare rows are not run.

`--command` is `synth curate` itself with all of the preset `sft`, on rows of `corpus.py` (or of a file that it made),
from the command to verdicts.jsonl: wall, CPU of all its processes, peak memory of the first one; then what reading,
parsing and writing the same rows takes orjson, and what each row rule takes of theirs.
"""

from __future__ import annotations

import gzip
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from pipeline import registry
from pipeline.rules import AnyRule, RowRule, open_rules
from pipeline.sections import Item
from pipeline.types import Sample

SIZE = 1500
SHARED = Path(os.environ.get("SYNTH_SHARED") or Path(__file__).parents[2] / "shared" / "data")
BASE = SHARED / "curation" / "base.jsonl.gz"
WORDS = ["the", "of", "and", "to", "in", "that", "for", "it", "was", "with", "plum", "evening", "said", "no", "old"]
GIVEN = {"length": {"min": 1, "unit": "chars"}, "turns": {"min": 1}}
"""What a rule cannot do without."""


def texts(rows: int) -> Iterator[str]:
    """Answers of some 1.5 kB, each of other passages."""
    pick = random.Random(7)
    if not BASE.is_file():
        print(f"no {BASE}: invented prose")
        for _ in range(rows):
            yield ". ".join(" ".join(pick.choices(WORDS, k=12)).capitalize() for _ in range(SIZE // 60))
        return
    with gzip.open(BASE, "rb") as file:
        known = [row["t"] for row in map(orjson.loads, file) if row["k"] == "passage"]
    for _ in range(rows):
        text = pick.choice(known)
        while len(text) < SIZE - 200:
            text += "\n\n" + pick.choice(known)
        yield text[: SIZE + 300]


def timed(rules: list[RowRule[Any, Any]], lines: list[bytes]) -> tuple[float, list[float]]:
    """Seconds of CPU of the parse, and of each rule, over all rows.

    A clock of CPU is a system call, which would cost as much as a rule; so all rules together are timed by it, and
    divided by a clock of the wall.
    """
    begin = time.process_time()
    samples = [Sample(str(number), orjson.loads(line)) for number, line in enumerate(lines)]
    parsed = time.process_time()
    spent, clock = [0.0] * len(rules), time.perf_counter
    for sample in samples:
        last = clock()
        for place, rule in enumerate(rules):
            rule.finding(sample)
            now = clock()
            spent[place] += now - last
            last = now
    whole = time.process_time() - parsed
    return parsed - begin, [whole * each / sum(spent) for each in spent]


def opened(names: str) -> list[AnyRule]:
    """The rules of presets and rules by name, those that compare rows left out."""
    known = registry.presets("rules")
    items = [Item(name=name, options={} if name in known else GIVEN.get(name, {})) for name in names.split(",")]
    return open_rules(items)


def command(rows: int, file: str | None = None) -> None:
    """The whole command, beside its floor and the shares of its rules."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(file).resolve() if file else Path(folder, "corpus.jsonl")
        if file is None:
            maker = str(Path(__file__).with_name("corpus.py"))
            subprocess.run([sys.executable, maker, str(rows), str(source)], check=True)
        part = Path(folder, "rows.jsonl")
        with source.open("rb") as lines, part.open("wb") as out:
            out.writelines(line for line, _ in zip(lines, range(rows), strict=False))
        synth = [sys.executable, "-m", "pipeline"]
        subprocess.run([*synth, "import", "rows", str(part)], cwd=folder, check=True, capture_output=True)
        wall, cpu, peak = measured([*synth, "curate", "rows"], folder)
        samples = Path(folder, "datasets", "rows", "samples.jsonl")
        begin = time.process_time()
        with samples.open("rb") as lines, Path(folder, "copy").open("wb") as out:
            out.writelines(orjson.dumps(orjson.loads(line)) + b"\n" for line in lines)
        floor = time.process_time() - begin
        size = samples.stat().st_size // rows
        told = f"{rows / wall:,.0f} | {wall:.1f} | {cpu:.1f} | {peak} | {floor:.1f} | {cpu / floor:.0f}"
        print("| rows | bytes a row | rows/s | s of wall | s of CPU | peak MB | orjson's s | ratio |")
        print("|---" * 8 + "|")
        print(f"| {rows:,} | {size:,} | {told} |\n")
        with samples.open("rb") as lines:
            main("sft", 0, 3, [orjson.dumps(orjson.loads(line)["messages"]) for line, _ in zip(lines, range(1000))])


def measured(words: list[str], folder: str) -> tuple[float, float, int]:
    """Seconds of wall, of CPU of a command and all that it started, and the most MB of the command itself."""
    begin, peak = time.perf_counter(), 0
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        said = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        peak = int(said[1]) if said else peak
        time.sleep(0.1)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words} ended with {process.returncode}")
    return time.perf_counter() - begin, used.ru_utime + used.ru_stime, peak // 1024


def main(names: str = "sft", rows: int = 1000, rounds: int = 5, given: list[bytes] | None = None) -> None:
    """A line for each rule, then all of them beside the parse."""
    rules = [rule for rule in opened(names) if isinstance(rule, RowRule)]
    lines = given or [orjson.dumps([{"role": "user", "content": "Tell me."}, {"role": "assistant", "content": text}])
                      for text in texts(rows)]
    rows = len(lines)
    timed(rules, lines[:50])  # opens files, compiles patterns
    found = [timed(rules, lines) for _ in range(rounds)]
    each = [statistics.median(spent[place] for _, spent in found) / rows * 1e6 for place in range(len(rules))]
    ratios = sorted(sum(spent) / parse for parse, spent in found)
    print(f"| {names}: {rows:,} rows of {sum(map(len, lines)) // rows:,} bytes | us a row | share |\n|---|---|---|")
    for rule, cost in sorted(zip(rules, each, strict=True), key=lambda pair: -pair[1]):
        print(f"| {rule.name} | {cost:.1f} | {cost / sum(each):.0%} |")
    parse = statistics.median(parse for parse, _ in found) / rows * 1e6
    print(f"| all: {1e6 / sum(each):,.0f} rows/s on one core | {sum(each):.0f} | |")
    told = f"ratio {statistics.median(ratios):.0f} ({ratios[0]:.0f} to {ratios[-1]:.0f})"
    print(f"| orjson's parse | {parse:.1f} | {told} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--command"]:
        command(int(sys.argv[2]), *sys.argv[3:4])
    else:
        main(*sys.argv[1:2], *map(int, sys.argv[2:]))

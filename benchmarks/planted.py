"""What `synth curate` does with each planted defect, and with rows that nothing was planted in.

    python benchmarks/planted.py [ROWS]

Rows are those of `corpus.py`, imported and curated by the default preset through the command. Of copies, decoys of a
similarity below the rule's threshold are told apart. A planted defect proves that the road works from end to end, and
says nothing of how well a rule judges other people's text.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import corpus

THRESHOLD = 0.8
"""Of near_duplicate, as `sft` has it."""


def kind(row: corpus.Row) -> str:
    """What was planted; of copies, how alike they are."""
    if row.kind != "copy" or row.jaccard is None:
        return row.kind
    return f"copy, {THRESHOLD} or above" if row.jaccard >= THRESHOLD else f"copy, below {THRESHOLD}"


def main(count: int = 20_000) -> None:
    """A line for each kind: rows, dropped, flagged, and by which rules most."""
    kinds, prompts = dict[str, str](), defaultdict[str, Counter[str]](Counter)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.jsonl")
        with path.open("w", encoding="utf-8") as file:
            for row in corpus.rows(count):
                file.write(row.line)
                kinds[row.prompt] = kind(row)
        synth = [sys.executable, "-m", "pipeline"]
        subprocess.run([*synth, "import", "rows", str(path)], cwd=folder, check=True, capture_output=True)
        subprocess.run([*synth, "curate", "rows"], cwd=folder, check=True, capture_output=True)
        home = Path(folder, "datasets", "rows")
        with (home / "samples.jsonl").open(encoding="utf-8") as file:
            asked = {row["id"]: row["messages"][0]["content"] for row in map(json.loads, file)}
        with (home / "verdicts.jsonl").open(encoding="utf-8") as file:
            for line in map(json.loads, file):
                counts = prompts[kinds[asked[line["sample"]]]]
                spoke = {found["outcome"]: found["rule"] for found in line["findings"]
                         if found["outcome"] in ("drop", "flag")}
                outcome = "drop" if line["state"] == "dropped" else "flag" if spoke else "keep"
                counts[outcome] += 1
                counts.update(f"by {rule}" for rule in {spoke.get(outcome)} - {None})
    print("| planted | rows | dropped | flagged | mostly by |\n|---|---|---|---|---|")
    for name, counts in sorted(prompts.items()):
        rows = counts["drop"] + counts["flag"] + counts["keep"]
        rules = [(rule[3:], found) for rule, found in counts.most_common() if rule.startswith("by ")]
        told = ", ".join(f"{rule} {found:,}" for rule, found in rules[:3])
        print(f"| {name} | {rows:,} | {counts['drop'] / rows:.2%} | {counts['flag'] / rows:.2%} | {told} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

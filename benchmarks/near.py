"""Near duplicates among planted copies: seconds, memory, recall at each similarity, and rows dropped for nothing.

    python benchmarks/near.py [ROWS] [THRESHOLD]

Each way makes the rows (`reading` does nothing else: subtract it). rensa signs the same runs of words, its bands are
grouped, candidates are verified. Each runs in a process of its own, one behind the other; seconds are of CPU.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator

import corpus


def ours(count: int, threshold: float) -> set[int]:
    """Rows that our rule drops."""
    from pipeline.rules.near_duplicate import Bounds, Measure, NearDuplicate
    from pipeline.types import Sample

    def samples() -> Iterator[Sample]:
        for row in corpus.rows(count):
            turns = [{"role": "user", "content": row.prompt}, {"role": "assistant", "content": row.answer}]
            yield Sample(id=str(row.number), messages=turns)

    rule = NearDuplicate("near-duplicate", Measure(), Bounds(threshold=threshold))
    return {int(match.sample) for match in rule.compare(samples(), frozenset())}


def rensa_(count: int, threshold: float, verify: bool = True) -> set[int]:
    """Rows that rensa's signatures find: 14 bands of 9, the usual ones for 0.7."""
    from rensa import RMinHash

    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    texts: list[str] = []
    for row in corpus.rows(count):
        texts.append(row.answer)
        words = row.answer.casefold().split()
        signed = RMinHash(num_perm=126, seed=42)
        signed.update([" ".join(words[start:start + 5]) for start in range(max(1, len(words) - 4))])
        digest = signed.digest()
        for band in range(14):
            buckets[band, bytes(str(digest[band * 9:band * 9 + 9]), "ascii")].append(row.number)
    found: set[int] = set()
    for members in buckets.values():
        for other in members[1:]:
            if other in found:
                continue
            one, two = corpus.shingles(texts[members[0]].casefold()), corpus.shingles(texts[other].casefold())
            if not verify or len(one & two) >= threshold * len(one | two):
                found.add(other)
    return found


def reading(count: int, threshold: float) -> set[int]:
    """Nothing but making the rows, which all the others do as well."""
    return {row.number for row in corpus.rows(count) if row.jaccard == 2.0}


WAYS = {"reading": reading, "ours": ours, "rensa": rensa_}


def told(way: str, count: int, threshold: float) -> None:
    """Runs one way and prints what it took and what it found."""
    corpus.base()
    began = time.process_time()
    found = WAYS[way](count, threshold)
    took = time.process_time() - began
    planted: dict[float, list[bool]] = defaultdict(list)
    alike: set[int] = set()
    for row in corpus.rows(count):
        if row.like is not None and row.jaccard is not None and row.jaccard >= threshold:
            level = max(each for each in (1.0, *corpus.ALIKE) if each <= row.jaccard)
            planted[level].append(row.number in found or row.like in found)
            alike |= {row.number, row.like}
        elif row.kind in ("refusal", "language"):  # many say the same
            alike.add(row.number)
    shares = {level: sum(hits) / len(hits) for level, hits in sorted(planted.items(), reverse=True)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    line = {"way": way, "cpu_s": round(took, 1), "mb": peak, "found": len(found), "recall": shares}
    line["others"] = len(found - alike)
    print(json.dumps(line))


if __name__ == "__main__":
    if len(sys.argv) > 3:
        told(sys.argv[3], int(sys.argv[1]), float(sys.argv[2]))
    else:
        rows_, at = (sys.argv[1:] + ["100000", "0.7"][len(sys.argv) - 1:])[:2]
        for name in WAYS:
            subprocess.run([sys.executable, __file__, rows_, at, name], check=True)

"""Near duplicates among planted copies: seconds, memory, recall at each similarity, and rows dropped for nothing.

    python benchmarks/near.py [ROWS] [THRESHOLD] [WAY ...]
    python benchmarks/near.py sizes

A way is `reading` (nothing else: subtract it), `ours`, `rensa` (not installed with the project; it signs the same runs
of words, its bands are grouped, candidates are verified) or `third`: ours on rows that share a third of their text with
every other. The rows are made once and kept in a file for temporary ones, which each way reads in a process of its own.
`sizes` says how many pairs of just a similarity the signatures find, by how many runs their sets have.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import corpus

SIZES, PAIRS = (10, 20, 50, 100, 250, 1000), 4000
"""Runs in a set, and pairs of each size and similarity."""


def third(count: int, threshold: float) -> set[int]:
    """Rows that our rule drops of those that share a third of their text."""
    return ours(count, threshold, corpus.third)


def ours(count: int, threshold: float, rows: Callable[[int], Iterator[corpus.Row]] = corpus.stored) -> set[int]:
    """Rows that our rule drops."""
    from pipeline.rules.near_duplicate import Bounds, Measure, NearDuplicate
    from pipeline.types import Sample

    def samples() -> Iterator[Sample]:
        for row in rows(count):
            turns = [{"role": "user", "content": row.prompt}, {"role": "assistant", "content": row.answer}]
            yield Sample(id=str(row.number), messages=turns)

    rule = NearDuplicate("near-duplicate", Measure(), Bounds(threshold=threshold))
    return {int(match.sample) for match in rule.compare(samples(), frozenset())}


def rensa_(count: int, threshold: float, verify: bool = True) -> set[int]:
    """Rows that rensa's signatures find: 14 bands of 9, the usual ones for 0.7."""
    from rensa import RMinHash

    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    texts: list[str] = []
    for row in corpus.stored(count):
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
    """Nothing but reading the rows, which all the others do as well."""
    return {row.number for row in corpus.stored(count) if row.jaccard == 2.0}


def sizes() -> None:
    """Prints the share of pairs that signatures find, by size and similarity."""
    import numpy as np

    from pipeline.similar import Sets

    draw = np.random.default_rng(7)
    for size in SIZES:
        shares = {}
        for alike in sorted(each for each in corpus.ALIKE if each >= 0.7):
            either = round(2 * size / (1 + alike))
            both = -int(-alike * either // 1)
            with Sets() as sets:
                for _ in range(PAIRS):
                    tokens = draw.integers(1 << 64, size=either, dtype=np.uint64)
                    left = both + (either - both) // 2
                    sets.add(np.unique(tokens[:left]))
                    sets.add(np.unique(np.concatenate((tokens[:both], tokens[left:]))))
                shares[alike] = sum(1 for _ in sets.links(0.7, range(len(sets)), many=0)) / PAIRS
        print(json.dumps({"runs": size, "found": shares}))


WAYS = {"reading": reading, "ours": ours, "rensa": rensa_, "third": third}


def told(way: str, count: int, threshold: float) -> None:
    """Runs one way and prints what it took and what it found."""
    for _ in corpus.stored(count):  # made, where it has not been
        break
    began, since = time.process_time(), time.perf_counter()
    found = WAYS[way](count, threshold)
    took, wall = time.process_time() - began, time.perf_counter() - since
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    planted: dict[float, list[bool]] = defaultdict(list)
    alike: set[int] = set()
    for row in (corpus.third if way == "third" else corpus.stored)(count):
        if row.like is not None and row.jaccard is not None and row.jaccard >= threshold:
            level = max(each for each in (1.0, *corpus.ALIKE) if each <= row.jaccard)
            planted[level].append(row.number in found or row.like in found)
            alike |= {row.number, row.like}
        elif row.kind in ("refusal", "language"):  # many say the same
            alike.add(row.number)
    shares = {level: sum(hits) / len(hits) for level, hits in sorted(planted.items(), reverse=True)}
    line = {"way": way, "cpu_s": round(took, 1), "wall_s": round(wall, 1), "mb": peak, "found": len(found),
            "recall": shares, "others": len(found - alike)}
    print(json.dumps(line))


if __name__ == "__main__":
    if sys.argv[1:] == ["sizes"]:
        sizes()
    elif sys.argv[1:2] == ["-"]:
        told(sys.argv[4], int(sys.argv[2]), float(sys.argv[3]))
    else:
        rows_, at, *names = [*sys.argv[1:], "100000", "0.7"] if len(sys.argv) < 2 else sys.argv[1:]
        for name in names or ("reading", "ours", "rensa"):
            subprocess.run([sys.executable, __file__, "-", rows_, at, name], check=True)

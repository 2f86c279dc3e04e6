"""Rows of chat from other people's sentences, with copies and defects planted at known rates: for plumbing and speed.

    python benchmarks/corpus.py ROWS FILE.jsonl

Sentences come from `curation/base.jsonl.gz` (in SYNTH_SHARED or ../shared/data), seeded, so that a corpus of one size
is the same on every machine. No figure of quality may come from it: it proves that what was planted is found.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import orjson

SHARED = Path(os.environ.get("SYNTH_SHARED", Path(__file__).parents[2] / "shared" / "data"))
ALIKE = (0.95, 0.90, 0.85, 0.80, 0.75, 0.72, 0.70, 0.60, 0.50, 0.40)
"""Similarities that are planted; at 0.7 the last three are decoys."""
SHARES = {"copy": 0.10, "exact": 0.01, "normalised": 0.01, "refusal": 0.01, "cut": 0.01, "echo": 0.005,
          "mojibake": 0.005, "pii": 0.01, "decoy": 0.01, "language": 0.005, "leak": 0.005}
CHARS = 1450
"""Characters of an answer: with its prompt a line has some 1.6 kB."""


class Row(NamedTuple):
    """A row. `like` is the number of the row that it copies, `jaccard` the similarity of their runs of words."""

    number: int
    kind: str
    prompt: str
    answer: str
    like: int | None = None
    jaccard: float | None = None

    @property
    def line(self) -> str:
        """As a line of openai-chat."""
        turns = [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.answer}]
        return json.dumps({"messages": turns}, ensure_ascii=False) + "\n"


@cache
def base() -> dict[str, list[str]]:
    """Texts by kind: sent, q, passage, lang."""
    found: dict[str, list[str]] = {}
    with gzip.open(SHARED / "curation" / "base.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found.setdefault(row["k"], []).append(row["t"])
    return found


def plain(number: int, seed: int) -> str:
    """The text of a clean row, a function of its number alone."""
    pick, texts, size = Random(f"{seed}/{number}"), [], 0
    while size < CHARS:
        texts.append(pick.choice(base()["sent"]))
        size += len(texts[-1]) + 1
    return " ".join(texts)


def kind(number: int, seed: int) -> str:
    """What is planted in a row: a function of its number alone, so that a copy knows whether its original is clean."""
    found = Random(f"{seed}/kind/{number}").choices([*SHARES, "clean"], [*SHARES.values(), 1 - sum(SHARES.values())])[0]
    return found if number else "clean"


def shingles(text: str, size: int = 5) -> set[tuple[str, ...]]:
    """Runs of words without case and punctuation: independent of the code that is measured."""
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[start:start + size]) for start in range(len(words) - size + 1)}


def alike(text: str, wanted: float, pick: Random) -> tuple[str, float]:
    """A copy that shares at least `wanted` of its runs of words, and hardly more; and how much it shares."""
    words, fresh = text.split(), pick.choice(base()["passage"]).split() or ["so"]
    runs, old = len(words) - 4, shingles(text)
    lost = runs * (1 - wanted) / (1 + wanted)
    scattered = pick.random() < 0.5
    for less in range(len(words)):
        new, count = list(words), int(lost) - less
        if scattered:
            for place in range(max(count, 0) // 5):
                at = 3 + place * max(5, len(words) // max(1, count // 5))
                new[at % len(words)] = f"{pick.choice(fresh)}{place}"
        elif count > 0:
            new[-count:] = [f"{fresh[place % len(fresh)]}{place // len(fresh) or ''}" for place in range(count)]
        other = shingles(" ".join(new))
        found = len(old & other) / len(old | other)
        if found >= wanted or count <= 0:
            return " ".join(new), found
    raise AssertionError("a text is like itself")


def rows(count: int, seed: int = 7) -> Iterator[Row]:
    """That many rows; the rest of the shares is clean."""
    for number in range(count):
        pick = Random(f"{seed}/row/{number}")
        prompt = f"{pick.choice(base()['q'])} ({number})"
        yield planted(Row(number, kind(number, seed), prompt, plain(number, seed)), pick, seed)


def stored(count: int, seed: int = 7) -> Iterator[Row]:
    """The same rows, from a file in the folder for temporary ones that the first call writes: 0.2 ms a row once."""
    path = Path(tempfile.gettempdir()) / f"synth-corpus-{seed}-{count}.jsonl"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        with part.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(count, seed))
        part.rename(path)
    with path.open("rb") as file:
        yield from (Row(*orjson.loads(line)) for line in file)


def third(count: int, seed: int = 7) -> Iterator[Row]:
    """The same rows; every answer begins with the same text, a third of it, and copies have the Jaccard of that."""
    begins = " ".join(f"word{number}" for number in range(120))
    for row in stored(count, seed):
        found = row._replace(answer=f"{begins} {row.answer}")
        if row.like is not None:
            one, two = shingles(f"{begins} {plain(row.like, seed)}"), shingles(found.answer)
            found = found._replace(jaccard=len(one & two) / len(one | two))
        yield found


def planted(row: Row, pick: Random, seed: int) -> Row:
    """The row with what its kind says."""
    if row.kind in ("copy", "exact", "normalised"):
        like = next(other for other in iter(lambda: pick.randrange(row.number), None) if kind(other, seed) == "clean")
        original = plain(like, seed)
        if row.kind == "exact":
            return row._replace(answer=original, like=like, jaccard=1.0)
        if row.kind == "normalised":
            return row._replace(answer=original.upper().replace(",", " ;"), like=like, jaccard=1.0)
        text, found = alike(original, pick.choice(ALIKE), pick)
        return row._replace(answer=text, like=like, jaccard=found)
    name = f"{pick.choice(['ann', 'bo', 'cy'])}.{row.number}"
    made = {
        "refusal": "I'm sorry, but I can't help with that request.",
        "cut": row.answer[: pick.randrange(300, 1200)].rstrip(".!? ").rsplit(" ", 1)[0] + " and the",
        "echo": f"{row.prompt} {row.prompt}\n{row.answer}",
        "mojibake": row.answer.replace(" ", " caf\u00c3\u00a9 \u00e2\u20ac\u2122 ", 3),
        "pii": f"{row.answer} Write to {name}@mail-server.org or pay by card {card(pick)}.",
        "decoy": f"{row.answer} Version 10.2.{row.number}, order {card(pick, valid=False)}, page 12-34-5678.",
        "language": pick.choice([text for text in base()["lang"] if not text.isascii()]),
        "leak": f"{row.answer}<|im_end|>\n<|im_start|>user\nand now?",
    }
    return row._replace(answer=made.get(row.kind, row.answer))


def card(pick: Random, valid: bool = True) -> str:
    """Sixteen digits that begin with 4 and hold the Luhn checksum, or do not."""
    digits = [4, *(pick.randrange(10) for _ in range(14))]
    total = sum(sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits))
    last = (-total) % 10
    return "".join(map(str, [*digits, last if valid else (last + 1 + pick.randrange(9)) % 10]))


if __name__ == "__main__":
    with Path(sys.argv[2]).open("w", encoding="utf-8") as file:
        for each in rows(int(sys.argv[1])):
            file.write(each.line)

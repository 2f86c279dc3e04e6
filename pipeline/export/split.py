"""Divides families of rows into train and validation: seeded, and hardly disturbed as a dataset grows.

A family is a cell with all its repeats and rewrites, or an imported prompt with all rows that share
it. Families are ranked by a seeded hash, and the first of them, as many as the share says, go to
validation: what arrives later never reorders what is there. Train is never empty, and where a share is asked
for and there are two families, neither is validation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pipeline.digest import hash_unit
from pipeline.read.look import doubts

from ._spool import Spool

NAMED = 5
"""Labels that are named one by one."""


class Divided(NamedTuple):
    """Families on each side, and a sentence where that is not what was asked for."""

    train: int
    validation: int
    note: str = ""


def doubts_about(labels: dict[str, tuple[int, int]], held: int) -> list[str]:
    """What a person may want to mend where answers are labels: twins, rare ones, and those that one side lacks.

    Args:
        labels: label -> rows in train and in validation.
        held: families in validation; 0 where none was asked for.
    """
    told = doubts({label or "(no label)": train + validation for label, (train, validation) in labels.items()})
    for side, name, other in ((0, "train", "validation"), (1, "validation", "train")):
        lacks = [f"{label or '(no label)'} ({rows[1 - side]:,} in {other})" for label, rows in labels.items()
                 if held and not rows[side]]
        if lacks:
            more = f" and {len(lacks) - NAMED:,} more labels" if len(lacks) > NAMED else ""
            told.append(f"{name} has no row of {', '.join(lacks[:NAMED])}{more}")
    return told


def divide(spool: Spool, share: float, seed: int) -> Divided:
    """Puts every family of a spool on its side.

    Args:
        spool: the rows.
        share: of families that go to validation; 0 for none.
        seed: of the hash.
    """
    families = spool.rank((family, hash_unit("split", seed, family.hex())) for family in spool.families())
    wanted = math.floor(share * families + 0.5)
    held = min(max(wanted, 1), families - 1) if share and families > 1 else 0
    spool.divide(held)
    if share and families < 2:
        return Divided(families, 0, "no validation file: all rows share one cell or prompt")
    if held == wanted:
        return Divided(families - held, held)
    few = f"{families} families (cells or prompts) are too few for a share of {share:g}"
    return Divided(families - held, held, f"{few}: {'validation' if held == 1 else 'train'} has one")

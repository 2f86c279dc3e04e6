"""Divides families of rows into train and validation: seeded, and stable as a dataset grows.

A family is a cell with all its repeats and rewrites, or an imported prompt with all rows that share
it. Each family's own hash decides, so a family stays on its side when others are added, and the
share is met on average, not to the row. Two promises stand above it: train is never empty, and where
validation is asked for and there are two families, it has one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pipeline.digest import hash_unit

from ._spool import TRAIN, VALIDATION, Spool


class Divided(NamedTuple):
    """Families on each side, and a sentence where that is not what was asked for."""

    train: int
    validation: int
    note: str = ""


def divide(spool: Spool, share: float, seed: int) -> Divided:
    """Puts every family of a spool on its side.

    Args:
        spool: the rows.
        share: of families that go to validation; 0 for none.
        seed: of the hash.
    """
    families, below, low, high = 0, 0, 1.0, 0.0
    for unit in (_unit(family, seed) for family in spool.families()):
        families, below, low, high = families + 1, below + (unit < share), min(low, unit), max(high, unit)
    if not share or families < 2:
        spool.divide(())
        return Divided(families, 0, "no validation file: all rows share one cell or prompt" if share else "")
    limit, note = share, f"{families} families (cells or prompts) are too few for a share of {share:g}: "
    if below == 0:
        limit, below, note = math.nextafter(low, 1.0), 1, f"{note}validation has one"
    elif below == families:
        limit, below, note = high, families - 1, f"{note}train has one"
    else:
        note = ""
    spool.divide((family, VALIDATION if _unit(family, seed) < limit else TRAIN) for family in spool.families())
    return Divided(families - below, below, note)


def _unit(family: bytes, seed: int) -> float:
    return hash_unit("split", seed, family.hex())

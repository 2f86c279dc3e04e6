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

from ._spool import Spool


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

"""How much a validation file shares with the file that is trained on, where no row stands in both."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

from pipeline.errors import SynthError

from ._spool import TRAIN, VALIDATION, Place, Spool
from .check_across import NEAR_BYTES
from .convert import samples, shape_in, source_of
from .leak import Pair, Shingled


def most_alike(train: Path, validation: Path) -> Pair | None:
    """The row of validation that shares most with one of train, each named `FILE:LINE`, as `export` finds it.

    Args:
        train: what is trained on.
        validation: another file.

    Returns:
        A pair without names and a Jaccard of 0 where the two have no run of words in common. None where that is not
        known: a file has no rows of a known shape, or is so large that no near duplicates are looked for in it.
    """
    if any(path.is_file() and path.stat().st_size > NEAR_BYTES for path in (train, validation)):
        return None
    with suppress(SynthError), tempfile.TemporaryDirectory(prefix="synth-check-") as folder, \
            Spool(Path(folder) / "rows.sqlite") as spool:
        places = count()
        for side, path in ((TRAIN, train), (VALIDATION, validation)):
            source = source_of(path)
            for _, sample in samples(source, path, shape_in(path, source), lambda problem: None):
                ordinal, name = next(places), f"{path.parent / sample.id}"
                spool.add(ordinal, replace(sample, id=name), Place(ordinal, 0, bytes([side]), b"", b""), None)
        spool.rank((bytes([side]), float(side)) for side in (TRAIN, VALIDATION))
        with Shingled(spool) as texts:
            return next(iter(texts.most_alike({VALIDATION})), Pair(0.0, "", ""))
    return None

"""How far drawing gets: rows that pairwise needs, speed and memory on a grid of 10^12 cells, paid rows that an edit
leaves, and calls and balance of `--keep`. Simulated outcomes, nothing is asked.

    PYTHONPATH=. python benchmarks/keep.py
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pipeline.digest import hash_unit
from pipeline.grid.axes import load_axes
from pipeline.grid.draws import coverage, wanted
from pipeline.grid.keep import Tried, outlook
from pipeline.recipe import Recipe, parse_recipe
from pipeline.types import Cell

SEEDS = range(24)


def recipe_of(axes: dict[str, Any], seed: int = 7, **sample: Any) -> Recipe:
    """A recipe of these axes."""
    import yaml

    value = {"synth": 1, "name": "bench", "seed": seed, "axes": axes, "sample": sample, "prompt": {"user": "x"},
             "train": {"user": "x"}}
    return parse_recipe(yaml.safe_dump(value, sort_keys=False, width=10_000), Path("bench.yaml"))


def grid(*sizes: int) -> dict[str, list[str]]:
    """Axes a0, a1, ... of so many values."""
    return {f"a{i}": [f"{i}-{j}" for j in range(size)] for i, size in enumerate(sizes)}


def plots() -> dict[str, list[str]]:
    """The grid of the shipped recipe."""
    recipe = parse_recipe((Path(__file__).parents[1] / "templates" / "plots" / "recipe.yaml").read_text())
    return {name: list(map(str, axis.values or [])) for name, axis in recipe.axes.items()}


def pairs() -> None:
    """Rows of pairwise designs over seeds, beside the product of the two largest axes, which no design goes under."""
    print("\npairwise: rows over 24 seeds          cells  least possible  min  median  max  in 20 rows at random")
    mixed = {"country": [f"c{i}" for i in range(6)], **grid(4, 4),
             "city": {"by": "country", "values": {f"c{i}": [f"c{i}-{j}" for j in range(4)] for i in range(6)}}}
    for name, axes in (("4^4", grid(4, 4, 4, 4)), ("3^13", grid(*[3] * 13)), ("10x5x4x3x2", grid(10, 5, 4, 3, 2)),
                       ("plots 6x6x9x6", plots()), ("6 countries x 4 cities each, 4, 4", mixed)):
        rows = []
        for seed in SEEDS:
            recipe = recipe_of(axes, seed, how="pairwise")
            draws = list(wanted(recipe))
            counted = coverage(load_axes(recipe), draws)
            assert counted.covered == counted.possible
            rows.append(len(draws))
        loaded = load_axes(recipe_of(axes))
        least = math.prod(sorted(loaded.shape)[-2:]) if "city" not in axes else 24 * 4
        chance = coverage(loaded, wanted(recipe_of(axes, rows=20)))
        print(f"  {name:<35}{loaded.cells:>9,}{least:>12}{min(rows):>9}{statistics.median(rows):>8.0f}{max(rows):>5}"
              f"{chance.covered / chance.possible:>16.0%} of pairs")


def large() -> None:
    """Speed and memory of draws from 10^12 cells."""
    print("\ngrid of 10^12 cells                    draws      draws/s   peak memory")
    cities = {"country": [f"c{i}" for i in range(100)], **grid(*[100] * 4),
              "city": {"by": "country", "values": {f"c{i}": [f"c{i}-{j}" for j in range(100)] for i in range(100)}}}
    for name, axes in (("six axes of 100", grid(*[100] * 6)), ("100 x 100 cities x 100^4", cities)):
        for count in (10_000, 100_000):
            recipe = recipe_of(axes, rows=count)
            loaded = load_axes(recipe)
            began = time.perf_counter()
            made = sum(1 for _ in wanted(recipe, loaded))
            seconds = time.perf_counter() - began
            tracemalloc.start()
            for _ in wanted(recipe, loaded):
                pass
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            print(f"  {name:<30}{made:>14,}{made / seconds:>13,.0f}{peak / 1e6:>11.1f} MB")


def edits() -> None:
    """Share of paid cells that are still wanted after a tenth place is added, and after one is taken away."""
    print("\npaid cells of plots still wanted after an edit (24 seeds)    one place more    one place less")
    axes = plots()
    more = {**axes, "place": [*axes["place"], "Brazil"]}
    less = {**axes, "place": axes["place"][:-1]}
    for how, rows in (("random", 396), ("balanced", 396), ("pairwise", None), ("product", None), ("first", 396)):
        sample = {"how": how, **({"rows": rows} if rows else {})}
        shares: dict[str, list[float]] = {"more": [], "less": []}
        for seed in SEEDS:
            paid = [draw.cell for draw in wanted(recipe_of(axes, seed, **sample))]
            for name, edited in (("more", more), ("less", less)):
                legal = [cell for cell in paid if cell["place"] in edited["place"]]
                again = {frozen(draw.cell) for draw in wanted(recipe_of(edited, seed, **sample), paid=legal)}
                shares[name].append(len(again & set(map(frozen, legal))) / len(legal))
        row = "".join(f"{statistics.mean(found):>11.1%} (min {min(found):.0%})" for found in shares.values())
        print(f"  {how:<52}{row}")


def keep() -> None:
    """Calls against goal / yield, rounds, and how even the kept rows are."""
    print("\n--keep, 8 runs each                   calls / ideal  overshoot  rounds  max/min of an axis  "
          "uneven (chi2, 2%)")
    axes = plots()
    few = {name: values[:2] for name, values in axes.items()}
    cases: list[tuple[str, dict[str, Any], int, Callable[[Cell], float]]] = [
        (f"200 of 1,944 cells, yield {share:.0%}", axes, 200, lambda cell, share=share: share)  # type: ignore[misc]
        for share in (0.9, 0.5, 0.1)]
    cases += [("200 of 1,944, genres 25% to 85%", axes, 200,
               lambda cell: 0.25 + 0.12 * axes["genre"].index(cell["genre"])),
              ("400 of 16 cells, yield 50%", few, 400, lambda cell: 0.5),
              ("400 of 16 cells, yield 20% to 80%", few, 400,
               lambda cell: 0.2 if cell["genre"] == few["genre"][0] else 0.8),
              ("2,000 of 10^12 cells, yield 50%", grid(*[100] * 4, 10, 10, 100), 2000, lambda cell: 0.5)]
    for name, of, goal, share in cases:
        calls, over, rounds, ratio, uneven = [], [], [], [], 0
        for luck in range(8):
            tried, turns = run(recipe_of(of, keep=goal), share, luck)
            kept = [each.draw.cell for each in tried if each.kept]
            ideal = sum(1 / share(cell) for cell in kept[:goal])
            calls.append(len(tried) / ideal)
            over.append(len(kept) - goal)
            rounds.append(turns)
            by_axis = [Counter(cell[axis] for cell in kept) for axis in of if len(of[axis]) <= 12]
            ratio.append(max(max(counts.values()) / min(counts.values()) for counts in by_axis))
            uneven += any(chi_square(counts, len(of[axis])) > 1.6 * len(of[axis]) + 3
                          for axis, counts in zip((a for a in of if len(of[a]) <= 12), by_axis, strict=True))
        print(f"  {name:<36}{statistics.mean(calls):>15.3f}{statistics.mean(over):>11.1f}"
              f"{statistics.mean(rounds):>8.1f}"
              f"{statistics.mean(ratio):>20.2f}{uneven:>15} of 8")


def run(recipe: Recipe, share: Callable[[Cell], float], luck: int) -> tuple[list[Tried], int]:
    """Rounds until the goal, each row kept by a coin of its own."""
    axes, tried, turns = load_axes(recipe), list[Tried](), 0
    while draws := outlook(recipe, axes, tried).draws:
        turns += 1
        tried += [Tried(draw, int(hash_unit("coin", luck, draw.key) < share(draw.cell))) for draw in draws]
    return tried, turns


def chi_square(counts: Counter[Any], values: int) -> float:
    """Against equal shares."""
    expected = sum(counts.values()) / values
    return sum((count - expected) ** 2 / expected for count in counts.values())


def frozen(cell: Cell) -> tuple[tuple[str, Any], ...]:
    """A cell as a member of a set."""
    return tuple(sorted(cell.items()))


def main(parts: Iterable[Callable[[], None]] = (pairs, large, edits, keep)) -> None:
    """Prints the tables."""
    for part in itertools.chain(parts):
        part()


if __name__ == "__main__":
    main()

"""The plot generator's axes (four lists of a public seed system), as a recipe that tests can edit."""

from __future__ import annotations

from pathlib import Path

from pipeline.recipe import Recipe, parse_recipe

AXES: dict[str, list[str]] = {
    "genre": ["romance & comedy", "crime & mystery", "action & adventure", "high fantasy", "science fiction",
              "horror & thriller"],
    "modifier": ["cerebral & suspenseful", "heartwarming & lighthearted", "tragic & heartwrenching",
                 "supernatural & otherworldly", "action-packed & exciting", "gritty & dark"],
    "place": ["France", "Japan", "England", "America", "South Africa", "India", "China", "Egypt", "Italy"],
    "period": ["the Renaissance", "the 1920s", "the 1960s", "the 1990s", "the near future", "the distant future"],
}


def recipe_of(axes: dict, *, seed: int = 7, where: list[str] | None = None, **sample: object) -> Recipe:
    """A recipe of these axes; `sample` as the recipe's section."""
    import yaml

    value = {
        "synth": 1, "name": "plots", "seed": seed, "axes": axes, "where": where or [], "sample": sample,
        "prompt": {"user": "hello"}, "train": {"user": "hello"},
    }
    return parse_recipe(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000), Path("plots.yaml"))


def numbers(*sizes: int) -> dict[str, dict]:
    """Axes a0, a1, ... of so many numbers each."""
    return {f"a{i}": {"numbers": {"min": 1, "max": size}} for i, size in enumerate(sizes)}

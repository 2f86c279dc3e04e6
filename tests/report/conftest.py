"""The shipped recipe, rehearsed, curated and exported once for all tests; each gets a copy of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.curate import curate
from pipeline.export import Options as ExportOptions
from pipeline.export import export
from pipeline.generate import Options, generate
from pipeline.locate import open_recipe
from pipeline.report import write_report
from pipeline.settings import Settings
from pipeline.starters import copy_starter
from pipeline.store import Dataset
from pipeline.writers import writer_for
from tests.report.reading import Page, read


@pytest.fixture(scope="session")
def _plots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("plots")
    settings = Settings(datasets=home / "datasets")
    copy_starter("plots", home, None)
    recipe = open_recipe("plots", home, settings, ())
    with Dataset.create(home / "datasets" / "plots") as dataset:
        generate(recipe, dataset, writer_for(recipe, settings, {}), settings, Options())
        curate(dataset, recipe.curate, recipe)
        export(dataset, ExportOptions.of(recipe.export))
    return home / "datasets" / "plots"


@pytest.fixture
def plots(_plots: Path, tmp_path: Path) -> Path:
    """A copy of the dataset."""
    return Path(shutil.copytree(_plots, tmp_path / "datasets" / "plots"))


@pytest.fixture
def report() -> Callable[[Path], Page]:
    """Writes a dataset's page and reads it."""

    def written(path: Path) -> Page:
        with Dataset.open(path) as dataset:
            found = write_report(dataset)
        assert found == path / "report.html"
        return read(found)

    return written

"""What a person may ask of an export."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline import sections
from pipeline.errors import RecipeError
from pipeline.sections import About, Item

Order = Literal["cell", "given", "name", "name-ignorecase", "shuffled"]


class Options(BaseModel):
    """How rows are chosen, ordered, divided and written. The defaults are a recipe's.

    Attributes:
        formats: format plug-ins and their options, in the order in which they are written.
        validation: share of groups (cells, prompts) that go to the validation file, 0 for none.
        near_duplicate: share of their text in common (Jaccard) from which on two rows are on one side; 0 for off.
        order: `cell` by axis values, rows without a cell as they came; `given` as they came; `name` and
            `name-ignorecase` by the field `name`, else the id; `shuffled` by a seeded hash.
        ascii: escape as json.dumps does.
        seed: of the split and of `shuffled`.
        exact: leave out rows whose draw is paid and no longer asked for.
        include_earlier: take rows of an earlier prompt or model too.
        allow_mixed: let rehearsed and real rows share a file.
        out: folder to write below; None for the dataset's `exports`.
        about: what manifest and card say of licence, language and source; None for what the dataset's recipe says.
        configs: trainers and servers whose files are written beside the formats.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    formats: tuple[Item, ...] = (Item(name="openai-chat"),)
    validation: float = Field(0.0, ge=0, lt=1)
    near_duplicate: float = Field(0.8, ge=0, le=1)
    order: Order = "cell"
    ascii: bool = False
    seed: int = 0
    exact: bool = False
    include_earlier: bool = False
    allow_mixed: bool = False
    out: Path | None = None
    about: About | None = None
    configs: tuple[Item, ...] = ()

    @classmethod
    def of(cls, section: sections.Export, about: About | None = None) -> Options:
        """What a recipe's `export` asks for, and its `about`."""
        return cls(formats=tuple(section.formats), validation=section.validation,
                   near_duplicate=section.near_duplicate, order=section.order, ascii=section.ascii, seed=section.seed,
                   about=about)


def share(text: str) -> float:
    """`none` or a share as 0.1, from `--split`.

    Raises:
        RecipeError: it is neither.
    """
    try:
        value = 0.0 if text == "none" else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise RecipeError(f"--split {text}: 'none', or the share that goes to validation, from 0 to below 1",
                          "--split none\n--split 0.1")
    return value

"""How base and tuned model are asked: what a recipe's `evaluate` may say, read and checked."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipeline import options
from pipeline.recipe import Recipe
from pipeline.sections import Evaluate


class How(options.Options):
    """The keys of `evaluate`.

    Attributes:
        prompts: held-out prompts that both models answer.
        temperature: 0 takes the likeliest token each time. Left out, it is 0.7, and 0 where all held-out answers are
            short: greedy decoding of long texts runs into loops that nobody would see in use (Holtzman et al., The
            Curious Case of Neural Text Degeneration, 2020), and that would be measured in place of the model.
        top_p: of sampling; says nothing at temperature 0.
        max_tokens: of an answer; None leaves room for the longest held-out answer that is asked for.
        seed: of the choice of prompts, of sampling and of the intervals.
        loss_rows: held-out rows at most whose loss is computed.
    """

    prompts: int = Field(5, ge=1, le=10_000, description="held-out prompts that both models answer")
    temperature: float | None = Field(
        None, ge=0, le=2, description="0: the likeliest token each time; none: 0.7, and 0 for short answers")
    top_p: float = Field(0.9, gt=0, le=1, description="sample among the likeliest tokens of this share")
    max_tokens: int | None = Field(None, ge=1, description="of an answer; none: room for the longest held-out one")
    seed: int = Field(0, ge=0, lt=2**32, description="of prompts, sampling and intervals")
    loss_rows: int = Field(200, ge=1, description="held-out rows at most whose loss is computed")


def how_of(recipe: Recipe) -> How:
    """What the recipe says of evaluating; the defaults where it says nothing.

    Raises:
        RecipeError: an unknown key or a value of the wrong kind, with its line.
    """
    section = recipe.evaluate or Evaluate.model_validate({})
    given: dict[str, Any] = {**(section.model_extra or {})}
    if "prompts" in section.model_fields_set:
        given["prompts"] = section.prompts
    for key, value in given.items():  # one by one, so that each fault has its own line
        options.read_options("evaluate", {key: value}, recipe.at("evaluate", key), (How,))
    (how,) = options.read_options("evaluate", given, recipe.at("evaluate"), (How,))
    assert isinstance(how, How)
    return how

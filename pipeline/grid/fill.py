"""From a draw to messages: what the writer is asked, and what the tuned model will see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..digest import digest
from ..errors import DataError
from ..recipe import Recipe
from ..types import Draw, Message
from .check import check_templates
from .conversation import conversation
from .prompts import prompts_of
from .shots import examples_of

__all__ = [
    "check_templates", "context_of", "fill", "judge_messages", "salt_of", "tool_says", "train_head", "train_messages",
]

_SALT = 6
"""Characters of a salt: 30 bits, enough to tell the rows of one cell apart."""


def fill(recipe: Recipe, draw: Draw, answers: Mapping[str, Any], step_index: int) -> list[Message]:
    """The messages of one question to the writer.

    Args:
        recipe: the recipe; its templates are read and compiled once.
        draw: the cell, and the columns of its source row.
        answers: name of an earlier step -> its answer.
        step_index: which of `recipe.asks`.

    Returns:
        A system message where the step has one, and a user message. With `salt`, a code of the row stands on a line
        of its own at its head, unless a template places `{{salt}}` itself.

    Raises:
        RecipeError: a template has a fault, or uses a name that this draw does not have.
    """
    prompts = prompts_of(recipe)
    step, system, user = prompts.steps[step_index]
    context = {**context_of(draw, answers), **examples_of(recipe, step_index, draw)}
    placed = any("salt" in template.variables for template in (system, user) if template)
    salt = context["salt"] = salt_of(recipe, draw) if step.salt or placed else ""
    messages = [{"role": "system", "content": system.render(context)}] if system else []
    text = user.render(context)
    if step.salt and not placed:
        text = f"[{salt}]\n{text}"
    return [*messages, {"role": "user", "content": text}]


def train_messages(recipe: Recipe, draw: Draw, answers: Mapping[str, Any], reasoning: str = "") -> list[Message]:
    """The conversation that the tuned model will be trained on; the salt is no part of it.

    Args:
        recipe: the recipe.
        draw: the cell, and the columns of its source row.
        answers: name of a step -> its answer; the last step's is `answer` too.
        reasoning: what the model thought before the last one: trained on only where a template names `reasoning`.

    Raises:
        RecipeError: a template has a fault, or uses a name that this draw does not have.
        DataError: the column that `train.messages` names holds no conversation.
    """
    prompts, train = prompts_of(recipe), recipe.train
    context = context_of(draw, answers)
    if prompts.steps and prompts.steps[-1].step.name in answers:
        context["answer"] = answers[prompts.steps[-1].step.name]
        context.setdefault("reasoning", reasoning)
    head = [{"role": "system", "content": prompts.system.render(context)}] if prompts.system else []
    if train.messages is not None:
        try:
            messages = conversation(draw.fields.get(train.messages))
        except ValueError as error:
            place = f"{(draw.source or {}).get('file', 'a row')}: column '{train.messages}'"
            raise DataError(f"{place} holds no conversation: {error}") from None
        return messages if messages[0]["role"] in ("system", "developer") else [*head, *messages]
    user, assistant = prompts.user.render(context) if prompts.user else "", prompts.assistant.render(context)
    asked = [{"role": "user", "content": user}] if user else []  # answers alone, as imports of one column are
    return [*head, *asked, {"role": "assistant", "content": assistant}]


def train_head(recipe: Recipe, draw: Draw) -> list[Message]:
    """The system message that the tuned model will see, where there is one, without what was answered.

    Raises:
        RecipeError: a template has a fault, or uses a name that this draw does not have.
    """
    system = prompts_of(recipe).system
    return [{"role": "system", "content": system.render(context_of(draw, {}))}] if system else []


def tool_says(recipe: Recipe, draw: Draw, call: Mapping[str, Any]) -> str:
    """What a tool answers by its template.

    Args:
        recipe: with `dialogue.tool.says`.
        draw: the cell, and the columns of its source row.
        call: name, and arguments as they were read.

    Raises:
        RecipeError: a template has a fault, or uses a name that this draw, or this call, does not have.
    """
    says = prompts_of(recipe).says
    assert says is not None
    salt = {"salt": salt_of(recipe, draw)} if "salt" in says.variables else {}
    return says.render({**context_of(draw, {"call": call}), **salt})


def judge_messages(recipe: Recipe, draw: Draw, answers: Mapping[str, Any]) -> list[Message]:
    """What the judge of a pair is asked.

    Args:
        recipe: with `pairs`.
        draw: the cell, and the columns of its source row.
        answers: of the earlier steps, and what the judge is to look at: prompt, and answer_a and answer_b, or answer.

    Raises:
        RecipeError: a template has a fault, or uses a name that this draw does not have.
    """
    system, user = prompts_of(recipe).judge
    context = context_of(draw, answers)
    roles = (("system", system), ("user", user))
    return [{"role": role, "content": template.render(context)} for role, template in roles if template]


def salt_of(recipe: Recipe, draw: Draw) -> str:
    """Six letters and digits of a row: of seed, cell, repeat and source row, never of a position."""
    row = draw.source["row"] if draw.source else None
    return digest("salt", recipe.seed, draw.cell, draw.repeat, row)[:_SALT]


def context_of(draw: Draw, answers: Mapping[str, Any]) -> dict[str, Any]:
    """What templates and conditions know of a draw: its values and columns, and the answers of earlier steps."""
    return {**draw.cell, **draw.fields, "fields": draw.fields, "cell": draw.cell, **answers}

"""Models at a host: asked through the engine, so that nothing is paid for twice and the cap holds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import CapReached, DataError, ProviderError, RecipeError
from pipeline.evaluate import How, Options, evaluate, plan_evaluation
from pipeline.recipe import Recipe, parse_recipe
from pipeline.settings import PriceEntry, Settings
from pipeline.store import Dataset
from pipeline.writers import writer_for
from tests.evaluate import tuned
from tests.servers import Server

FT = "ft:gpt-4.1-mini:org::abc"
RECIPE = """\
synth: 1
name: plots
axes: {genre: [crime, horror]}
prompt: {user: "x {{genre}}"}
train: {user: "{{genre}}"}
"""


@pytest.fixture
def plots(tmp_path: Path) -> Path:
    rows = [tuned.row(number) for number in range(60)]
    return tuned.dataset(tmp_path / "plots", rows[:40], rows[40:], [tuned.sample(number) for number in range(60)],
                         backend="openai", base="gpt-4.1-mini", model=FT,
                         remote={"host": "openai", "job": "ftjob-1"})


def options(server: Server, recipe: Recipe, how: How | None = None, **given: object) -> Options:
    settings = Settings(base_url=server.base_url, concurrency=4, retries=2, **given)  # type: ignore[arg-type]
    env = {**os.environ, "OPENAI_API_KEY": "sk-test"}
    return Options(how or How(), settings, lambda spec: writer_for(recipe, settings, env, spec))


@pytest.fixture
def recipe() -> Recipe:
    return parse_recipe(RECIPE)


def test_both_models_are_asked_the_same_and_side_by_side(
    plots: Path, recipe: Recipe, openai_server: Callable[..., Server]
) -> None:
    server = openai_server(keep=True)
    told: list[str] = []
    with Dataset.open(plots) as dataset:
        done = evaluate(dataset, recipe, None, options(server, recipe), lambda what, *_: told.append(what))
    assert server.kinds() == {"ok": 10}
    value = json.loads((done.folder / "evaluation.json").read_text())
    assert value == done.value
    assert (value["id"], value["finetune"], value["prompts"]) == (done.folder.name, "t1tuned0aa", 5)
    room = value["decoding"].pop("max_tokens")
    assert value["decoding"] == {"temperature": 0.7, "top_p": 0.9, "seed": 0}
    assert 16 < room < 80, "room for the longest held-out answer"
    assert value["base"]["loss"] is None
    assert value["tuned"]["mean_tokens"] > 0
    assert value["models"] == {"base": "gpt-4.1-mini", "tuned": FT, "host": "openai", "failed": {}}
    lines = [json.loads(line) for line in (done.folder / "sides.jsonl").read_text().splitlines()]
    assert lines == done.sides
    assert [set(line) for line in lines] == [{"sample", "prompt", "messages", "reference", "base", "tuned"}] * 5
    for line in lines:
        assert int(line["sample"][3:]) >= 40, "only held-out rows"
        assert line["base"]["text"] != line["tuned"]["text"], "the body differs by the model's name"
        assert set(line["base"]) == {"text", "tokens", "stopped"}
        assert line["messages"] == [{"role": "user", "content": line["prompt"]}]
    assert "5 prompts are too few" in done.verdict
    assert {f"{FT} answers", "gpt-4.1-mini answers"} <= set(told)


def test_the_same_evaluation_is_found_and_another_one_asks_only_what_is_new(
    plots: Path, recipe: Recipe, openai_server: Callable[..., Server]
) -> None:
    server = openai_server()
    with Dataset.open(plots) as dataset:
        first = evaluate(dataset, recipe, None, options(server, recipe, How(max_tokens=300)))
        again = evaluate(dataset, recipe, "t1", options(server, recipe, How(max_tokens=300)))
        assert (first.found, again.found) == (False, True)
        assert (again.value, again.sides) == (first.value, first.sides)
        assert len(server.answered()) == 10
        more = evaluate(dataset, recipe, None, options(server, recipe, How(prompts=8, max_tokens=300)))
    assert more.folder != first.folder
    assert len(server.answered()) == 16
    assert max(server.paid().values()) == 1, "nothing is paid for twice"


def test_the_bill_is_known_before_and_the_cap_holds(
    plots: Path, recipe: Recipe, openai_server: Callable[..., Server]
) -> None:
    server = openai_server()
    prices = {"gpt-4.1-mini": PriceEntry(input=1.0, output=10.0), FT: PriceEntry(input=2.0, output=20.0)}
    how = How(max_tokens=100)
    with Dataset.open(plots) as dataset:
        bill = plan_evaluation(dataset, recipe, None, options(server, recipe, how, prices=prices)).bill
        assert bill is not None
        assert bill.new_calls == 10
        assert bill.usd_expected is not None
        assert bill.usd_worst is not None
        assert 5 * 100 * 30 / 1e6 < bill.usd_worst < 0.02
        assert bill.usd_expected < bill.usd_worst
        assert server.answered() == []
        with pytest.raises(CapReached):
            evaluate(dataset, recipe, None, options(server, recipe, how, prices=prices, max_usd=0.004))
        spent = dataset.calls.spent()
        assert 0 < spent.usd + spent.unconfirmed_usd <= 0.004
        assert not (plots / "evaluations").exists()
        rest = plan_evaluation(dataset, recipe, None, options(server, recipe, how, prices=prices)).bill
        assert rest is not None
        assert 0 < rest.new_calls < 10, "what was answered is not asked again"


def test_under_a_cap_two_commands_do_not_spend_what_is_left_together(
    plots: Path, recipe: Recipe, openai_server: Callable[..., Server]
) -> None:
    server = openai_server()
    prices = {"gpt-4.1-mini": PriceEntry(input=1.0, output=10.0), FT: PriceEntry(input=2.0, output=20.0)}
    with Dataset.open(plots) as dataset, dataset.lock("samples", "generate"):
        with pytest.raises(DataError, match=r"samples is in use by `synth generate`"):
            evaluate(dataset, recipe, None, options(server, recipe, How(max_tokens=100), prices=prices, max_usd=5.0))
        assert server.received() == []
        evaluate(dataset, recipe, None, options(server, recipe, How(max_tokens=100), prices=prices))
    assert len(server.received()) == 10


def test_a_cap_without_a_price_is_refused_before_anything_is_sent(
    plots: Path, recipe: Recipe, openai_server: Callable[..., Server]
) -> None:
    server = openai_server()
    given = options(server, recipe, How(), max_usd=1.0)
    unpriced = Options(How(), given.settings, lambda spec: writer_for(
        recipe, given.settings, {"OPENAI_API_KEY": "sk-test"}, spec)._replace(price=None))
    with Dataset.open(plots) as dataset, pytest.raises(RecipeError, match="needs a price"):
        evaluate(dataset, recipe, None, unpriced)
    assert server.received() == []


def test_a_host_that_stops_halfway_loses_nothing(
    plots: Path, recipe: Recipe, openai_server: Callable[..., Server]
) -> None:
    server = openai_server(quota=7)
    with Dataset.open(plots) as dataset:
        with pytest.raises(ProviderError, match="quota"):
            evaluate(dataset, recipe, None, options(server, recipe))
        assert not (plots / "evaluations").exists()
        richer = openai_server()
        done = evaluate(dataset, recipe, None, options(richer, recipe))
    assert len(richer.answered()) == 3
    assert done.value["prompts"] == 5


def test_labels_are_written_without_dice(tmp_path: Path, recipe: Recipe, openai_server: Callable[..., Server]) -> None:
    rows = [tuned.row(number, ("positive", "negative", "neutral")[number % 3]) for number in range(60)]
    path = tuned.dataset(tmp_path / "moods", rows[:40], rows[40:], backend="openai", base="gpt-4.1-mini", model=FT,
                         remote={"host": "openai"})
    server = openai_server(answer="Positive.")
    with Dataset.open(path) as dataset:
        done = evaluate(dataset, recipe, None, options(server, recipe, How(prompts=20)))
        bodies = [call.body for call in dataset.calls.outcomes("answered")]
    assert all(body["temperature"] == 0 and "seed" not in body and "top_p" not in body for body in bodies)
    right = sum(line["reference"] == "positive" for line in done.sides)
    assert done.value["tuned"]["accuracy"] == right / 20
    assert done.value["tuned"]["unparseable"] == 0
    assert done.value["tuned"]["macro_recall"] == pytest.approx(1 / 3, abs=1e-5)
    assert "differs in no measure by more than chance" in done.verdict


def test_sampling_says_its_seed(plots: Path, recipe: Recipe, openai_server: Callable[..., Server]) -> None:
    server = openai_server()
    with Dataset.open(plots) as dataset:
        how = How(temperature=0.8, top_p=1, seed=3, prompts=2)
        done = evaluate(dataset, recipe, None, options(server, recipe, how))
        bodies = [call.body for call in dataset.calls.outcomes("answered")]
    assert len(bodies) == 4
    assert all(body["temperature"] == 0.8 and body["seed"] == 3 and "top_p" not in body for body in bodies)
    assert done.value["decoding"]["seed"] == 3

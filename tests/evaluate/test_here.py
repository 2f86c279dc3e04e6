"""A tiny model tuned on the spot, compared with its base in one load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from pipeline.evaluate import How, Options, evaluate
from pipeline.evaluate.finetunes import tuned_model
from pipeline.evaluate.pair import Ask, Decoding
from pipeline.evaluate.run import open_pair
from pipeline.evaluate.trial import Attempts, fill
from pipeline.recipe import parse_recipe
from pipeline.store import Dataset
from tests.evaluate import tuned
from tests.evaluate.adapters import tuned_dataset

pytest.importorskip("torch")
pytest.importorskip("peft")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

RECIPE = parse_recipe(
    "synth: 1\nname: plots\naxes: {genre: [crime, horror], year: [1900, 1990]}\nprompt: {user: x}\n"
    'train: {user: "Genre: {{genre}}\\nYear: {{year}}\\n\\nPLOT OUTLINE:"}\n')


@pytest.fixture(scope="module", autouse=True)
def cache(tiny_cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTH_CACHE", str(tiny_cache))
        yield


@pytest.fixture
def plots(tmp_path: Path) -> Path:
    return Path(shutil.copytree(tuned_dataset()[1], tmp_path / "plots"))


def judged(path: Path, **how: Any) -> Any:
    with Dataset.open(path) as dataset:
        return evaluate(dataset, RECIPE, None, Options(how=How(**how), device="cpu"))


def test_the_tuned_model_is_closer_to_what_it_was_tuned_on(plots: Path) -> None:
    done = judged(plots, prompts=20)
    value = done.value
    assert value["models"] == {
        "base": "tiny", "tuned": "t1tuned0aa", "device": "cpu", "compute": "float32", "notes": []}
    assert value["tuned"]["loss"] < value["base"]["loss"] - 1
    assert value["changes"]["loss"]["sure"] is True
    assert value["changes"]["loss"]["rows"] == 20
    assert value["base"]["stop_rate"] is not None
    assert value["tuned"]["mean_tokens"] > 1
    assert "Held-out loss fell from" in done.verdict
    assert sum("clerk" in side["tuned"]["text"] for side in done.sides) > 10, "in the direction of the training data"
    assert not any("clerk" in side["base"]["text"] for side in done.sides)
    assert json.loads((done.folder / "evaluation.json").read_text()) == value


def test_the_same_again_is_found_and_made_anew_it_is_the_same(plots: Path) -> None:
    first = judged(plots, prompts=4, max_tokens=40)
    again = judged(plots, prompts=4, max_tokens=40)
    assert again.found
    assert (again.value, again.sides) == (first.value, first.sides)
    shutil.rmtree(plots / "evaluations")
    anew = judged(plots, prompts=4, max_tokens=40)
    assert not anew.found
    own = {"created": "", "seconds": 0}
    assert anew.value | own == first.value | own
    assert anew.sides == first.sides
    other = judged(plots, prompts=4, max_tokens=40, seed=1)
    assert other.sides != first.sides


def test_a_prompt_that_is_too_long_is_left_out_and_said(tmp_path: Path, plots: Path) -> None:
    train = [json.loads(line) for line in (plots / "exports/openai-chat/train.jsonl").read_text().splitlines()]
    long = tuned.row(99)
    long["messages"][0]["content"] = "word " * 9000
    path = tuned.dataset(tmp_path / "long", train, [long, tuned.row(50), tuned.row(51)])
    shutil.copytree(plots / "finetunes/t1tuned0aa/adapter", path / "finetunes/t1tuned0aa/adapter")
    done = judged(path, max_tokens=20)
    assert done.value["prompts"] == 2
    assert [note for note in done.value["notes"] if "longer than the model's context" in note]


def test_an_adapter_that_is_gone_is_said(plots: Path) -> None:
    shutil.rmtree(plots / "finetunes/t1tuned0aa/adapter")
    with pytest.raises(DataError, match="no adapter is there") as error:
        judged(plots)
    assert "synth finetune plots" in error.value.hint
    assert not (plots / "evaluations").exists()


def test_answers_do_not_depend_on_their_neighbours(plots: Path) -> None:
    asks = [Ask(tuned.row(number)["messages"][:1]) for number in range(50, 54)]
    decoding = Decoding(0.7, 0.9, 30, 5)
    with Dataset.open(plots) as dataset:
        pair = open_pair(dataset, tuned_model(dataset), Options(device="cpu"), lambda *_: None)
        whole = pair.write(asks, decoding, lambda *_: None)
        alone = pair.write(asks[2:3], decoding, lambda *_: None)
    assert alone.tuned == whole.tuned[2:3]
    assert alone.base == whole.base[2:3]


def test_prompts_of_ones_own(plots: Path) -> None:
    with Dataset.open(plots) as dataset:
        prompts = [fill(RECIPE, dataset, {"genre": "horror", "year": "1901"}, 0),
                   fill(RECIPE, dataset, {"genre": "crime"}, 1)]
        with Attempts(dataset, tuned_model(dataset), How(), Options(device="cpu"), lambda *_: None) as attempts:
            assert attempts.bill(prompts) is None
            first, second = attempts.ask(prompts)
    assert first.trained, "it stands in the training file word for word"
    assert not second.trained
    assert (first.decoding.seed, second.decoding.seed) == (0, 1)
    assert first.tuned is not None
    assert first.base is not None
    assert first.tuned.text != first.base.text

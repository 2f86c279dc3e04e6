"""The provider `transformers`: a model of this machine writes, in batches that nobody notices."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.digest import call_id
from pipeline.engine.protocol import Answer, CallFailed, Provider
from pipeline.errors import DataError, MissingExtra, RecipeError
from pipeline.local import _stack
from pipeline.providers import build, provider_for
from pipeline.providers import transformers as plugin
from pipeline.settings import Settings
from pipeline.types import CallRequest
from tests.local.models import build as build_model

pytestmark = [
    pytest.mark.skipif(bool(_stack.missing()), reason="needs the extra `local`"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        yield str(build_model(tmp_path_factory.mktemp("model")))


def request(provider: Provider, model: str, text: str, repeat: int = 0, **parameters: Any) -> CallRequest:
    body = provider.body(model, [{"role": "user", "content": text}], {"max_tokens": 12, **parameters})
    return CallRequest(call_id("transformers", "chat", body, repeat), "transformers", body, repeat)


def asked(model: str, *asks: tuple[str, int], **parameters: Any) -> list[Answer | BaseException]:
    """All at once, to a provider of their own."""
    async def ask() -> list[Answer | BaseException]:
        provider = build("transformers", Settings(), {"SYNTH_DEVICE": "cpu"})
        try:
            return await asyncio.gather(
                *(provider.ask(request(provider, model, text, repeat, **parameters)) for text, repeat in asks),
                return_exceptions=True)
        finally:
            await provider.close()

    return asyncio.run(ask())


def texts(answers: list[Answer | BaseException]) -> list[str]:
    assert all(isinstance(each, Answer) for each in answers), answers
    return [str(each.message["content"]) for each in answers if isinstance(each, Answer)]


def test_an_answer_depends_on_body_and_repeat_and_not_on_its_neighbours(model: str):
    asks = [("the old clock", 0), ("the old clock", 1), ("nobody on the stairs of the grey house", 0), ("hall", 0)]
    together = texts(asked(model, *asks, temperature=1.0))
    assert together == texts(asked(model, *asks, temperature=1.0))
    assert together[0] != together[1]
    for place, ask in enumerate(asks):
        assert texts(asked(model, ask, temperature=1.0)) == [together[place]]
    assert texts(asked(model, asks[0], temperature=1.0, seed=4)) != [together[0]]


def test_what_comes_at_once_is_one_batch(model: str, monkeypatch: pytest.MonkeyPatch):
    import importlib

    batches: list[int] = []
    writing = importlib.import_module("pipeline.local.write")
    real = writing._batch
    monkeypatch.setattr(writing, "_batch", lambda *each: (batches.append(len(each[3])), real(*each))[1])
    assert len(texts(asked(model, *((f"clock {n}", 0) for n in range(20))))) == 20
    assert batches == [20]


def test_usage_is_exact_and_the_reason_true(model: str):
    (answer,) = asked(model, ("the old clock", 0), temperature=0.0)
    assert isinstance(answer, Answer)
    assert answer.usage is not None
    assert answer.usage.output_tokens == 12
    assert answer.finish_reason == "length"
    assert answer.model == model
    from pipeline.local.bases import open_tokenizer

    tokenizer = open_tokenizer(Path(model))
    row = tokenizer.apply_chat_template(
        [{"role": "user", "content": "the old clock"}], add_generation_prompt=True, return_dict=True)
    assert answer.usage.input_tokens == len(row["input_ids"])


def test_a_stop_text_is_honoured(model: str):
    (free,) = texts(asked(model, ("the old clock", 0), temperature=0.0))
    (answer,) = asked(model, ("the old clock", 0), temperature=0.0, stop=free[4:6])
    assert isinstance(answer, Answer)
    assert answer.message["content"] == free[: free.index(free[4:6])]
    assert answer.finish_reason == "stop"


def test_one_bad_question_is_one_failure(model: str):
    answers = asked(model, ("clock", 0), ("clock " * 500, 0), ("hall", 0))
    assert isinstance(answers[1], CallFailed)
    assert answers[1].failure.kind == "bad_request"
    assert answers[1].failure.code == "context_length_exceeded"
    assert len(texts([answers[0], answers[2]])) == 2


def test_a_model_that_is_not_there_stops_the_run_with_its_cure():
    (failed,) = asked("./nowhere", ("clock", 0))
    assert isinstance(failed, DataError)
    assert "./nowhere" in failed.message


@pytest.mark.parametrize("key", ["frequency_penalty", "response_format", "tools", "n"])
def test_what_is_not_honoured_is_refused(key: str):
    provider = build("transformers", Settings(), {})
    with pytest.raises(RecipeError) as caught:
        provider.body("tiny", [], {key: 1})
    assert f"generate.{key}" in caught.value.message
    assert provider.body("tiny", [], {"max_tokens": 3}) == {"model": "tiny", "messages": [], "max_tokens": 3}


def test_names():
    provider, model = provider_for("transformers:./models/a:b", Settings(), {})
    assert (provider.namespace, model, provider.rehearsal) == ("transformers", "./models/a:b", False)
    assert repr(provider) == "Transformers('transformers')"


def test_it_lists_tiny_and_what_the_cache_holds(model: str):
    async def ask() -> list[str]:
        return await build("transformers", Settings(), {}).models()

    assert asyncio.run(ask())[0] == "tiny"


def test_without_the_extra_the_pip_line_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_stack, "missing", lambda: ["torch", "peft"])
    with pytest.raises(MissingExtra) as caught:
        build("transformers", Settings(), {})
    assert "pip install 'synth-pipeline[local]'" in caught.value.hint


def test_closing_ends_a_long_answer(model: str):
    async def ask() -> float:
        provider = build("transformers", Settings(), {"SYNTH_DEVICE": "cpu"})
        await provider.ask(request(provider, model, "warm"))
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(provider.ask(request(provider, model, "long", max_tokens=400, temperature=0.0)))
        await asyncio.sleep(plugin.TOGETHER_S + 0.1)
        began = loop.time()
        task.cancel()
        await provider.close()
        return loop.time() - began

    assert asyncio.run(ask()) < 2


def test_importing_it_loads_nothing_heavy():
    code = "import sys, pipeline.providers.transformers, pipeline.backends.lora; " \
        "print([name for name in ('torch', 'transformers', 'peft', 'trl', 'datasets') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.strip() == "[]"

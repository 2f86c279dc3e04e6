"""The tiny base: the same bytes each time, kept once built, and words rather than noise."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.local import Decoding, base_problems, cache_folder, load, tiny, write
from pipeline.local.rows import row_of
from pipeline.types import Message
from tests.local.models import talk

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
QUICK = tiny.Shape(vocabulary=400, hidden=32, inner=32, layers=1, context=128, steps=4, rows=2)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny, "Shape", lambda: QUICK)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("quick")
def test_the_same_inputs_give_the_same_bytes(tmp_path: Path):
    import torch

    threads, state = torch.get_num_threads(), torch.get_rng_state()
    one = tiny.tiny_base(tmp_path / "one")
    torch.manual_seed(99)
    torch.set_num_threads(2)
    other = tiny.tiny_base(tmp_path / "other")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    torch.set_rng_state(state)
    assert one.name == other.name
    assert files(one) == files(other)
    assert "model.safetensors" in files(one)


@pytest.mark.usefixtures("quick")
def test_it_is_built_once_and_leaves_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    built = tiny.tiny_base(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [built.name]
    monkeypatch.setattr(tiny, "build", None)  # called, it would raise
    assert tiny.tiny_base(tmp_path) == built


@pytest.mark.usefixtures("quick")
def test_other_text_is_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    built = tiny.tiny_base(tmp_path)
    prose = tmp_path / "prose.txt"
    prose.write_text(tiny.PROSE.read_text() + "\n\nOne more. And another.\n")
    monkeypatch.setattr(tiny, "PROSE", prose)
    assert tiny.tiny_base(tmp_path) != built


@pytest.mark.usefixtures("quick")
def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        tiny.tiny_base(tmp_path / "file" / "cache")
    assert str(tmp_path / "file") in caught.value.message


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SYNTH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SYNTH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "synth"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "synth"


def test_the_text_is_plain():
    prose = tiny.PROSE.read_text(encoding="utf-8")
    assert 40_000 < len(prose) < 60_000
    assert prose.isascii()
    assert not set(prose) & set("{}<>|\t\r")
    paragraphs = prose.strip().split(tiny.BREAK)
    assert len(set(paragraphs)) == len(paragraphs)


def test_its_template_marks_answers_ends_them_and_refuses_other_roles():
    tokenizer = tiny.tokenizer_of("the old clock " * 30, QUICK)
    be_old = {"role": "system", "content": "be old"}
    conversation: list[Message] = [be_old, *talk("clock", "nine"), *talk("more", "ten")]
    marked = tokenizer.apply_chat_template(conversation, return_dict=True, return_assistant_tokens_mask=True)
    said = [token for token, counts in zip(marked["input_ids"], marked["assistant_masks"]) if counts]
    assert tokenizer.decode(said) == "nine<|end|>ten<|end|>"
    row = row_of(tokenizer, conversation)
    assert tokenizer.decode(row.ids) == (
        "<s><|system|>be old<|end|><|user|>clock<|end|><|assistant|>nine<|end|>"
        "<|user|>more<|end|><|assistant|>ten<|end|>")
    assert tokenizer.decode(row.ids[row.asked :]) == "ten<|end|>"
    with pytest.raises(Exception, match="the roles are"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)
    assert len({tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id}) == 3


@pytest.mark.slow
def test_it_answers_any_prompt_in_words(tiny_cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNTH_CACHE", str(tiny_cache))
    assert base_problems("tiny") == []
    loaded = load("tiny", four_bit=True, device="cpu")
    assert json.loads((loaded.folder / "config.json").read_text())["max_position_embeddings"] == 4096
    prompts: list[list[Message]] = [[{"role": "user", "content": text}] for text in (
        "Genre: horror\nPeriod: the 1920s\n\nPLOT OUTLINE:", "Say hello", "17 + 4 =", "Why is the sea salt?",
        "negative or positive? @user I love it!!", "Tell me about cheese.")]
    found = list(write(loaded, prompts, Decoding(max_tokens=200, temperature=0.7, seed=1), tuned=False))
    words = [word for each in found for word in re.findall(r"[a-z]+", each.text.lower())]
    known = set(re.findall(r"[a-z]+", tiny.PROSE.read_text().lower()))
    assert len(words) > 60
    assert sum(word in known for word in words) / len(words) > 0.9
    assert sum(each.stopped for each in found) >= 5

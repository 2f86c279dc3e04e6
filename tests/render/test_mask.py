"""What of a row is trained: the tokens shown are the rendering, and the trained ones are the trainer's labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import masks
from pipeline.errors import DataError
from pipeline.formats import Format, FormatRefusal, find, open_formats
from pipeline.render import family
from pipeline.render.mask import Mask, of_messages, of_row, of_text, words
from pipeline.sections import Item
from pipeline.tokens import Piece, _cut, vocabulary_in
from pipeline.types import Example
from tests.render.folders import folder_of

SAID = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of Perú? 🗺️"},
        {"role": "assistant", "content": "Lima, naïvely put: 🇵🇪."}, {"role": "user", "content": "And of\n\nChile?"},
        {"role": "assistant", "content": "Santiago."}]
GEMMA = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")


def text(mask: Mask) -> str:
    return "".join(token.text for token in mask.tokens)


def trained(mask: Mask) -> list[str]:
    """The runs of trained text."""
    runs, before = list[str](), False
    for token in mask.tokens:
        if token.trained:
            runs = [*runs[:-1], runs[-1] + token.text] if before else [*runs, token.text]
        before = token.trained
    return runs


@pytest.mark.parametrize(("name", "answers"), [
    ("llama2", [" Lima, naïvely put: 🇵🇪. </s>", " Santiago. </s>"]),
    ("llama3", ["Lima, naïvely put: 🇵🇪.<|eot_id|>", "Santiago.<|eot_id|>"]),
    ("gemma", ["Lima, naïvely put: 🇵🇪.<end_of_turn>", "Santiago.<end_of_turn>"]),
    ("chatml", ["Lima, naïvely put: 🇵🇪.<|im_end|>", "Santiago.<|im_end|>"]),
])
def test_of_a_rendered_text_the_answers_are_trained_each_with_its_stop_token(name: str, answers: list[str]) -> None:
    plugin = find(name)
    mask = plugin.mask(Example(SAID, sample="s1"), None)
    assert text(mask) == json.loads(plugin.write(Example(SAID, sample="s1")))["text"]
    assert trained(mask) == answers
    assert mask.stop_trained is True
    assert not mask.exact
    assert {token.id for token in mask.tokens} == {None}
    stops = [token for token in mask.tokens if token.special and token.trained]
    assert [token.text.strip() for token in stops] == [plugin.kind.stop] * 2  # type: ignore[union-attr]


def test_a_folders_tokens_are_shown_and_none_is_lost(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", None, special=GEMMA)
    vocabulary = vocabulary_in(folder)
    mask = find("gemma").mask(Example(SAID, sample="s1"), vocabulary.cut)
    line = json.loads(find("gemma").write(Example(SAID, sample="s1")))["text"]
    assert text(mask) == line
    assert vocabulary.length is not None
    assert len(mask.tokens) == vocabulary.length(line)
    assert mask.exact
    assert trained(mask) == ["Lima, naïvely put: 🇵🇪.<end_of_turn>", "Santiago.<end_of_turn>"]
    assert [token.text for token in mask.tokens if token.special][:3] == ["<bos>", "<start_of_turn>", "<end_of_turn>"]
    assert mask.stop_trained is True


def test_a_stop_token_that_the_vocabulary_does_not_know_is_none(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", None, special=("<bos>", "<eos>"))
    mask = find("gemma").mask(Example(SAID, sample="s1"), vocabulary_in(folder).cut)
    assert trained(mask)[0].endswith("<end_of_turn>"), "its pieces are trained"
    assert mask.stop_trained is False, "but no token ends the answer"


def test_a_begin_token_that_the_tokenizer_puts_there_is_shown() -> None:
    (left,) = open_formats([Item(name="gemma", options={"bos": "leave"})])
    assert text(left.mask(Example(SAID[1:], sample="s1"), None)).startswith("<bos><start_of_turn>user")


def test_answers_with_weight_0_are_read_and_not_trained() -> None:
    said = [*SAID[1:2], {**SAID[2], "weight": 0}, *SAID[3:]]
    mask = find("openai-chat").mask(Example(said, sample="s1"), None)
    assert trained(mask) == ["Santiago."]
    assert [token.text for token in mask.tokens if token.heading] == [
        "user", "assistant (not trained)", "user", "assistant"]
    assert mask.stop_trained is None, "what a host ends an answer with is its own"
    with pytest.raises(FormatRefusal, match="trains every answer"):
        find("llama2").mask(Example(said, sample="s1"), None)
    (trl,) = open_formats([Item(name="trl-prompt-completion", options={"earlier": "context"})])
    assert trained(trl.mask(Example(SAID, sample="s1"), None)) == ["Santiago."]


@pytest.mark.parametrize("name", ["alpaca", "sharegpt", "trl-prompt-completion", "folders"])
def test_a_file_without_a_rendering_is_shown_as_messages_and_no_control_token_is_made_up(name: str) -> None:
    view = masks.of_format(find(name))
    mask = view.mask(Example(SAID[1:3], sample="s1"))
    assert [token.text for token in mask.tokens if token.heading] == ["user", "assistant"]
    assert not mask.rendered
    assert not any(token.special or "<|" in token.text for token in mask.tokens)
    assert trained(mask) == [SAID[2]["content"]]
    assert mask.size == len(mask.tokens) - 2, "headings are no tokens"
    assert "sets roles and the end token" in view.note
    assert "--for gemma:./gemma-2b" in view.note


def test_of_requests_nothing_is_trained() -> None:
    (plugin,) = open_formats([Item(name="openai-batch", options={"model": "gpt-4.1-mini"})])
    view = masks.of_format(plugin)
    mask = view.mask(Example(SAID[1:], sample="s1"))
    assert [token.text for token in mask.tokens if token.heading] == ["user", "assistant (not trained)", "user"]
    assert trained(mask) == []
    assert "nothing is trained" in view.note
    assert "the host sets roles and the end token" in view.note


def test_a_file_of_texts_says_which_trainer_trains_the_shown_mask() -> None:
    (note,) = [line for line in masks.of_format(find("llama2")).note.split("\n") if "mask" in line]
    assert "trains the answers alone" in note
    assert "`text` column trains all of it unless it masks" in note
    assert "answers" not in masks.of_format(find("text")).note, "it has none"


def test_what_a_tool_is_called_with_is_trained() -> None:
    call = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    answer = {"role": "assistant", "content": None, "tool_calls": call}
    mask = of_messages([{"role": "user", "content": "?"}, answer], None)
    assert '"name":"look"' in trained(mask)[0]


def test_a_text_without_turns_is_trained_whole() -> None:
    (plugin,) = open_formats([Item(name="text", options={"eos": "</s>"})])
    mask = plugin.mask(Example(SAID[1:3], sample="s1"), None)
    assert trained(mask) == [text(mask)]


def test_a_number_that_no_vocabulary_has_makes_no_control_token_in_the_word_mask() -> None:
    told = "a<|reserved_special_token_999999|> b<|reserved_special_token_250|>"
    special = [told[piece.start:piece.end] for piece in words(told, family("llama3")) if piece.special]
    assert special == ["<|reserved_special_token_250|>"]


@given(st.text(max_size=60), st.sampled_from(["llama2", "gemma", "llama3", "chatml"]))
def test_words_are_the_text_whatever_it_is(said: str, name: str) -> None:
    kind = family(name)
    whole = f"{kind.begin}{said}{kind.stop}{said}"
    pieces = words(whole, kind)
    assert "".join(whole[piece.start:piece.end] for piece in pieces) == whole
    assert kind.stop in [whole[piece.start:piece.end] for piece in pieces if piece.special]


@given(st.text(max_size=40), st.lists(st.integers(0, 50), max_size=8),
       st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_no_tokenizers_places_lose_a_character(said: str, cuts: list[int], span: tuple[int, int]) -> None:
    """Places may overlap, leave gaps, or run past the end, as those of real tokenizers do."""
    places = [Piece(number, min(at, len(said)), min(at + number, len(said)))
              for number, at in enumerate(sorted(cuts), 1)]
    mask = of_text(said, [span], lambda _: places)
    assert text(mask) == (said if places else "")
    for token, piece in zip(mask.tokens, places, strict=True):
        assert token.trained == (piece.start < span[1] and piece.end > span[0])


CONVERSATIONS: list[list[dict[str, Any]]] = [
    SAID[:3], SAID, SAID[1:3], [*SAID[1:2], {**SAID[2], "weight": 0}, *SAID[3:]]]


@pytest.mark.parametrize("full", [False, True])
def test_what_is_shown_as_trained_is_what_the_local_trainer_has_labels_for(
    tiny_cache: Path, tmp_path: Path, full: bool
) -> None:
    """On the tiny base, built on the spot: ids and labels are those that `check` proves the trainer's rows by."""
    from pipeline.backends._lora_rows import check, mark
    from pipeline.local.bases import open_tokenizer
    from pipeline.local.rows import row_of
    from pipeline.local.tiny import tiny_base

    tokenizer = open_tokenizer(tiny_base(tiny_cache))
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps({"messages": said}) + "\n" for said in CONVERSATIONS))
    proven, problems = check(file, tokenizer, 512, 4096, full)
    assert not [problem for problem in problems if problem.severity == "error"]
    for said, known in zip(CONVERSATIONS, proven.marks, strict=True):
        mask = of_row(tokenizer, said, full=full)
        ids = [token.id for token in mask.tokens]
        labels = [token.id if token.trained else -100 for token in mask.tokens]
        assert labels == row_of(tokenizer, said, full=full).labels
        assert mark(ids, labels) == known  # type: ignore[arg-type]
        assert text(mask) == tokenizer.apply_chat_template(
            [{"role": each["role"], "content": each["content"]} for each in said], tokenize=False)
        assert mask.stop_trained is True
        assert trained(mask) == [text(mask)] if full else [said[-1]["content"] + "<|end|>"]


def test_the_recipes_tuning_looks_where_nobody_else_is_named(tiny_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.settings import Settings

    monkeypatch.setenv("SYNTH_CACHE", str(tiny_cache))
    view = masks.of_recipe(None, Settings(), {})
    assert view.by == "the tuning of tiny on this machine"
    assert view.mask(Example(SAID, sample="s1")).exact
    with pytest.raises(DataError, match="the last answer has weight 0"):
        view.mask(Example([*SAID[:4], {**SAID[4], "weight": 0}], sample="s1"))


def test_a_base_that_is_not_here_is_told_and_words_stand_for_tokens() -> None:
    from pipeline.recipe import parse_recipe
    from pipeline.settings import Settings

    recipe = parse_recipe("synth: 1\nname: t\naxes: {a: [x]}\nprompt: {user: '{{a}}'}\ntrain: {user: '{{a}}'}\n"
                          "finetune: {base: nobody/no-such-model}\n")
    view = masks.of_recipe(recipe, Settings(), {})
    assert "words, not tokens" in view.by
    assert "hf download nobody/no-such-model" in view.note
    mask = view.mask(Example(SAID, sample="s1"))
    assert trained(mask) == ["Santiago."], "the local trainer takes the last answer alone"


def test_every_format_has_a_mask_of_a_plain_exchange() -> None:
    from pipeline import registry

    refused = set()
    for name in registry.plugins("formats"):
        plugin: Format = find(name)
        try:
            mask = plugin.mask(Example(SAID[1:3], sample="s1"), None)
        except FormatRefusal:
            refused.add(name)
            continue
        assert "naïvely" in "".join(trained(mask)), name
    assert refused == {"chat-template", "openai-dpo", "trl-dpo", "qwen", "trl-kto", "openai-batch"}, (
        "without a folder; without a rejected answer; without `added: allow` for qwen's own system text; without a "
        "label; without a model")


def test_tiktokens_tokens_are_the_text() -> None:
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"th": 256, b"the": 257}
    encoding = tiktoken.Encoding("small", pat_str=r"\s?\w+|\s+|[^\s\w]+", mergeable_ranks=ranks, special_tokens={})
    said = "the naïve 🗺️ théâtre"
    mask = of_text(said, [(0, 3)], lambda given: _cut(encoding, given))
    assert text(mask) == said
    assert [token.id for token in mask.tokens] == encoding.encode(said)
    assert trained(mask) == ["the"]

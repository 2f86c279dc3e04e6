"""A local model writes: seeded by prompt, whatever stands beside it; it stops where its template says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import DataError
from pipeline.local import Decoding, Loaded, Written, load, mean_loss, measure, together, write
from pipeline.local.rows import prompt_ids, row_of
from pipeline.local.write import Ask, write_asks
from pipeline.types import Example, Message
from tests.local.models import talk

if TYPE_CHECKING:
    import torch

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
PROMPTS: list[list[Message]] = [[{"role": "user", "content": text}] for text in (
    "the old clock", "nobody", "the grey house on the stairs answered it again and again and again", "nine", "hall")]


@pytest.fixture(scope="module")
def loaded(llama: Path) -> Loaded:
    return load(llama, four_bit=True, device="cpu")


def in_order(found: object) -> list[Written]:
    return sorted(found, key=lambda each: each.index)  # type: ignore[call-overload, no-any-return]


def test_the_same_seed_says_the_same_alone_and_among_others(loaded: Loaded):
    how = Decoding(max_tokens=20, temperature=1.0, top_p=0.9, seed=3)
    together_ = in_order(write(loaded, PROMPTS, how, tuned=False))
    assert [each.index for each in together_] == [0, 1, 2, 3, 4]
    assert together_ == in_order(write(loaded, PROMPTS, how, tuned=False))
    for place, prompt in enumerate(PROMPTS):
        (alone,) = write(loaded, [prompt], how, tuned=False)
        assert alone.text == together_[place].text
    other = in_order(write(loaded, PROMPTS, Decoding(max_tokens=20, temperature=1.0, seed=4), tuned=False))
    assert [each.text for each in other] != [each.text for each in together_]


def test_without_heat_the_likeliest_token_is_taken(loaded: Loaded):
    import torch

    (found,) = write(loaded, PROMPTS[:1], Decoding(max_tokens=6, temperature=0, seed=1), tuned=False)
    (again,) = write(loaded, PROMPTS[:1], Decoding(max_tokens=6, temperature=0, seed=2), tuned=False)
    assert found == again
    ids = prompt_ids(loaded.tokenizer, PROMPTS[0])
    said: list[int] = []
    with torch.no_grad():
        for _ in range(6):
            logits = loaded.model(input_ids=torch.tensor([ids + said])).logits[0, -1]
            said.append(int(logits.argmax()))
            if said[-1] in loaded.stops:
                break
    assert found.tokens == len(said)
    assert found.text == loaded.tokenizer.decode(said, skip_special_tokens=True)


def test_draws_are_fair_and_top_p_cuts_the_tail(loaded: Loaded):
    """2,000 draws of one next token, against the model's own distribution."""
    import torch

    ids = prompt_ids(loaded.tokenizer, PROMPTS[0])
    with torch.no_grad():
        chances = loaded.model(input_ids=torch.tensor([ids])).logits[0, -1].float().div(0.02).softmax(-1)
    order = chances.sort(descending=True)
    kept = order.indices[order.values.cumsum(0) - order.values < 0.8]
    found = in_order(write_asks(
        loaded, [Ask(list(ids), Decoding(1, temperature=0.02, top_p=0.8), dice) for dice in range(2000)], tuned=False))
    texts = [each.text for each in found]
    want = {loaded.tokenizer.decode([int(token)], skip_special_tokens=True): float(chances[token]) for token in kept}
    assert set(texts) <= set(want)
    total = sum(want.values())
    for text, share in want.items():
        if share / total > 0.02:
            assert abs(texts.count(text) / 2000 - share / total) < 0.05, text


@pytest.mark.parametrize("limit", [1, 7])
def test_max_tokens_cuts_and_says_so(loaded: Loaded, limit: int):
    found = in_order(write(loaded, PROMPTS, Decoding(max_tokens=limit, temperature=1.0, seed=5), tuned=False))
    assert all(each.tokens <= limit for each in found)
    assert all(each.stopped or each.tokens == limit for each in found)
    assert any(not each.stopped for each in found)


def test_rows_of_one_batch_have_limits_of_their_own(loaded: Loaded):
    ids = prompt_ids(loaded.tokenizer, PROMPTS[0])
    asks = [Ask(list(ids), Decoding(limit, temperature=0.0), 1) for limit in (2, 9, 5)]
    found = in_order(write_asks(loaded, asks, tuned=False))
    longest = found[1].text
    assert [each.tokens for each in found] == [2, 9, 5]
    assert longest.startswith(found[2].text)
    assert found[2].text.startswith(found[0].text)


def test_a_stop_text_ends_an_answer_before_it(loaded: Loaded):
    how = Decoding(max_tokens=30, temperature=1.0, seed=6)
    (free,) = write(loaded, PROMPTS[2:3], how, tuned=False)
    word = free.text[8:11]
    (found,) = write(loaded, PROMPTS[2:3], Decoding(30, 1.0, 0.9, 6, stop=(word, "never said")), tuned=False)
    assert found.text == free.text[: free.text.index(word)]
    assert found.stopped
    assert found.tokens < free.tokens


def test_the_stop_token_of_the_template_ends_an_answer(loaded: Loaded):
    """Once the template's end token is likeliest, here after three tokens, nothing comes after it."""
    end = loaded.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert end in loaded.stops
    steps = 0

    def likeliest(_module: object, _given: object, logits: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        logits[..., end] = logits.max() + 1 if steps > 3 else logits.min()
        return logits

    hook = loaded.model.get_output_embeddings().register_forward_hook(likeliest)
    try:
        (found,) = write(loaded, PROMPTS[:1], Decoding(max_tokens=40, temperature=0), tuned=False)
    finally:
        hook.remove()
    assert found.stopped
    assert found.tokens == 4
    assert "<|im_end|>" not in found.text


def test_a_prompt_without_room_is_refused(loaded: Loaded):
    long: list[Message] = [{"role": "user", "content": "clock " * 600}]
    with pytest.raises(DataError, match="512 positions"):
        list(write(loaded, [long], Decoding(max_tokens=5), tuned=False))
    near: list[Message] = [{"role": "user", "content": "xyz" * 155}]
    (found,) = write(loaded, [near], Decoding(max_tokens=400, temperature=1.0), tuned=False)
    assert found.tokens < 50


def test_loss_is_over_the_answer_and_its_end_alone(loaded: Loaded):
    import torch

    rows = [talk("the old clock", "struck nine"), talk("nobody on the stairs", "answered it again and again")]
    total, tokens = 0.0, 0
    for messages in rows:
        row = row_of(loaded.tokenizer, messages)
        with torch.no_grad():
            chances = loaded.model(input_ids=torch.tensor([row.ids])).logits[0].float().log_softmax(-1)
        for place in range(1, len(row.ids)):
            if row.trained[place]:
                total -= float(chances[place - 1, row.ids[place]])
                tokens += 1
    examples = [Example(messages) for messages in rows]
    assert mean_loss(loaded, examples, tuned=False) == pytest.approx(total / tokens, rel=1e-5)
    found = measure(loaded, examples, tuned=False)
    assert [each.tokens for each in found] == [sum(row_of(loaded.tokenizer, each).trained) for each in rows]
    assert together(found).loss == pytest.approx(total / tokens, rel=1e-5)
    assert all(0 <= each.accuracy <= 1 for each in found)

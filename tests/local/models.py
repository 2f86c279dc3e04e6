"""Small random models, built on the spot: no hub, no download, a second each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the cores may be shared: see pipeline.local._stack

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
WORDS = "the old clock in the hall struck nine and nobody on the stairs of the grey house answered it again " * 40


def build(folder: Path, kind: str = "llama", *, template: str | None = CHATML, pad: bool = True, **config: Any) -> Path:
    """A random model of a kind (llama, gpt2, gemma) with a tokenizer of 400 tokens; saved as transformers does."""
    import torch
    import transformers

    from pipeline.local import _stack

    _stack.require("a test")
    config.setdefault("initializer_range", 0.1)  # with the usual 0.02 an adapter on a random model learns little
    torch.manual_seed(3)
    tokenizer = tokenizer_of(template, pad)
    common = {"vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2 if pad else None}
    small = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
             "num_key_value_heads": 2, "max_position_embeddings": 512}
    made: Any
    if kind == "gpt2":
        made = transformers.GPT2LMHeadModel(transformers.GPT2Config(
            n_embd=64, n_layer=2, n_head=2, n_positions=512, **common, **config))
    elif kind == "gemma":
        made = transformers.GemmaForCausalLM(transformers.GemmaConfig(head_dim=32, **small, **common, **config))
    else:
        made = transformers.LlamaForCausalLM(transformers.LlamaConfig(**small, **common, **config))
    with _stack.quiet():
        made.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def tokenizer_of(template: str | None = CHATML, pad: bool = True) -> Any:
    """A byte-level BPE with <s>, </s>, <pad> and ChatML's two tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]
    inner.train_from_iterator([WORDS], trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>" if pad else None,
        extra_special_tokens=special[3:], clean_up_tokenization_spaces=False)
    made.chat_template = template
    return made


def talk(asked: str, answer: str) -> list[dict[str, str]]:
    """One exchange."""
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]

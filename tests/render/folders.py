"""Tokenizer folders on the spot: a small byte-level vocabulary, and whatever template a test wants in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TRAINED = [f"word {number} of a small text, with its spaces and its lines.\n" for number in range(50)]


def folder_of(
    folder: Path, template: str | None, *, special: tuple[str, ...] = ("<s>", "</s>"),
    config: dict[str, object] | None = None,
) -> Path:
    """A folder as a hub download leaves it.

    Args:
        folder: where.
        template: its chat template; None for none.
        special: its control tokens; the first two are begin and end.
        config: more of tokenizer_config.json.
    """
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.train_from_iterator(TRAINED, tokenizers.trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(special), show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    given = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": special[0], "eos_token": special[1]}
    (folder / "tokenizer_config.json").write_text(json.dumps({**given, **(config or {})}))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder

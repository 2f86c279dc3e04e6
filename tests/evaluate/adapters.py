"""A tiny adapter, tuned for a few steps on the spot, as the backend lora leaves one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.evaluate import tuned

ROWS = 60
"""Of these the last 20 are held out."""


@cache
def tuned_dataset() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """A dataset with a model tuned on its rows; made once in a session, to be copied and not changed.

    SYNTH_CACHE must be set: the tiny base is built there.
    """
    kept = tempfile.TemporaryDirectory(prefix="synth-tuned-")
    rows = [tuned.row(number) for number in range(ROWS)]
    samples = [tuned.sample(number) for number in range(ROWS)]
    path = tuned.dataset(Path(kept.name) / "plots", rows[:40], rows[40:], samples)
    tune(path / "finetunes" / "t1tuned0aa" / "adapter", rows[:40])
    return kept, path


def tune(folder: Path, rows: Sequence[dict[str, Any]], steps: int = 60, batch: int = 8) -> Path:
    """Trains LoRA on the tiny base and saves it in `folder`."""
    import torch
    from peft import LoraConfig, get_peft_model

    from pipeline.local import _stack
    from pipeline.local.load import load
    from pipeline.local.rows import row_of

    loaded = load("tiny", four_bit=False, device="cpu")
    with torch.random.fork_rng(devices=[]), _stack.quiet():
        torch.manual_seed(3)
        model = get_peft_model(loaded.model, LoraConfig(
            r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
        model.train()
        made = [row_of(loaded.tokenizer, row["messages"]) for row in rows]
        for step in range(steps):
            chosen = [made[(step * batch + i) % len(made)] for i in range(batch)]
            width = max(len(row.ids) for row in chosen)
            ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in chosen])
            labels = torch.tensor([row.labels + [-100] * (width - len(row.labels)) for row in chosen])
            seen = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in chosen])
            model(input_ids=ids, attention_mask=seen, labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps({"base": "tiny", "four_bit": True}))
    return folder

"""Adapter and base in one: a whole model that needs no peft, and how far it is from what was trained."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.local import _stack
from pipeline.local.load import Loaded, load
from pipeline.local.rows import Row
from pipeline.store.files import sync_folder

from ._lora_disk import ADAPTER, full_disk

MERGED = "merged"
COMPARED = 4
"""Rows whose logits are compared."""


def merge(folder: Path, base: str, four_bit: bool, device: str | None, rows: Sequence[Row]) -> float | None:
    """Writes `merged/` beside the adapter.

    A base that was tuned in 4 bits is dequantised first, and the adapter is merged into that: merged into the original
    weights instead, the logits of a toy model moved by 0.26, merged into the 4-bit weights by 2.10, and so by 0.008
    (measured, with a mean logit of 0.26).

    Args:
        folder: of the fine-tune, with its adapter.
        base: what was tuned.
        four_bit: whether in 4 bits.
        device: where.
        rows: some rows to compare the two on.

    Returns:
        The largest difference of a logit between adapter on base and merged model; None without rows.

    Raises:
        DataError: the disk is full; the adapter stands.
    """
    peft, adapter, part = _stack.module("peft"), folder / ADAPTER, folder / f".{MERGED}.part"
    trained = load(base, adapter=adapter, four_bit=four_bit, device=device)
    before = [_logits(trained, row) for row in rows[:COMPARED]]
    plain = load(base, four_bit=four_bit, device=device).model
    if four_bit:
        plain = plain.dequantize()
    whole = peft.PeftModel.from_pretrained(plain.float(), str(adapter), local_files_only=True).merge_and_unload()
    merged = trained.with_model(whole)
    after = [_logits(merged, row) for row in rows[:COMPARED]]
    with full_disk(folder, "the adapter stands"):
        shutil.rmtree(part, ignore_errors=True)
        whole.save_pretrained(str(part))
        trained.tokenizer.save_pretrained(str(part))
        shutil.rmtree(folder / MERGED, ignore_errors=True)
        part.rename(folder / MERGED)
        sync_folder(folder)
    return max((float((one - other).abs().max()) for one, other in zip(before, after)), default=None)


def _logits(loaded: Loaded, row: Row) -> Any:
    torch = _stack.module("torch")
    with loaded.asked(hasattr(loaded.model, "disable_adapter")) as model:
        ids = torch.tensor([row.ids[: loaded.context]], device=loaded.device)
        return model(input_ids=ids, use_cache=False).logits.float().cpu()

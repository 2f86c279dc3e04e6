"""What the stages after export leave, as files: a tuned model and an evaluation of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

FINETUNE, EVALUATION = "ktb7x2qpma", "v4wz6n3hcd"
STEPS = 60


def finetune(dataset: Path, *, state: str = "succeeded", name: str = FINETUNE, sha256: str = "", **more: Any) -> Path:
    """A model that was tuned on the dataset's openai-chat export: loss falls from 6.2, accuracy rises."""
    folder = dataset / "finetunes" / name
    folder.mkdir(parents=True)
    lines = []
    for step in range(1, STEPS + 1):
        fall = math.exp(-step / 18)
        line = {"step": step, "epoch": step / 20, "train_loss": 2.9 + 3.3 * fall + 0.12 * math.sin(step * 1.7),
                "train_token_accuracy": 0.44 - 0.4 * fall, "learning_rate": 1e-3,
                "at": f"2026-11-21T08:50:{step % 60:02d}Z"}
        if step % 10 == 0 or step == 1:
            line |= {"validation_loss": 3.1 + 3.1 * fall, "validation_token_accuracy": 0.42 - 0.39 * fall}
        lines.append(line)
    first, last = lines[0], lines[-1]
    told = {
        "id": name, "backend": "lora", "base": "tiny", "state": state, "created": "2026-11-21T08:50:00.000Z",
        "finished": "2026-11-21T08:51:02.000Z" if state == "succeeded" else None,
        "settings": {"rank": 16, "alpha": 32, "epochs": 3, "learning_rate": 0.001, "batch": 8},
        "data": {"train": {"path": "exports/openai-chat/train.jsonl", "sha256": sha256 or "0" * 64, "rows": 170},
                 "validation": {"path": "exports/openai-chat/validation.jsonl", "sha256": "1" * 64, "rows": 19},
                 "rehearsal": True},
        "parameters": {"total": 1_972_608, "trainable": 147_456},
        "metrics": {"steps": STEPS, "first_train_loss": first["train_loss"], "train_loss": last["train_loss"],
                    "first_validation_loss": first["validation_loss"], "validation_loss": last["validation_loss"],
                    "train_token_accuracy": last["train_token_accuracy"],
                    "validation_token_accuracy": last["validation_token_accuracy"]},
        "model": "adapter", "base_digest": "2" * 64, "seconds": 41.7, "problems": [], **more,
    }
    (folder / "finetune.json").write_text(json.dumps(told))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def evaluation(dataset: Path, *, finetune: str = FINETUNE, name: str = EVALUATION, **more: Any) -> Path:
    """A comparison on three held-out prompts."""
    folder = dataset / "evaluations" / name
    folder.mkdir(parents=True)
    keys = ("loss", "stop_rate", "mean_tokens", "mean_bytes", "repetition")
    base, tuned = (5.871, 0.0, 120.0, 401.3, 0.61), (3.207, 0.8, 96.4, 388.0, 0.18)
    told = {
        "id": name, "finetune": finetune, "created": "2026-11-21T08:52:00.000Z",
        "decoding": {"temperature": 0.7, "top_p": 0.95, "max_tokens": 120, "seed": 7}, "prompts": 5,
        "base": dict(zip(keys, base, strict=True)), "tuned": dict(zip(keys, tuned, strict=True)),
        "reference": {"mean_bytes": 1642.0, "repetition": 0.02},
        "intervals": {"base": {"loss": [5.79, 5.96], "stop_rate": [0.0, 0.434], "mean_bytes": [372.0, 431.0]},
                      "tuned": {"loss": [3.11, 3.31], "stop_rate": [0.376, 0.964], "mean_bytes": [300.1, 455.9]}},
        "changes": {
            "loss": {"mean": -2.664, "low": -2.8, "high": -2.5, "rows": 19, "up": 0, "down": 19, "p": 0.0001,
                     "better_is": "lower", "sure": True},
            "stop_rate": {"mean": 0.8, "low": 0.4, "high": 1.0, "rows": 5, "up": 4, "down": 0, "p": 0.125,
                          "better_is": "higher", "sure": False},
            "repetition": {"mean": -0.43, "low": -0.6, "high": -0.2, "rows": 5, "up": 0, "down": 5, "p": 0.0625,
                           "better_is": "lower", "sure": False},
        }, **more,
    }
    (folder / "evaluation.json").write_text(json.dumps(told))
    prompt = "Genre: horror & thriller\nLocation: {}\nPeriod: the 1920s\nModifier: gritty & dark\n\nPLOT OUTLINE:"
    sides = [
        {"sample": f"sample{number}", "prompt": prompt.format(place), "messages": [],
         "reference": f"In {place}, a night clerk finds a ledger with tomorrow's names in it. She reads her own.",
         "base": {"text": "the of and was in the house and the the of it was and the of the " * 4, "tokens": 120,
                  "stopped": False},
         "tuned": {"text": f"In {place}, Ada Finch keeps the night desk of a hotel that nobody remembers building. "
                           "A guest signs in with her name.\n\n"
                           "By morning the ledger has two of her, and only one can leave.",
                   "tokens": 88 + number, "stopped": number != 1}}
        for number, place in enumerate(("England", "Egypt", "Japan"))
    ]
    (folder / "sides.jsonl").write_text("".join(json.dumps(side) + "\n" for side in sides))
    return folder

"""LLaMA-Factory: dataset_info.json and a YAML by which it trains 4-bit LoRA on the exported rows.

`llama-factory: {base: Qwen/Qwen2.5-7B-Instruct, template: qwen}` beside openai-chat, sharegpt or alpaca. Its templates
are its own and have to be named; they are not always the model's (its llama2 lacks the spaces around an answer). Rows
over `cutoff_len` are cut without a word, so it is set to hold the longest. Keys are those of LLaMA-Factory 0.9.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from pipeline.options import Options

from . import Config, Made, refuse_weights, yaml_of

_ROWS: dict[str, dict[str, Any]] = {
    "openai-chat": {
        "formatting": "sharegpt", "columns": {"messages": "messages"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
                 "system_tag": "system"}},
    "sharegpt": {"formatting": "sharegpt", "columns": {"messages": "conversations"}},
    "alpaca": {"formatting": "alpaca", "columns": {"prompt": "instruction", "query": "input", "response": "output"}},
}
_TUNED = {
    "quantization_bit": 4, "quantization_method": "bnb", "stage": "sft", "do_train": True, "finetuning_type": "lora",
    "lora_rank": 16, "lora_alpha": 16, "lora_target": "all", "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 8, "learning_rate": 0.0002, "num_train_epochs": 3, "lr_scheduler_type": "cosine",
    "bf16": True, "logging_steps": 10, "output_dir": "./llama-factory-out",
}


class How(Options):
    """What is tuned, and by which of its templates."""

    base: str = Field(description="the model that is tuned, as Qwen/Qwen2.5-7B-Instruct, or its folder")
    template: str = Field(description="LLaMA-Factory's name of that model's template, as qwen, llama3, gemma")


class LlamaFactory(Config):
    """dataset_info.json and llama-factory.yaml."""

    name = "llama-factory"
    takes = tuple(_ROWS)
    model = How
    example = "llama-factory: {base: Qwen/Qwen2.5-7B-Instruct, template: qwen}"
    how: How

    def files(self, made: Made) -> dict[str, str]:
        """See Config."""
        refuse_weights(made, self.name)
        sides = {"train": made.train, **({"validation": made.validation} if made.validation else {})}
        told = {side: {"file_name": file, **_ROWS[made.format.name]} for side, file in sides.items()}
        asked: dict[str, Any] = {"eval_dataset": "validation", "eval_strategy": "epoch"} if made.validation else {}
        value = {"model_name_or_path": self.how.base, "template": self.how.template, "dataset_dir": ".",
                 "dataset": "train", **asked, "cutoff_len": made.room, **_TUNED}
        head = ("# In this folder: llamafactory-cli train llama-factory.yaml\n"
                f"# The longest row has about {made.longest:,} tokens, by an estimate: cutoff_len leaves room.\n")
        return {"dataset_info.json": json.dumps(told, indent=2, ensure_ascii=False) + "\n",
                "llama-factory.yaml": head + yaml_of(value)}


plugin: type[Config] = LlamaFactory

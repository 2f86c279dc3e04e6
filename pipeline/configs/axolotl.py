"""Axolotl: a YAML by which it trains 4-bit LoRA on the exported rows, and none is cut or dropped in silence.

`axolotl: {base: meta-llama/Llama-3.1-8B-Instruct}` beside openai-chat, sharegpt or alpaca. The sequence length holds
the longest row (axolotl's own is 512, and longer rows are dropped), `excess_length_strategy: raise` stops where it does
not after all, the validation file is ours, and of each conversation the answers are trained with what ends them. Keys
are those of axolotl 0.19.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipeline.options import Options

from . import Config, Made, refuse_weights, yaml_of

_CHAT: dict[str, Any] = {"type": "chat_template", "roles_to_train": ["assistant"], "train_on_eos": "turn"}
_ROWS: dict[str, dict[str, Any]] = {
    "openai-chat": {**_CHAT, "field_messages": "messages",
                    "message_property_mappings": {"role": "role", "content": "content"}},
    "sharegpt": {**_CHAT, "field_messages": "conversations",
                 "message_property_mappings": {"role": "from", "content": "value"}},
    "alpaca": {"type": "alpaca"},
}
_TUNED = {
    "load_in_4bit": True, "adapter": "qlora", "lora_r": 16, "lora_alpha": 16, "lora_dropout": 0.0,
    "lora_target_linear": True, "micro_batch_size": 1, "gradient_accumulation_steps": 8, "num_epochs": 3,
    "learning_rate": 0.0002, "lr_scheduler": "cosine", "optimizer": "adamw_torch", "bf16": "auto",
    "gradient_checkpointing": True, "output_dir": "./axolotl-out",
}
"""QLoRA as our own backend does it: all linear layers, rank 16, 2e-4, batches of 8."""


class How(Options):
    """What is tuned."""

    base: str = Field(description="the model that is tuned, as meta-llama/Llama-3.1-8B-Instruct, or its folder")


class Axolotl(Config):
    """axolotl.yaml."""

    name = "axolotl"
    takes = tuple(_ROWS)
    model = How
    example = "axolotl: {base: meta-llama/Llama-3.1-8B-Instruct}"
    how: How

    def files(self, made: Made) -> dict[str, str]:
        """See Config."""
        refuse_weights(made, self.name)
        rows = {"ds_type": "json", **_ROWS[made.format.name]}
        chat = {} if made.format.name == "alpaca" else {"chat_template": "tokenizer_default"}
        value: dict[str, Any] = {
            "base_model": self.how.base, **chat, "datasets": [{"path": made.train, **rows}]}
        if made.validation is not None:
            value |= {"test_datasets": [{"path": made.validation, "split": "train", **rows}], "evals_per_epoch": 1}
        value |= {"sequence_len": made.room, "excess_length_strategy": "raise", "sample_packing": False, **_TUNED}
        head = ("# In this folder: axolotl preprocess axolotl.yaml --debug   (shows what is trained), then\n"
                "# axolotl train axolotl.yaml\n"
                f"# The longest row has about {made.longest:,} tokens, by an estimate: the length leaves room.\n")
        return {"axolotl.yaml": head + yaml_of(value)}


plugin: type[Config] = Axolotl

"""The configs `axolotl` and `llama-factory`: their keys exist, and they say of the rows what the rows are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.commands import main
from pipeline.configs import Made, open_configs
from pipeline.errors import RecipeError
from pipeline.formats import find
from pipeline.sections import Item

GOLDEN = Path(__file__).parent.parent / "golden" / "configs"
AXOLOTL = {"axolotl": {"base": "meta-llama/Llama-3.1-8B-Instruct"}}
FACTORY = {"llama-factory": {"base": "Qwen/Qwen2.5-7B-Instruct", "template": "qwen"}}

# axolotl-ai-cloud/axolotl, src/axolotl/utils/schemas: config.py, datasets.py, model.py, peft.py, training.py
AXOLOTL_KEYS = {
    "base_model", "chat_template", "datasets", "test_datasets", "sequence_len", "excess_length_strategy",
    "sample_packing", "load_in_4bit", "adapter", "lora_r", "lora_alpha", "lora_dropout", "lora_target_linear",
    "micro_batch_size", "gradient_accumulation_steps", "num_epochs", "learning_rate", "lr_scheduler", "optimizer",
    "bf16", "gradient_checkpointing", "output_dir", "evals_per_epoch",
}
AXOLOTL_ROWS = {"path", "split", "type", "ds_type", "field_messages", "message_property_mappings", "roles_to_train",
                "train_on_eos"}
# hiyouga/LLaMA-Factory, src/llamafactory/hparams, examples/train_qlora/*.yaml, and data/README.md
FACTORY_KEYS = {
    "model_name_or_path", "template", "dataset_dir", "dataset", "eval_dataset", "eval_strategy", "cutoff_len",
    "quantization_bit", "quantization_method", "stage", "do_train", "finetuning_type", "lora_rank", "lora_alpha",
    "lora_target", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate", "num_train_epochs",
    "lr_scheduler_type", "bf16", "logging_steps", "output_dir",
}
FACTORY_ROWS = {"file_name", "formatting", "columns", "tags"}
FACTORY_COLUMNS = {"prompt", "query", "response", "messages"}
FACTORY_TAGS = {"role_tag", "content_tag", "user_tag", "assistant_tag", "system_tag"}


def files(item: dict[str, Any], name: str, validation: str | None = "validation.jsonl", **more: int) -> dict[str, str]:
    plugin = find(name)
    (config,) = open_configs([Item.model_validate(item)], [plugin])
    return config.files(Made(plugin, "train.jsonl", validation, 700, **more))


@pytest.mark.parametrize("name", ["openai-chat", "sharegpt", "alpaca"])
def test_axolotl(name: str) -> None:
    text = files(AXOLOTL, name)["axolotl.yaml"]
    assert text == (GOLDEN / f"axolotl.{name}.yaml").read_text(encoding="utf-8")
    value = yaml.safe_load(text)
    assert value.keys() <= AXOLOTL_KEYS
    for rows in (*value["datasets"], *value["test_datasets"]):
        assert rows.keys() <= AXOLOTL_ROWS
    assert (value["sequence_len"], value["excess_length_strategy"]) == (1280, "raise")
    assert "val_set_size" not in value
    alone = yaml.safe_load(files(AXOLOTL, name, None)["axolotl.yaml"])
    assert not alone.keys() & {"test_datasets", "evals_per_epoch"}


@pytest.mark.parametrize("name", ["openai-chat", "sharegpt", "alpaca"])
def test_llama_factory(name: str) -> None:
    found = files(FACTORY, name)
    for file, text in found.items():
        assert text == (GOLDEN / f"{file}.{name}").read_text(encoding="utf-8")
    value, told = yaml.safe_load(found["llama-factory.yaml"]), json.loads(found["dataset_info.json"])
    assert value.keys() <= FACTORY_KEYS
    assert value["cutoff_len"] == 1280
    assert {value["dataset"], value["eval_dataset"]} == told.keys()
    for rows in told.values():
        assert rows.keys() <= FACTORY_ROWS
        assert rows["columns"].keys() <= FACTORY_COLUMNS
        assert rows.get("tags", {}).keys() <= FACTORY_TAGS


@pytest.mark.parametrize("item", [AXOLOTL, FACTORY])
def test_answers_of_weight_0_are_not_trained_in_silence(item: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="2 rows of openai-chat have some of weight 0"):
        files(item, "openai-chat", weighted=2)


def test_the_columns_are_those_of_the_lines() -> None:
    from pipeline.types import Example

    row = Example([{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}], sample="s1")
    for name in ("openai-chat", "sharegpt"):
        (rows,) = yaml.safe_load(files(AXOLOTL, name, None)["axolotl.yaml"])["datasets"]
        first = find(name).values(row)[rows["field_messages"]][0]
        assert first.keys() == set(rows["message_property_mappings"].values())
    told = json.loads(files(FACTORY, "alpaca", None)["dataset_info.json"])["train"]["columns"]
    assert set(told.values()) == find("alpaca").values(row).keys()


def test_walk(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch,
              capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("stories.jsonl").open("w", encoding="utf-8") as file:
        for line in (shared_data / "seed-tasks" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines():
            task = json.loads(line)
            said = [{"role": "user", "content": task["instruction"]},
                    {"role": "assistant", "content": task["instances"][0]["output"]}]
            file.write(json.dumps({"messages": said}) + "\n")
    words = ["export", "stories.jsonl", "--split", "0.1", "--config", "axolotl: {base: m}", "--config", "ollama"]
    assert main([*words, "--to", "openai-chat", "--to", "llama3"]) == 0
    said = capsys.readouterr().err
    assert "stories-exports/openai-chat/axolotl.yaml" in said
    assert "stories-exports/llama3/Modelfile" in said
    value = yaml.safe_load(Path("stories-exports/openai-chat/axolotl.yaml").read_text(encoding="utf-8"))
    for rows in (*value["datasets"], *value["test_datasets"]):
        assert (Path("stories-exports/openai-chat") / rows["path"]).is_file()
    assert main(["export", "stories.jsonl", "--to", "csv", "--config", "axolotl: {base: m}"]) == 2
    assert "axolotl has no way to read csv" in capsys.readouterr().err
    assert main(["export", "stories.jsonl", "--to", "openai-chat", "--config", "axolotl"]) == 2
    assert "base" in capsys.readouterr().err


def test_a_config_never_describes_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    """It is listed in the manifest, and the next export of the folder takes it away or writes it anew."""
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"Question {number}?", "completion": f"Answer {number}."} for number in range(20)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words, folder = ["export", "rows.jsonl", "--to", "openai-chat"], Path("rows-exports/openai-chat")
    config = ["--config", "axolotl: {base: m}"]
    assert main([*words, "--split", "0.1", *config]) == 0
    (listed,) = json.loads((folder / "manifest.json").read_bytes())["configs"]
    assert listed["name"] == "axolotl.yaml"
    assert main([*words, "--split", "none", *config]) == 0
    assert "validation" not in (folder / "axolotl.yaml").read_text()
    assert "described the files before" not in capsys.readouterr().err
    assert main(words) == 0
    assert "axolotl.yaml described the files before and was taken away" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "manifest.json", "train.jsonl"]
    assert "configs" not in json.loads((folder / "manifest.json").read_bytes())
    assert main([*words, *config]) == 0
    with (folder / "axolotl.yaml").open("a") as file:
        file.write("# mine\n")
    capsys.readouterr()
    assert main(words) == 0
    assert "axolotl.yaml was changed by hand and stays, though" in capsys.readouterr().err
    assert "# mine" in (folder / "axolotl.yaml").read_text()


def test_all_that_a_config_lacks_is_named_at_once() -> None:
    with pytest.raises(RecipeError, match="llama-factory: 'base' and 'template' are missing") as fault:
        open_configs([Item(name="llama-factory")], [find("openai-chat")])
    assert fault.value.hint == "--config 'llama-factory: {base: Qwen/Qwen2.5-7B-Instruct, template: qwen}'"
    with pytest.raises(RecipeError, match="axolotl: 'base' is missing") as fault:
        open_configs([Item(name="axolotl")], [find("openai-chat")])
    assert "axolotl: {base: " in fault.value.hint

"""Loading in 4 bits: the gradients are true whatever was asked before, on every architecture."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from pipeline.local import Decoding, load, named, write
from pipeline.local.load import Loaded, chosen_device, compute_type, packed
from pipeline.local.loss import measure_rows
from pipeline.local.rows import row_of
from tests.local.models import talk

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
ROWS = [talk("the old clock", "struck nine on the stairs"), talk("the grey house", "nobody answered it again")]


def with_adapter(loaded: Loaded) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    return get_peft_model(loaded.model, LoraConfig(
        r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights="gaussian"))


def gradients(loaded: Loaded, model: Any) -> dict[str, Any]:
    """The loss's gradient by parameter of the adapter, after one backward pass in training mode."""
    import torch

    model.train()
    model.zero_grad()
    for messages in ROWS:
        row = row_of(loaded.tokenizer, messages)
        model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([row.labels])).loss.backward()
    return {name: weight.grad.flatten().clone() for name, weight in model.named_parameters() if weight.grad is not None}


def cosines(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    import torch

    assert one.keys() == other.keys()
    return {name: float(torch.nn.functional.cosine_similarity(one[name].double(), other[name].double(), dim=0))
            for name in one if float(one[name].norm()) > 0}


def templated(folder: Path) -> str | None:
    return None if (folder / "chat_template.jinja").is_file() else "plain"


@pytest.mark.parametrize("base", ["llama", "gpt2", "gemma"])
def test_generate_then_train_gives_the_gradients_of_train_alone(base: str, request: pytest.FixtureRequest):
    folder: Path = request.getfixturevalue(base)
    template = templated(folder)
    fresh = load(folder, four_bit=True, device="cpu", chat_template=template)
    truth = gradients(fresh, with_adapter(fresh))

    asked = load(folder, four_bit=True, device="cpu", chat_template=template)
    adapted = asked.with_model(with_adapter(asked))
    assert len(list(write(adapted, [ROWS[0][:1], ROWS[1][:1]], Decoding(max_tokens=8), tuned=True))) == 2
    assert len(list(write(adapted, [ROWS[0][:1]], Decoding(max_tokens=8), tuned=False))) == 1
    measure_rows(adapted, [row_of(asked.tokenizer, each) for each in ROWS], tuned=True)
    assert packed(adapted.model) == []
    found = cosines(truth, gradients(asked, adapted.model))
    layers = sorted({int(part) for name in found for part in name.split(".") if part.isdigit()})
    for layer in (layers[0], layers[-1]):
        near = [value for name, value in found.items() if f".{layer}." in name]
        assert near
        assert min(near) > 1 - 1e-6, f"layer {layer}"
    assert min(found.values()) > 1 - 1e-6


def test_without_the_guard_this_test_would_see_it(llama: Path):
    """The fault is there where the processor has AVX512-BF16; then it packs, and `packed` tells."""
    from bitsandbytes.functional import has_avx512bf16

    if not has_avx512bf16():
        pytest.skip("this processor has no AVX512-BF16, so bitsandbytes packs nothing")
    fresh = load(llama, four_bit=True, device="cpu")
    truth = gradients(fresh, with_adapter(fresh))
    loaded = load(llama, four_bit=True, device="cpu")
    for module in loaded.model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = True
    adapted = loaded.with_model(with_adapter(loaded))
    list(write(adapted, [ROWS[0][:1]], Decoding(max_tokens=4), tuned=True))
    assert packed(adapted.model)
    assert min(cosines(truth, gradients(loaded, adapted.model)).values()) < 0.9


def test_four_bits_are_nf4_with_double_quantisation(llama: Path):
    loaded = load(llama, four_bit=True, device="cpu")
    states = [module.weight.quant_state for module in loaded.model.modules() if hasattr(module, "quant_state")]
    assert len(states) == 14
    assert {state.quant_type for state in states} == {"nf4"}
    assert all(state.nested for state in states)
    assert not load(llama, four_bit=False, device="cpu").model.config.to_dict().get("quantization_config")


def test_conv1d_is_loaded_in_four_bits(gpt2: Path):
    loaded = load(gpt2, four_bit=True, device="cpu", chat_template="plain")
    kinds = {type(module).__name__ for name, module in loaded.model.named_modules() if ".h." in name and "." in name}
    assert "Linear4bit" in kinds
    assert "Conv1D" not in kinds
    assert loaded.notes
    assert "padding and end" in loaded.notes[0]


def test_devices():
    import torch

    assert chosen_device("cpu") == "cpu"
    assert compute_type("cpu") == "float32"
    assert chosen_device(None) == ("cuda:0" if torch.cuda.is_available() else "cpu")
    with pytest.raises(DataError) as caught:
        chosen_device("tpu")
    assert "cpu, cuda" in caught.value.hint
    if not torch.cuda.is_available():
        with pytest.raises(DataError, match="none that torch can use"):
            chosen_device("cuda")


def test_tuned_needs_an_adapter(llama: Path):
    loaded = load(llama, four_bit=False, device="cpu")
    with pytest.raises(DataError, match="no adapter"):
        list(write(loaded, [ROWS[0][:1]], Decoding(max_tokens=2), tuned=True))


def test_an_adapters_folder_names_its_base(llama: Path, tmp_path: Path):
    loaded = load(llama, four_bit=False, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with_adapter(loaded).save_pretrained(tmp_path)
    found = named(str(tmp_path))
    assert (Path(found.base), found.adapter, found.four_bit) == (llama, tmp_path, False)
    (tmp_path / "training.json").write_text('{"base": "tiny", "four_bit": true}')
    assert named(str(tmp_path)) == ("tiny", tmp_path, True)
    assert named("tiny") == ("tiny", None, False)
    (tmp_path / "training.json").unlink()
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(DataError, match="does not say"):
        named(str(tmp_path))


def test_an_adapter_of_another_model_is_one_sentence(llama: Path, gemma: Path, tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with_adapter(load(llama, four_bit=False, device="cpu")).save_pretrained(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"torn")
    with pytest.raises(DataError, match="cannot be loaded"):
        load(llama, adapter=tmp_path, four_bit=False, device="cpu")

"""Loads a model of this machine: in 4 bits or whole, with an adapter or without, ready to be asked and to be tuned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pipeline.errors import DataError, SynthError

from . import _stack
from .bases import RECORD, BaseRefused, base_problems, context_of, folder_of, open_tokenizer
from .rows import stop_ids


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is in memory.

    Attributes:
        model: of transformers, or of peft where there is an adapter.
        tokenizer: of transformers, with the template that it is asked with.
        folder: of the base model.
        notes: what a person should know, as sentences.
        adapter: its folder; None where there is none.
        device: as `cpu` or `cuda:0`.
        compute: the type that it calculates in: bfloat16, float16 or float32.
        stops: ids of the tokens that end an answer.
        context: positions that it knows, prompt and answer together.
    """

    model: Any
    tokenizer: Any
    folder: Path
    notes: tuple[str, ...] = ()
    adapter: Path | None = None
    device: str = "cpu"
    compute: str = "float32"
    stops: tuple[int, ...] = ()
    context: int = 2048

    def with_model(self, model: Any, adapter: Path | None = None) -> Loaded:
        """The same with another model around the base: one that was just given an adapter."""
        return replace(self, model=model, adapter=adapter)

    @contextmanager
    def asked(self, tuned: bool) -> Iterator[Any]:
        """The model for asking: dropout off, no gradients, and the adapter off where `tuned` is False.

        Raises:
            DataError: `tuned` without an adapter.
        """
        torch = _stack.module("torch")
        adapted = hasattr(self.model, "disable_adapter")
        if tuned and not adapted:
            raise DataError(f"{self.folder}: no adapter is loaded with this model")
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), _stack.fitting_threads(self.model):
                if adapted and not tuned:
                    with self.model.disable_adapter():
                        yield self.model
                else:
                    yield self.model
        finally:
            self.model.train(training)


class Named(NamedTuple):
    """A model as someone named it: a base, and an adapter where the name was an adapter's folder."""

    base: str | Path
    adapter: Path | None
    four_bit: bool


def named(name: str, four_bit: bool = False) -> Named:
    """What a name means: `tiny`, a hub name, a model's folder, or an adapter's folder, which names its base.

    Raises:
        DataError: an adapter that does not say what it was tuned from.
    """
    folder = Path(name).expanduser()
    if not (folder / "adapter_config.json").is_file() or (folder / "config.json").is_file():
        return Named(name, None, four_bit)
    record = _json(folder / RECORD)
    base = record.get("base") or _json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not base:
        raise DataError(f"{folder}: this adapter does not say which model it was tuned from",
                        f"write it into {folder / 'adapter_config.json'}: base_model_name_or_path")
    return Named(str(base), folder, bool(record.get("four_bit", four_bit)))


def load(
    base: str | Path, *, adapter: Path | None = None, four_bit: bool, device: str | None = None,
    chat_template: str | None = None,
) -> Loaded:
    """Loads a base model, and an adapter on it.

    Args:
        base: `tiny`, a folder or a name on the hub (from its cache, unless HF_HUB_OFFLINE=0).
        adapter: a folder of PEFT; its tokenizer and template are used.
        four_bit: nf4 with double quantisation, on any device.
        device: `cpu`, `cuda`, `cuda:1`, `mps`; the GPU where there is one if it is None.
        chat_template: a template in place of the base's own.

    Raises:
        MissingExtra: the `local` extra is not installed.
        DataError: the base or the adapter cannot be used, with what to do.
    """
    _stack.require("a model on this machine")
    problems = base_problems(base, chat_template if adapter is None else None)
    for problem in problems:
        if problem.severity == "error" and not (adapter is not None and problem.code == "base-no-template"):
            raise DataError(f"base {problem.where}: {problem.message}", problem.fix)
    folder = folder_of(base)
    device = chosen_device(device)
    compute = compute_type(device)
    try:
        tokenizer = open_tokenizer(adapter if adapter and _has_tokenizer(adapter) else folder,
                                   chat_template if adapter is None else None)
        with _stack.quiet():
            model = _open(folder, four_bit, device, compute)
            if adapter is not None:
                model = _with_adapter(model, adapter)
    except SynthError:
        raise
    except Exception as error:  # whatever damaged files make of the libraries: one sentence
        raise _cannot(base if adapter is None else adapter, device, error) from error
    model.eval()
    notes = tuple(problem.message for problem in problems if problem.severity != "error")
    return Loaded(model, tokenizer, folder, notes, adapter, device, compute, stop_ids(tokenizer, model),
                  context_of(folder))


def _open(folder: Path, four_bit: bool, device: str, compute: str) -> Any:
    torch, transformers = _stack.module("torch"), _stack.module("transformers")
    kind = getattr(torch, compute)
    how = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=kind,
    ) if four_bit else None
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=kind, quantization_config=how, device_map={"": device}, local_files_only=True,
        trust_remote_code=False, use_safetensors=True)
    guard(model)
    return model


def _with_adapter(model: Any, adapter: Path) -> Any:
    kind = _stack.module("peft").PeftModel
    return kind.from_pretrained(model, str(adapter), is_trainable=False, local_files_only=True)


def guard(model: Any) -> None:
    """Keeps bitsandbytes from repacking 4-bit weights on a CPU, which silently ruins every gradient after it.

    On processors with AVX512-BF16, bitsandbytes 0.50 packs a layer's weights at its first forward in eval mode, and
    from then on takes a path without gradients in training too: after "before" samples, the first layer's gradient
    has a cosine of -0.09 with the true one
    while the loss looks the same (measured with 0.50.2 on a 2-core CPU, 2026-11).
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def packed(model: Any) -> list[str]:
    """Names of layers that were repacked for inference all the same; training must not begin with one."""
    found = []
    for name, module in model.named_modules():
        state = getattr(getattr(module, "weight", None), "quant_state", None)
        if getattr(state, "packing_format_for_cpu", False):
            found.append(name)
    return found


def chosen_device(device: str | None) -> str:
    """The device that is meant.

    Raises:
        DataError: an unknown word, or a device that this machine has not.
    """
    torch = _stack.module("torch")
    gpu = torch.cuda.is_available()
    if device is None:
        return "cuda:0" if gpu else "cpu"
    kind, _, number = device.partition(":")
    if kind == "cuda" and gpu and (not number or (number.isdigit() and int(number) < torch.cuda.device_count())):
        return f"cuda:{number or 0}"
    if device == "cpu" or (device == "mps" and torch.backends.mps.is_available()):
        return device
    if kind not in ("cpu", "cuda", "mps"):
        raise DataError(f"device '{device}': unknown", "device is one of cpu, cuda, cuda:1, mps")
    raise DataError(f"device '{device}': this machine has none that torch can use",
                    "leave `device` out: the best one is taken")


def compute_type(device: str) -> str:
    """What to calculate in: bfloat16 on GPUs that have it (NVIDIA from 8.0, Ampere), float16 on older ones.

    With float16 only 80% of 7B runs finished (artidoro/qlora, README), so it is for GPUs without bfloat16 alone.
    A CPU, and Apple's GPU, calculate in float32, the same on every machine.
    """
    if not device.startswith("cuda"):
        return "float32"
    torch = _stack.module("torch")
    return "bfloat16" if torch.cuda.get_device_capability(device)[0] >= 8 else "float16"


def _cannot(what: str | Path, device: str, error: Exception) -> DataError:
    """A sentence for what the libraries say."""
    said = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
    if "out of memory" in str(error).lower():
        return DataError(f"{what}: does not fit into the memory of {device}",
                         "four_bit: true, a smaller base, or device: cpu")
    return DataError(f"{what}: cannot be loaded: {said}",
                     "name another base, or: pip install -U 'synth-pipeline[local]'")


def _has_tokenizer(folder: Path) -> bool:
    return (folder / "tokenizer_config.json").is_file()


def _json(path: Path) -> dict[str, Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


__all__ = ["BaseRefused", "Loaded", "Named", "chosen_device", "compute_type", "guard", "load", "named", "packed"]

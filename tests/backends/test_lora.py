"""The backend lora on small random models: it learns, says how, comes back after a kill, and refuses what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends import TuneProgress
from pipeline.backends._lora_disk import finished, is_full, save_adapter
from pipeline.errors import DataError, MissingExtra
from pipeline.local import Decoding, _stack, load, mean_loss, named
from pipeline.local import write as write_answers
from pipeline.types import Example
from tests.backends.lora_jobs import Heard, job, rows, talk
from tests.local.models import build

pytestmark = [
    pytest.mark.usefixtures("models_apart"),
    pytest.mark.skipif(bool(_stack.missing()), reason="needs the extra `local`"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning",
                               "ignore::ResourceWarning"),
]
WEIGHTS = "adapter/adapter_model.safetensors"


@pytest.fixture(scope="module")
def llama(models_apart: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def done(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Heard, Any]:
    """A whole run: its folder, what was heard, what came of it."""
    folder = tmp_path_factory.mktemp("done")
    backend, todo = job(folder, llama, max_steps=40, validation=rows(6, 100))
    assert [each.code for each in backend.problems(todo)] == ["validation-is-train"]
    held_out = [{"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"is {n} {n}"}]}
                for n in ("one", "two", "six")]
    backend, todo = job(folder, llama, max_steps=40, validation=held_out)
    assert backend.problems(todo) == []
    heard = Heard()
    tuned = backend.run(todo, heard)
    return todo.folder, heard, tuned


@pytest.fixture(scope="module")
def whole(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Heard, bytes]:
    """25 steps without a stop: what was heard, and the adapter's bytes."""
    heard = Heard()
    backend, todo = job(tmp_path_factory.mktemp("whole"), llama, max_steps=25)
    backend.run(todo, heard)
    return heard, (todo.folder / WEIGHTS).read_bytes()


def test_loss_falls_and_the_fall_is_seen_from_step_0(done: tuple[Path, Heard, Any]):
    _, heard, tuned = done
    lines = heard.lines
    assert lines[0]["step"] == 0
    assert {"train_loss", "train_token_accuracy", "validation_loss", "validation_token_accuracy"} <= set(lines[0])
    assert [line["step"] for line in lines] == list(range(41))
    assert all(line["at"] for line in lines)
    assert lines[-1]["train_loss"] < 0.8 * lines[0]["train_loss"]
    assert lines[-1]["validation_loss"] < lines[0]["validation_loss"]
    assert lines[-1]["train_token_accuracy"] > lines[0]["train_token_accuracy"]
    assert "learning_rate" in lines[1]
    looked = [line["step"] for line in lines if "validation_loss" in line]
    assert looked[0] == 0
    assert looked[-1] == 40
    assert len(looked) == 6
    assert tuned.metrics["steps"] == 40
    assert heard[-2].seconds_left == 0


def test_parameters_are_told_before_the_first_step(done: tuple[Path, Heard, Any], llama: Path):
    _, heard, tuned = done
    first = next(place for place, each in enumerate(heard) if each.logged)
    (told,) = [(place, each.parameters) for place, each in enumerate(heard) if each.parameters]
    assert told[0] < first
    whole = load(llama, four_bit=False, device="cpu").model.num_parameters()
    assert told[1].trainable == 8 * sum(one + other for one, other in 2 * (4 * [(64, 64)] + 3 * [(64, 128)]))
    assert told[1].total == whole + told[1].trainable
    assert tuned.parameters == told[1]


def test_what_lies_beside_the_adapter(done: tuple[Path, Heard, Any], llama: Path):
    folder, _, tuned = done
    assert sorted(path.name for path in folder.iterdir()) == ["adapter"]
    assert {path.name for path in (folder / "adapter").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "tokenizer.json",
        "tokenizer_config.json", "training.json"}
    assert (folder / "adapter/chat_template.jinja").read_text() == (llama / "chat_template.jinja").read_text()
    record = json.loads((folder / "adapter/training.json").read_text())
    assert record["base"] == str(llama)
    assert record["four_bit"] is True
    assert record["settings"]["alpha"] == 16
    assert record["rows"]["train"] == 24
    assert record["base_digest"] == tuned.base_digest
    assert set(record["versions"]) == set(_stack.PACKAGES)
    assert named(str(folder / "adapter")).base == str(llama)


def test_the_adapter_reloads_and_before_and_after_differ(done: tuple[Path, Heard, Any], llama: Path):
    folder, heard, _ = done
    loaded = load(llama, adapter=folder / "adapter", four_bit=True, device="cpu")
    prompts = [talk(number)["messages"][:1] for number in range(4)]
    before, after = ([each.text for each in sorted(
        write_answers(loaded, prompts, Decoding(16, temperature=0), tuned=tuned), key=lambda each: each.index)]
        for tuned in (False, True))
    assert before != after
    examples = [Example(each["messages"]) for each in rows(24)]
    assert mean_loss(loaded, examples, tuned=True) < 0.8 * mean_loss(loaded, examples, tuned=False)
    held_out = json.loads((folder.parent / "validation.jsonl").read_text().splitlines()[0])
    own = mean_loss(loaded, [Example(json.loads(line)["messages"]) for line in
                             (folder.parent / "validation.jsonl").read_text().splitlines()], tuned=True)
    assert own == pytest.approx(heard.lines[-1]["validation_loss"], abs=1e-5), held_out


def test_it_is_trained_once(done: tuple[Path, Heard, Any], llama: Path):
    folder, _, tuned = done
    backend, todo = job(folder.parent, llama, max_steps=40)
    heard = Heard()
    assert backend.run(replace(todo, folder=folder), heard) == tuned
    assert not heard


def test_the_same_job_gives_the_same_bytes(llama: Path, tmp_path: Path):
    made = []
    for name in ("one", "other"):
        backend, todo = job(tmp_path / name, llama, max_steps=4, dropout=0.1)
        backend.run(todo, Heard())
        made.append((todo.folder / WEIGHTS).read_bytes())
    assert made[0] == made[1]
    backend, todo = job(tmp_path / "third", llama, max_steps=4, dropout=0.1, seed=8)
    backend.run(todo, Heard())
    assert (todo.folder / WEIGHTS).read_bytes() != made[0]


@pytest.fixture(scope="module")
def killed(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of 25 steps that were killed, after step 9 and after step 24."""
    folder = tmp_path_factory.mktemp("killed")
    words = [sys.executable, "-m", "tests.backends.lora_jobs", str(llama), "25", str(folder), "9", "24"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=Path(__file__).parents[2], check=False)
    assert done.stdout.split() == ["-9", "-9"], done.stderr
    return folder


@pytest.mark.parametrize("last", [9, 24])
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_been(
    llama: Path, whole: tuple[Heard, bytes], killed: Path, last: int
):
    first = [json.loads(line) for line in (killed / str(last) / "heard").read_text().splitlines()]
    assert [line["step"] for line in first] == list(range(last + 1))

    heard = Heard()
    backend, todo = job(killed / str(last), llama, max_steps=25)
    again = backend.run(todo, heard)
    kept = last - last % 3  # a checkpoint each third step; the line of the last step comes before its checkpoint
    kept = kept if last % 3 else kept - 3
    assert [line["step"] for line in heard.lines] == list(range(kept + 1, 26)), "it goes on at the last checkpoint"
    assert again.metrics["steps"] == 25
    timeless = [[{key: value for key, value in line.items() if key != "at"} for line in each.lines]
                for each in (heard, whole[0])]
    assert timeless[0] == timeless[1][kept + 1 :], "the same losses, to the last digit"
    assert (todo.folder / WEIGHTS).read_bytes() == whole[1]
    assert not (killed / str(last) / "ft/checkpoints").exists()


def test_a_full_disk_is_a_sentence_and_the_last_checkpoint_stands(llama: Path, tmp_path: Path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    backend, todo = job(tmp_path, llama, max_steps=20)
    checkpoints = todo.folder / "checkpoints"

    def report(progress: TuneProgress) -> None:
        if progress.logged and progress.logged["step"] == 3:  # a checkpoint each second step: the second one fails
            (checkpoints / "checkpoint-4").mkdir()
            (checkpoints / "checkpoint-4" / "optimizer.pt").symlink_to("/dev/full")

    with pytest.raises(DataError) as caught:
        backend.run(todo, report)
    assert "the disk is full" in caught.value.message
    assert "df -h" in caught.value.hint
    assert (checkpoints / "checkpoint-2" / "whole").is_file()
    assert not (checkpoints / "checkpoint-4" / "whole").exists()
    (checkpoints / "checkpoint-4" / "optimizer.pt").unlink()
    heard = Heard()
    assert backend.run(todo, heard).metrics["steps"] == 20
    assert heard.lines[0]["step"] == 3


def test_every_library_is_understood_when_it_says_that_the_disk_is_full(tmp_path: Path):
    """safetensors is not pointed at /dev/full: it renames a file over its target, and root would lose the device."""
    import torch

    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    class Model:
        def save_pretrained(self, path: str, **_: Any) -> None:
            Path(path).mkdir()
            Path("/dev/full").write_bytes(b"x")

    for write in (lambda: Path("/dev/full").write_bytes(b"x"), lambda: torch.save({"a": torch.ones(9)}, "/dev/full")):
        with pytest.raises(Exception) as caught:
            write()
        assert is_full(caught.value), caught.value
    assert is_full(RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert not is_full(ValueError("no"))
    with pytest.raises(DataError) as refused:
        save_adapter(Model(), None, tmp_path, {})
    assert "the disk is full; the last checkpoint stands" in refused.value.message
    assert finished(tmp_path) is None


def test_killed_between_the_last_step_and_the_adapter_nothing_is_trained_again(llama: Path, tmp_path: Path):
    backend, todo = job(tmp_path, llama, max_steps=3)

    def report(progress: TuneProgress) -> None:
        if progress.state == "saving":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backend.run(todo, report)
    assert not (todo.folder / "adapter").exists()
    heard = Heard()
    assert backend.run(todo, heard).metrics["steps"] == 3
    assert heard.lines == []
    backend, other = job(tmp_path / "other", llama, max_steps=3)
    backend.run(other, Heard())
    assert (todo.folder / WEIGHTS).read_bytes() == (other.folder / WEIGHTS).read_bytes()


def test_a_loss_that_is_no_number_stops_with_a_sentence(llama: Path, tmp_path: Path):
    backend, todo = job(tmp_path, llama, learning_rate=1e35, warmup=0, max_steps=10)
    with pytest.raises(DataError) as caught:
        backend.run(todo, Heard())
    assert "the loss is" in caught.value.message
    assert "learning_rate" in caught.value.hint


def test_nothing_is_said_on_the_terminal(llama: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    backend, todo = job(tmp_path, llama, max_steps=3)
    backend.run(todo, Heard())
    assert capfd.readouterr() == ("", "")


def test_without_its_package_tensorboard_is_a_pip_line(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, name, None)
    backend, todo = job(tmp_path, llama, max_steps=3, report_to="tensorboard")
    with pytest.raises(MissingExtra) as caught:
        backend.run(todo, Heard())
    assert caught.value.hint == "pip install tensorboardX"


def test_tensorboard_where_it_is_wanted(llama: Path, tmp_path: Path):
    pytest.importorskip("tensorboardX")
    backend, todo = job(tmp_path, llama, max_steps=3, report_to="tensorboard")
    backend.run(todo, Heard())
    assert list((todo.folder / "tensorboard").rglob("events.out.tfevents.*"))
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ


@pytest.mark.parametrize(("kind", "options"), [
    ("gpt2", {"template": None, "pad": False}), ("gemma", {}), ("llama", {})])
def test_architectures_learn_in_four_bits(kind: str, options: dict[str, Any], tmp_path: Path):
    """GPT-2 has Conv1D, one token for padding and end, and no template; Gemma scales its embeddings."""
    base = build(tmp_path / "base", kind, **options)
    template = None if kind != "gpt2" else "roles"
    backend, todo = job(tmp_path, base, chat_template=template, max_steps=25)
    heard = Heard()
    backend.run(todo, heard)
    assert heard.lines[-1]["train_loss"] < 0.85 * heard.lines[0]["train_loss"]
    loaded = load(base, adapter=todo.folder / "adapter", four_bit=True, device="cpu")
    (found,) = write_answers(loaded, [talk(0)["messages"][:1]], Decoding(12, temperature=0), tuned=True)
    assert found.tokens
    assert (todo.folder / "adapter/chat_template.jinja").is_file(), "the template that was given lies with the adapter"


def test_merged_it_is_the_same_model(llama: Path, tmp_path: Path):
    backend, todo = job(tmp_path, llama, max_steps=10, merge=True)
    held = [{"messages": [{"role": "user", "content": "say zero"}, {"role": "assistant", "content": "zero"}]}]
    (tmp_path / "held.jsonl").write_text("".join(json.dumps(each) + "\n" for each in held))
    tuned = backend.run(replace(todo, validation=tmp_path / "held.jsonl"), Heard())
    assert 0 <= tuned.metrics["merge_difference"] < 0.01
    whole = load(todo.folder / "merged", four_bit=False, device="cpu")
    assert not hasattr(whole.model.config, "quantization_config")
    adapted = load(llama, adapter=todo.folder / "adapter", four_bit=True, device="cpu")
    examples = [Example(each["messages"]) for each in rows(6)]
    assert mean_loss(whole, examples, tuned=False) == pytest.approx(mean_loss(adapted, examples, tuned=True), abs=1e-3)
    record = json.loads((todo.folder / "adapter/training.json").read_text())
    assert record["metrics"]["merge_difference"] == tuned.metrics["merge_difference"]


def test_without_the_extra_the_pip_line_is_said(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    backend, todo = job(tmp_path, llama)
    monkeypatch.setattr(_stack, "missing", lambda: ["torch"])
    with pytest.raises(MissingExtra) as caught:
        backend.problems(todo)
    assert "pip install 'synth-pipeline[local]'" in caught.value.hint

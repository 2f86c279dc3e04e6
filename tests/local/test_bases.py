"""Base models that cannot be used: each is one sentence and a way on, before a weight is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from pipeline.local import base_digest, base_problems, load
from pipeline.types import Problem


def errors(base: str | Path, template: str | None = None) -> list[Problem]:
    return [problem for problem in base_problems(base, template) if problem.severity == "error"]


@pytest.fixture
def copy(llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama, tmp_path / "base"))


def edit(path: Path, **keys: object) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, **keys}))


def test_a_sound_base_has_no_problem(llama: Path, gemma: Path):
    assert base_problems(llama) == []
    assert base_problems(gemma) == []


CONFIG, WORDS, TEMPLATE = "config.json", "tokenizer_config.json", "chat_template.jinja"


def spoil_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")


def spoil_shards(folder: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(("spoil", "code", "words"), [
    (lambda folder: (folder / CONFIG).unlink(), "base-no-config", "config.json"),
    (lambda folder: (folder / CONFIG).write_text("{"), "base-no-config", "not JSON"),
    (lambda folder: edit(folder / CONFIG, model_type="brandnew"), "base-unknown", "brandnew"),
    (lambda folder: edit(folder / CONFIG, model_type=""), "base-unknown", "no model_type"),
    (lambda folder: edit(folder / CONFIG, model_type="t5"), "base-not-causal", "t5"),
    (lambda folder: edit(folder / CONFIG, auto_map={"AutoModel": "code.X"}), "base-remote-code", "auto_map"),
    (lambda folder: edit(folder / WORDS, auto_map={"AutoTokenizer": "x"}), "base-remote-code", "tokenizer"),
    (lambda folder: edit(folder / CONFIG, quantization_config={"quant_method": "gptq"}), "base-quantised", "gptq"),
    (spoil_pickle, "base-pickle", "pytorch_model.bin"),
    (lambda folder: (folder / "model.safetensors").unlink(), "base-no-weights", "no weights"),
    (spoil_shards, "base-incomplete", "model-00002-of-00002"),
    (lambda folder: (folder / "tokenizer.json").write_text("{}"), "base-tokenizer", "tokenizer"),
    (lambda folder: (folder / TEMPLATE).unlink(), "base-no-template", "chat template"),
    (lambda folder: (folder / TEMPLATE).write_text("{{ messages[-1]['content'] }}"), "base-no-end", "stop"),
])
def test_each_bad_base_is_one_sentence(copy: Path, spoil: Callable[[Path], None], code: str, words: str):
    spoil(copy)
    (problem,) = errors(copy)
    assert problem.code == code
    assert words in problem.message
    assert problem.fix
    with pytest.raises(DataError) as caught:
        load(copy, four_bit=False, device="cpu")
    assert words in caught.value.message
    assert caught.value.hint == problem.fix


def test_an_adapter_is_no_base(tmp_path: Path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (problem,) = errors(tmp_path)
    assert problem.code == "base-is-adapter"


def test_a_base_without_template_can_be_given_one(gpt2: Path):
    (problem,) = errors(gpt2)
    assert "plain" in problem.fix
    assert errors(gpt2, "plain") == []
    (note,) = base_problems(gpt2, "plain")
    assert (note.severity, note.code) == ("note", "base-pad-is-end")


def test_a_template_of_ones_own(gpt2: Path, tmp_path: Path):
    path = tmp_path / "mine.jinja"
    path.write_text("{% for m in messages %}{{ m['content'] }}{{ eos_token }}{% endfor %}")
    assert errors(gpt2, str(path)) == []
    with pytest.raises(DataError, match="No such file"):
        base_problems(gpt2, str(tmp_path / "none.jinja"))
    with pytest.raises(DataError) as caught:
        base_problems(gpt2, "palin")
    assert "did you mean 'plain'?" in caught.value.hint


@pytest.mark.parametrize("name", ["no/such-model", "nosuchmodel"])
def test_a_name_that_is_not_in_the_cache_says_how_to_get_it(name: str):
    (problem,) = errors(name)
    assert problem.code == "base-missing"
    assert f"hf download {name}" in problem.fix
    assert "tiny" in problem.fix


@pytest.mark.parametrize("name", ["./none", "/none/here", "a/b/c", "~/none"])
def test_a_folder_that_is_not_there(name: str):
    (problem,) = errors(name)
    assert (problem.code, problem.message) == ("base-missing", "no such folder")


def test_the_digest_follows_weights_and_config(copy: Path, llama: Path):
    assert base_digest(copy) == base_digest(llama)
    edit(copy / "config.json", rope_theta=5.0)
    assert base_digest(copy) != base_digest(llama)


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for models that one may not have; the model's name is the status."""

    def do_GET(self) -> None:
        gated = "gated" in self.path
        self.send_response(int(self.path.split("code-")[1][:3]))
        word = "GatedRepo" if gated else "RepoNotFound" if "none" in self.path else ""
        if word:
            self.send_header("X-Error-Code", word)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


ASKING = """
import sys
from pipeline.local import base_problems
for name in sys.argv[1:]:
    (problem,) = base_problems(name)
    print(problem.code, problem.message, problem.fix, sep="|")
"""


SHADOWED = """
import sys
sys.path.insert(0, "")
from pipeline.local import _stack
_stack.require("x")
import datasets
print(datasets.__version__)
"""


def python(code: str, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, **how)


def test_what_the_hub_refuses_is_said_in_words(hub: str, tmp_path: Path):
    """In a process of its own: huggingface_hub reads its environment once."""
    names = ["org/gated-code-403", "org/gated-code-401", "org/none-code-401", "org/none-code-404", "org/code-403"]
    env = {**os.environ, "HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    done = python(ASKING, *names, env=env)
    assert done.returncode == 0, done.stderr
    found = [line.split("|") for line in done.stdout.splitlines()]
    assert [each[0] for each in found] == ["base-gated", "base-gated", "base-missing", "base-missing", "base-gated"]
    assert "https://huggingface.co/org/gated-code-403" in found[0][2]
    assert all("hf auth login" in each[2] for each in found)


def test_nothing_is_asked_of_a_hub_by_default(tmp_path: Path):
    """No address at all: were the hub asked, this would be another problem."""
    env = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    env |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    done = python(ASKING, "org/name", env=env)
    assert done.stdout.startswith("base-missing|"), done.stdout + done.stderr
    assert "nothing is fetched unless you say so" in done.stdout


def test_a_folder_named_datasets_does_not_hide_the_library(tmp_path: Path):
    (tmp_path / "datasets").mkdir()
    done = python(SHADOWED, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "datasets" / "__init__.py").write_text("")
    done = python(SHADOWED, cwd=tmp_path)
    assert "hides the library" in done.stderr

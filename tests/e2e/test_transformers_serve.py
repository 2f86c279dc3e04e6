"""A run against a server nobody here wrote: `transformers serve` with a tiny model built on the spot."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

RECIPE = """\
synth: 1
name: noise
axes: {{who: [fox, owl, hen, cat, dog, bee], where: [barn, pond, hill, wood, lane]}}
prompt: {{user: "Tell of a {{{{who}}}} in the {{{{where}}}}.", salt: true}}
train: {{user: "{{{{who}}}}, {{{{where}}}}"}}
generate: {{model: "local:{model}", max_tokens: 40, temperature: 1.0, seed: 5}}
curate: [{{length: {{min: 1, unit: chars}}}}]
export: {{formats: [openai-chat]}}
"""
BUILD = '''
import sys
from pathlib import Path
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
words = Path(sys.argv[2]).read_text()
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "</s>"],
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
tokenizer.train_from_iterator([words], trainer)
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
fast.chat_template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\\\n' }}{% endfor %}assistant:"
torch.manual_seed(1)
model = LlamaForCausalLM(LlamaConfig(vocab_size=len(fast), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                                     num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=512,
                                     bos_token_id=0, eos_token_id=1, pad_token_id=1))
model.save_pretrained(sys.argv[1])
fast.save_pretrained(sys.argv[1])
'''


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(base URL, model) of a running `transformers serve`; the test is skipped, visibly, where it is not installed."""
    command = Path(sys.executable).parent / "transformers"
    missing = [name for name in ("transformers", "torch", "fastapi", "uvicorn") if find_spec(name) is None]
    if missing or not command.exists():
        pytest.skip(f"needs torch and transformers[serving]; missing: {', '.join(missing) or command}")
    home = tmp_path_factory.mktemp("tiny")
    model = home / "model"
    (home / "build.py").write_text(BUILD)
    env = dict(os.environ, OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", HF_HOME=str(home / "hub"),
               HF_HUB_CACHE=str(home / "hub"), HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")
    (home / "hub").mkdir()
    subprocess.run([sys.executable, home / "build.py", model, __file__], env=env, check=True, capture_output=True)
    port = free_port()
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen([command, "serve", str(model), "--host", "127.0.0.1", "--port", str(port),
                                   "--device", "cpu"], env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(port, server, home / "server.log")
        yield f"http://127.0.0.1:{port}/v1", str(model)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers; fails with its own last words where it does not."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"transformers serve did not start: {log.read_text()[-2000:]}")


@pytest.mark.slow
def test_a_run_against_transformers_serve(synth, served: tuple[str, str]) -> None:
    base_url, model = served
    synth.write("noise.yaml", RECIPE.format(model=model))
    synth.write("synth.toml", f'[providers.local]\nbase_url = "{base_url}"\n')
    ran = synth("run", "noise", "--yes", timeout=240)

    samples = synth.rows(synth.dataset("noise") / "samples.jsonl")
    assert len(samples) == 30
    assert not any(s["provenance"].get("rehearsal") for s in samples)
    assert len({s["messages"][-1]["content"] for s in samples}) > 20, "a random model still says different things"
    output = [s["provenance"]["output_tokens"] for s in samples]
    assert all(0 < tokens <= 40 for tokens in output), "max_tokens reached the server"
    (path,) = synth.exported("noise", "openai-chat")
    assert 0 < len(synth.rows(path)) <= 30
    assert "rehears" not in ran.said

    again = synth("run", "noise", "--yes")
    assert "0 new calls" in again.said


@pytest.mark.slow
def test_a_model_that_the_server_does_not_have_is_one_clear_sentence(synth, served: tuple[str, str]) -> None:
    base_url, _ = served
    synth.write("noise.yaml", RECIPE.format(model="no/such-model"))
    synth.write("synth.toml", f'[providers.local]\nbase_url = "{base_url}"\n')
    ran = synth("generate", "noise", "--yes", code=None)
    assert ran.code in (3, 5)
    assert "no/such-model" in ran.said

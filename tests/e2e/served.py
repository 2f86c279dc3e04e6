"""`transformers serve`, which nobody here wrote, with tiny models built on the spot."""

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
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

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
fast.chat_template = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] + ':' + m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}")
torch.manual_seed(1)
model = LlamaForCausalLM(LlamaConfig(vocab_size=len(fast), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                                     num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=512,
                                     bos_token_id=0, eos_token_id=1, pad_token_id=1))
model.save_pretrained(sys.argv[1])
fast.save_pretrained(sys.argv[1])
'''



def environment(home: Path) -> dict[str, str]:
    """Of a program that loads models: no hub, one thread, its cache in a folder that exists."""
    (home / "hub").mkdir(parents=True, exist_ok=True)
    return dict(os.environ, OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", HF_HOME=str(home / "hub"),
                HF_HUB_CACHE=str(home / "hub"), HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")


def build(home: Path) -> Path:
    """A tiny model with random weights; the test is skipped, visibly, where it could not be served."""
    missing = [name for name in ("transformers", "torch", "fastapi", "uvicorn") if find_spec(name) is None]
    if missing or not program().exists():
        pytest.skip(f"needs torch and transformers[serving]; missing: {', '.join(missing) or program()}")
    (home / "build.py").write_text(BUILD)
    subprocess.run([sys.executable, home / "build.py", home / "model", __file__], env=environment(home), check=True,
                   capture_output=True)
    return home / "model"


def program() -> Path:
    """Beside this Python."""
    return Path(sys.executable).parent / "transformers"


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """The base URL of a running server, which serves any model whose folder a request names."""
    port = free_port()
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen([program(), "serve", "--host", "127.0.0.1", "--port", str(port),
                                   "--device", "cpu"], env=environment(home), stdout=log, stderr=log,
                                  start_new_session=True)
    try:
        wait_for(port, server, home / "server.log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


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

"""The base model `tiny`: a small Llama and its tokenizer, built on the spot from plain text of ours.

It is no language model that anyone would use. It exists so that the whole road (load in 4 bits, tune, compare, report)
can be walked with no hub, no key and no GPU, on the code that a real model goes through, and so that what it says
before and after is words and not noise.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.digest import digest, digest_bytes
from pipeline.errors import DataError
from pipeline.store.files import refusal, sync_folder

from . import _stack

NAME = "tiny"
PROSE = Path(__file__).with_name("prose.txt")
PAD, BEGIN, END, SYSTEM, USER, ASSISTANT = range(6)
"""Token ids: the places in SPECIAL."""
BREAK = "\n\n"
SPECIAL = ("<pad>", "<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
  {%- if message['role'] not in ['system', 'user', 'assistant'] -%}
    {{- raise_exception('the roles are system, user and assistant') -}}
  {%- endif -%}
  {{- '<|' + message['role'] + '|>' -}}
  {%- if message['role'] == 'assistant' -%}
    {%- generation -%}{{- message['content'] + eos_token -}}{%- endgeneration -%}
  {%- else -%}
    {{- message['content'] + eos_token -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"""


class Shape(NamedTuple):
    """How large it is and how long it is trained: what was found to write words in the least time.

    Attributes:
        context: positions, prompt and answer together.
        init: standard deviation of the first weights. 0.06, for so narrow a model, learns in half the steps of Llama's
            usual 0.02 (measured).
        steps: of `rows` exchanges each.
        rate: peak learning rate of AdamW, after `warmup` steps, falling to a twentieth.
        strange: share of exchanges whose prompt is tokens at random, so that a prompt unlike any in the text is
            answered in words all the same. With 0 every other answer is a fragment (measured).
        joined: paragraphs of such an answer at most, so that later positions are known too.
    """

    vocabulary: int = 2000
    hidden: int = 64
    inner: int = 192
    layers: int = 2
    heads: int = 4
    context: int = 4096
    init: float = 0.06
    steps: int = 340
    rows: int = 3
    rate: float = 6e-3
    warmup: int = 20
    strange: float = 0.8
    joined: int = 3
    seed: int = 20


def tiny_base(folder: Path) -> Path:
    """The folder of the tiny base model, which is built there if it is not there yet.

    Built by one thread, so that the same inputs give the same bytes on the same kind of machine.

    Args:
        folder: a cache; what is built is named by the digest of all that it is built from.

    Returns:
        A folder that transformers opens: safetensors, tokenizer, chat template, generation config.

    Raises:
        MissingExtra: the `local` extra is not installed.
        DataError: the cache cannot be written.
    """
    target = folder / f"{NAME}-{_name(Shape())}"
    if (target / "config.json").is_file():
        return target
    _stack.require("the base model 'tiny'")
    part = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=folder))
        with _stack.quiet():
            build(part, PROSE.read_text(encoding="utf-8"), Shape())
        part.chmod(0o755)  # a temporary folder is its owner's alone; a cache may be shared
        with suppress(OSError):  # somebody else was faster: theirs is as good
            part.rename(target)
            sync_folder(folder)
    except OSError as error:
        raise refusal(folder, error) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    if not (target / "config.json").is_file():
        raise DataError(f"{target}: the tiny base model could not be put there", f"ls -ld {folder} {target}")
    return target


def _name(shape: Shape) -> str:
    """Digest of everything that the model is built from."""
    return digest(digest_bytes(PROSE.read_bytes()), list(SPECIAL), TEMPLATE, list(shape))[:10]


def build(target: Path, prose: str, shape: Shape) -> None:
    """Trains tokenizer and model from a text and saves them in a folder; takes seconds."""
    torch = _stack.module("torch")
    tokenizer = tokenizer_of(prose, shape)
    with _stack.threads(1), torch.random.fork_rng(devices=[]):
        model = _model(shape)
        _train(model, _Text(tokenizer, prose, shape), shape)
    model.generation_config.update(pad_token_id=PAD, bos_token_id=BEGIN, eos_token_id=END)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def tokenizer_of(prose: str, shape: Shape) -> Any:
    """A byte-level BPE of the text: any text can be said with it, and comes back as it was."""
    kit, transformers = _stack.module("tokenizers"), _stack.module("transformers")
    inner = kit.Tokenizer(kit.models.BPE())
    inner.pre_tokenizer = kit.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = kit.decoders.ByteLevel()
    inner.train_from_iterator([prose], kit.trainers.BpeTrainer(
        vocab_size=shape.vocabulary, special_tokens=list(SPECIAL), show_progress=False,
        initial_alphabet=kit.pre_tokenizers.ByteLevel.alphabet()))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=SPECIAL[PAD], bos_token=SPECIAL[BEGIN], eos_token=SPECIAL[END],
        extra_special_tokens=list(SPECIAL[SYSTEM:]), chat_template=TEMPLATE, model_max_length=shape.context,
        clean_up_tokenization_spaces=False)


class _Text:
    """A text as exchanges to train on: token ids, and labels with -100 where nothing is to be learned."""

    def __init__(self, tokenizer: Any, prose: str, shape: Shape) -> None:
        torch = _stack.module("torch")
        self._shape = shape
        self._dice = torch.Generator().manual_seed(shape.seed)
        self._between: list[int] = tokenizer(BREAK, add_special_tokens=False)["input_ids"]
        self._paragraphs: list[tuple[list[int], list[int], list[int]]] = []
        for paragraph in prose.strip().split(BREAK):
            first, stop, rest = paragraph.partition(". ")
            parts = (first + stop.strip(), rest, paragraph) if rest else ("Go on.", paragraph, paragraph)
            begin, after, whole = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in parts)
            self._paragraphs.append((begin, after, whole))

    def batches(self) -> Iterator[tuple[Any, Any]]:
        """Ids and labels of (rows, longest) tokens, without end, in an order that the seed decides."""
        torch = _stack.module("torch")
        order: list[int] = []
        while True:
            while len(order) < self._shape.rows:
                order += torch.randperm(len(self._paragraphs), generator=self._dice).tolist()
            rows = [self._row(index) for index in order[: self._shape.rows]]
            order = order[self._shape.rows :]
            width = max(len(ids) for ids, _ in rows)
            yield (torch.tensor([ids + [PAD] * (width - len(ids)) for ids, _ in rows]),
                   torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in rows]))

    def _row(self, index: int) -> tuple[list[int], list[int]]:
        """The first sentence and what follows it; or words at random and the whole paragraph."""
        torch = _stack.module("torch")
        begin, after, whole = self._paragraphs[index]
        strange = bool(torch.rand((), generator=self._dice) < self._shape.strange)
        if strange:
            more = int(torch.randint(0, self._shape.joined, (), generator=self._dice))
            for _, _, next_one in self._paragraphs[index + 1 : index + 1 + more]:
                whole = [*whole, *self._between, *next_one]
            length = int(torch.randint(3, 45, (), generator=self._dice))
            begin = torch.randint(len(SPECIAL), self._shape.vocabulary, (length,), generator=self._dice).tolist()
        asked, said = [BEGIN, USER, *begin, END, ASSISTANT], [*(whole if strange else after), END]
        return asked + said, ([-100] * len(asked) if strange else asked) + said


def _model(shape: Shape) -> Any:
    torch = _stack.module("torch")
    transformers = _stack.module("transformers")
    torch.manual_seed(shape.seed)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.hidden, intermediate_size=shape.inner,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context, initializer_range=shape.init, tie_word_embeddings=True,
        pad_token_id=PAD, bos_token_id=BEGIN, eos_token_id=END))


def _train(model: Any, text: _Text, shape: Shape) -> None:
    """Trains all parameters."""
    torch = _stack.module("torch")
    optimizer = torch.optim.AdamW(model.parameters(), lr=shape.rate, betas=(0.9, 0.98), weight_decay=0.01)
    model.train()
    for step, (ids, labels) in zip(range(shape.steps), text.batches()):
        for group in optimizer.param_groups:
            group["lr"] = shape.rate * min(1.0, (step + 1) / shape.warmup) * (1 - 0.95 * step / shape.steps)
        model(input_ids=ids, attention_mask=ids.ne(PAD).long(), labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    model.eval()

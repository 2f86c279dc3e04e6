"""Ollama: a Modelfile that asks a tuned model in the very form in which it was trained, and stops where it learned to.

Beside any format of rendered text (llama2, llama3, gemma, mistral, chatml, qwen, phi3, ...). `FROM` is the tuned model:
a GGUF file, or a folder of merged safetensors. TEMPLATE is read off the format itself, so that what Ollama sends is the
prompt that was proven; less the begin token, which Ollama's tokenizer writes. Texts are sent as they come: Go templates
cannot strip them, as some models' own templates do. A chat begins with a system text or a user.
"""

from __future__ import annotations

from pydantic import Field

from pipeline.formats import Format
from pipeline.formats._text import TextFormat
from pipeline.formats._turns import Turn
from pipeline.options import Options

from . import Config, Made

_MARKS = ("\ue000", "\ue001", "\ue002")
"""Texts that stand for messages while a format is asked for what it writes around them."""
_ENDS: dict[str, tuple[str, ...]] = {
    "phi3": ("<|endoftext|>",), "gemma": ("<eos>",), "qwen": ("<|endoftext|>",), "llama3": ("<|end_of_text|>",),
}
"""What else these models end in, beside the token behind an answer."""


class How(Options):
    """What is served."""

    model: str = Field("./model.gguf", description="the tuned model: a GGUF file, or a folder of merged safetensors")


class Ollama(Config):
    """Modelfile."""

    name = "ollama"
    takes = ("llama3", "chatml", "gemma", "mistral")
    model = How
    how: How

    def fits(self, format: Format) -> bool:  # noqa: A002 - as Config's
        """See Config: whatever renders text, those in `takes` and others."""
        return isinstance(format, TextFormat)

    def files(self, made: Made) -> dict[str, str]:
        """See Config."""
        text = made.format
        assert isinstance(text, TextFormat)
        stops = "".join(f'PARAMETER stop "{stop}"\n' for stop in (text.kind.stop, *_ENDS.get(text.family, ())))
        return {"Modelfile": f"# ollama create NAME -f Modelfile\nFROM {self.how.model}\n\n"
                             f'TEMPLATE """{go_template(text)}"""\n\n{stops}PARAMETER num_ctx {made.room}\n'}


def go_template(text: TextFormat) -> str:
    """What a format writes around the messages of a prompt, as a template of Go.

    Args:
        text: with its options.

    Returns:
        Without the begin token at its head: the tokenizer writes that.
    """
    system, user, answer = _MARKS
    talk = text.render([Turn("user", user), Turn("assistant", answer), Turn("user", user)], prompt=True)
    first, between, again, last = _around(talk, user, answer, user)
    told = text.render([Turn("system", system), Turn("user", user)], prompt=True)
    opens, behind, _ = _around(told, system, user)
    begin = text.kind.begin
    first, opens = first.removeprefix(begin), opens.removeprefix(begin)
    asked = f"{{{{ if eq $i 0 }}}}{first}{{{{ else if eq $i 1 }}}}{behind}{{{{ else }}}}{again}{{{{ end }}}}"
    return (f'{{{{ range $i, $_ := .Messages }}}}{{{{ if eq .Role "system" }}}}{opens}{{{{ .Content }}}}'
            f'{{{{ else if eq .Role "user" }}}}{asked}{{{{ .Content }}}}'
            f"{{{{ else }}}}{between}{{{{ .Content }}}}{{{{ end }}}}{{{{ end }}}}{last}")


def _around(text: str, *marks: str) -> list[str]:
    """What stands before, between and behind marks, which stand in a text in this order."""
    parts = []
    for mark in marks:
        part, _, text = text.partition(mark)
        parts.append(part)
    return [*parts, text]


plugin: type[Config] = Ollama

"""Llama-2 chat text a line: {"text": "<s>[INST] question [/INST] answer </s>"}.

Byte for byte what the template of meta-llama/Llama-2-*-chat-hf and Meta's reference code make: BOS and
EOS around every exchange, a space before EOS, the system text in <<SYS>> marks within the first user
turn. Both change the text: user and assistant turns are stripped at both ends (of the first user turn
behind a system text only the end, since it is stripped together with it), the system text never is.
Refused: Meta's SPECIAL_TAGS and the tokenizer's special tokens in a content, empty turns, roles out of
turn. BOS is in the text: tokenise it with add_special_tokens=False, or the model sees two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import Format, FormatRefusal
from ._text import TextFormat
from ._turns import Turn

_SYSTEM, _END_SYSTEM = "<<SYS>>\n", "\n<</SYS>>\n\n"
_OPEN, _MIDDLE, _CLOSE = "<s>[INST] ", " [/INST]", " </s>"


class Llama2(TextFormat):
    """`[INST]` exchanges with BOS and EOS around each."""

    name = "llama2"
    rank = 60
    family = "llama2"

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        """See TextFormat."""
        system, text = "", []
        for turn in conversation:
            if turn.role == "system":
                system = f"{_SYSTEM}{turn.text}{_END_SYSTEM}"
            elif turn.role == "user":
                text.append(f"{_OPEN}{(system + turn.text).strip()}{_MIDDLE}")
                system = ""
            else:
                text.append(f" {turn.text.strip()}{_CLOSE}")
        return "".join(text)

    def parse(self, text: str) -> list[Turn]:
        """See TextFormat."""
        conversation: list[Turn] = []
        number = 0
        for exchange in text.split(_CLOSE):
            number += 1
            if not exchange and conversation:
                return conversation  # behind the last EOS
            user, found, answer = exchange.partition(f"{_MIDDLE} ")
            if not (found and user.startswith(_OPEN)):
                break
            user = user.removeprefix(_OPEN)
            if not conversation and user.startswith(_SYSTEM) and _END_SYSTEM in user:
                system, _, user = user.removeprefix(_SYSTEM).partition(_END_SYSTEM)
                conversation.append(Turn("system", system))
            conversation += [Turn("user", user), Turn("assistant", answer)]
        raise FormatRefusal("not-llama2", f"exchange {number} is not '<s>[INST] ... [/INST] ... </s>'",
                            "write it as the Llama-2 template does: spaces and </s> are part of it")

    def leaves(self, conversation: list[Turn]) -> list[Turn]:
        """See TextFormat."""
        left: list[Turn] = []
        for turn in conversation:
            text = turn.text
            if turn.role == "user":
                text = text.rstrip() if left and left[-1].role == "system" else text.strip()
            elif turn.role == "assistant":
                text = text.strip()
            left.append(Turn(turn.role, text))
        return left

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        text = values.get("text")
        return isinstance(text, str) and text.lstrip().startswith(("<s>", "[INST]")) and "[/INST]" in text


plugin: type[Format] = Llama2

"""Chat templates that can be given to a base model that has none: two of ours, or a file."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import DataError, did_you_mean

PLAIN = """\
{%- if bos_token and bos_token != eos_token -%}{{- bos_token -}}{%- endif -%}
{%- for message in messages -%}
  {%- if message['role'] == 'assistant' -%}
    {%- generation -%}{{- message['content'] + eos_token -}}{%- endgeneration -%}
  {%- else -%}
    {{- message['content'] -}}
  {%- endif -%}
{%- endfor -%}"""

ROLES = """\
{%- if bos_token and bos_token != eos_token -%}{{- bos_token -}}{%- endif -%}
{%- for message in messages -%}
  {%- if message['role'] == 'assistant' -%}
    {{- 'Assistant:' -}}{%- generation -%}{{- ' ' + message['content'] + eos_token -}}{%- endgeneration -%}
  {%- else -%}
    {{- message['role'] | capitalize + ': ' + message['content'] + '\\n\\n' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}"""

BUILT_IN = {"plain": PLAIN, "roles": ROLES}
"""plain: texts one after the other, as `Quote by AUTHOR:` and the quote. roles: a line `User:` or `Assistant:` before
each. Both end every answer with the tokenizer's end token and use no token that a base does not have."""


def template_of(name: str) -> str:
    """The text of a template: one of BUILT_IN, or a file that ends in .jinja or .j2.

    Raises:
        DataError: it is neither, or cannot be read.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    path = Path(name).expanduser()
    if path.suffix not in (".jinja", ".j2"):
        raise DataError(f"chat_template '{name}': neither of ours nor a .jinja file", did_you_mean(name, BUILT_IN))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise DataError(f"chat_template {path}: {reason}", f"ls -l {path}") from None

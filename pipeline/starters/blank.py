"""The twelve-line recipe, with a comment where something is not said by its name."""

from __future__ import annotations

from pathlib import Path

from pipeline._yaml import flow

from ._new import free_name, write_new

BLANK = """\
# A recipe says what the rows are. Change anything and run it again: only what is new is asked for.
#   synth plan @ --explain    every default, with its reason
#   synth run @               generate, curate, export
synth: 1
name: @
axes:                                         # one row for each combination of values
  topic: [baking bread, the night sky, first aid, growing tomatoes]
  reader: [a child, a beginner, an expert]
  form: [a short story, a list of tips, a letter]
sample: {rows: 24}                            # of the 36 combinations
prompt: "Write {{form}} about {{topic}} for {{reader}}. At most 150 words."        # asked of the writer
train: {user: "{{topic}}: {{form}} for {{reader}}", assistant: "{{answer}}"}       # seen by the tuned model
generate: {max_tokens: 400}                   # no model named: a rehearsal, offline; as model: openai:gpt-4.1-mini
curate: [finish_reason, refusal, exact_duplicate, length: {min: 20, unit: words}]
export: {formats: [openai-chat], validation: 0.1}
"""
"""Twelve lines beside its comments; @ is the name. It runs as it stands, offline, through export."""


def write_blank(name: str, cwd: Path) -> Path:
    """Writes NAME.yaml.

    Raises:
        RecipeError: not a name.
        DataError: a recipe of this name is there; nothing was written.
    """
    text = BLANK.replace("name: @", f"name: {flow(name)}").replace("@", name)
    return write_new(cwd / f"{free_name(name, cwd)}.yaml", text)

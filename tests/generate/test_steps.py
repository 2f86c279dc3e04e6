"""Premise, outline, plot: each step is cached and paid by itself, with a model and parameters of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.digest import digest
from pipeline.errors import YieldError
from tests.engine.scripted import no
from tests.generate.folder import RECIPE, Folder

STEPS = RECIPE.replace('prompt: {user: "A tale of a {{hero}} in {{place}}."}', """\
steps:
  - {name: premise, user: "PREMISE of a {{hero}} in {{place}}."}
  - {name: outline, user: "OUTLINE of: {{premise}}", model: "scripted:big", temperature: 0.3}
  - {name: answer, user: "PLOT of {{premise}} by {{outline}}", max_tokens: 50}
""").replace("max_tokens: 100}", "max_tokens: 100, floor: 0}")


@pytest.fixture
def plots(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path, STEPS)
    folder.says = lambda prompt, turn: f"<{prompt.split()[0].lower()} {digest(prompt)}>"
    return folder


def kinds(folder: Folder) -> Counter[str]:
    found: Counter[str] = Counter()
    for prompt, count in folder.prompts.items():
        found[prompt.split()[0]] += count
    return found


def test_an_edit_of_a_step_pays_for_it_and_for_what_follows(plots: Folder) -> None:
    plots.run()
    assert kinds(plots) == {"PREMISE": 12, "OUTLINE": 12, "PLOT": 12}
    row = plots.rows()[0]
    assert set(row.fields) == {"premise", "outline"}
    assert [ref.role for ref in row.calls] == ["step:premise", "step:outline", "step:answer"]
    plots.prompts.clear()
    plots.edit("PLOT of {{premise}}", "PLOT anew of {{premise}}")
    assert plots.plan().new_calls == 12
    plots.run()
    assert kinds(plots) == {"PLOT": 12}
    plots.prompts.clear()
    plots.edit("OUTLINE of:", "OUTLINE again of:")
    plots.run()
    assert kinds(plots) == {"OUTLINE": 12, "PLOT": 12}
    assert len(plots.standing()) == 12


def test_model_and_parameters_of_a_step(plots: Folder) -> None:
    bodies: list[dict[str, object]] = []
    script = plots.provider.script
    plots.provider.script = lambda asked, turn: bodies.append(asked.body) or script(asked, turn)
    plots.run(rows=1)
    assert [(b["model"], b["max_tokens"], b.get("temperature")) for b in bodies] == [
        ("m", 100, None), ("big", 100, 0.3), ("m", 50, None)]
    plots.edit("scripted:big", "scripted:bigger")
    bodies.clear()
    plots.run(rows=1)
    assert [b["model"] for b in bodies] == ["bigger"], "its answer is the same, and so is the question that follows"


def test_a_middle_step_that_fails_leaves_the_earlier_ones_paid(plots: Folder) -> None:
    says = plots.says
    plots.says = lambda prompt, turn: no("content_filter") if prompt.startswith("OUTLINE") else says(prompt, turn)
    with pytest.raises(YieldError):
        plots.run()
    assert kinds(plots) == {"PREMISE": 12, "OUTLINE": 12}
    plots.prompts.clear()
    plots.says = says
    plots.run(retry=())
    assert kinds(plots) == {"OUTLINE": 12, "PLOT": 12}
    assert len(plots.rows()) == 12


SERVED = """\
synth: 1
name: plots
axes: {hero: [baker, pilot, nurse, judge]}
steps:
  - {name: premise, user: "A premise of a {{hero}}."}
  - {name: answer, user: "A plot of: {{premise}}", model: "openai:story-large"}
train: {user: "{{hero}}"}
generate: {model: "openai:story-small", max_tokens: 400}
"""


def test_by_the_servers_own_ledger(workdir: Path, openai_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    server = openai_server()
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    path = workdir / "plots.yaml"
    path.write_text(SERVED)
    assert main(["generate", "plots", "--yes"]) == 0
    assert Counter(event["model"] for event in server.received()) == {"story-small": 4, "story-large": 4}
    path.write_text(SERVED.replace("A plot of", "A long plot of"))
    assert main(["generate", "plots", "--yes"]) == 0
    assert Counter(event["model"] for event in server.received()) == {"story-small": 4, "story-large": 8}
    assert set(server.paid().values()) == {1}

"""A run against a server nobody here wrote: `transformers serve` with a tiny model built on the spot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.served import tiny

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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(base URL, model) of a running `transformers serve`."""
    with tiny(tmp_path_factory.mktemp("tiny")) as found:
        yield found


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

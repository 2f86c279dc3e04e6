"""The stage: which export it takes, what it refuses, how a run is found, resumed and tried again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends import Backend, Bill, Job, Options, Parameters, Report, Tuned, TuneProgress
from pipeline.engine import Asker, Limits, Progress
from pipeline.errors import CapReached, DataError, ProviderError, RecipeError
from pipeline.export import Options as ExportOptions
from pipeline.export import export
from pipeline.finetune import How, Plan, cancel, find, finetune, jobs, plan_of, spent_usd
from pipeline.finetune.plan import _within
from pipeline.providers.rehearsal import Rehearsal
from pipeline.recipe import Recipe, parse_recipe
from pipeline.run import plan_tuning, tune
from pipeline.sections import Finetune as Section
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.store.finetunes import finetunes, metrics, read
from pipeline.types import Problem, Sample
from tests.servers import Server

Start = Callable[..., Server]
BASE = "gpt-4.1-mini-2025-04-14"
RECIPE = """synth: 1
name: plots
seed: 7
axes:
  genre: [comedy, crime]
prompt: "{{genre}}"
train: {user: "{{genre}}"}
export: {formats: [openai-chat], validation: 0.2}
finetune:
  backend: openai
  base: gpt-4.1-mini-2025-04-14
  n_epochs: 3
"""
ENV = {"OPENAI_API_KEY": "sk-very-secret-key-0123456789"}


def samples(count: int, *, rehearsal: bool = False) -> Iterator[Sample]:
    for number in range(count):
        yield Sample(
            id=f"row{number:04d}", cell={"genre": f"genre {number}"}, provenance={"rehearsal": rehearsal},
            messages=[{"role": "user", "content": f"Genre {number}?"},
                      {"role": "assistant", "content": f"A plot about {number}."}])


def made(folder: Path, count: int = 20, *, rehearsal: bool = False, validation: float = 0.2) -> Dataset:
    dataset = Dataset.create(folder / "plots")
    with dataset.sample_writer() as writer:
        for sample in samples(count, rehearsal=rehearsal):
            writer.add(sample)
    export(dataset, ExportOptions(formats=("openai-chat",), validation=validation))
    return dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Dataset]:
    with made(tmp_path) as found:
        yield found


def recipe(text: str = RECIPE) -> Recipe:
    return parse_recipe(text, Path("plots.yaml"))


def settings(server: Server | None = None, **given: Any) -> Settings:
    where = server.base_url if server else "http://127.0.0.1:9/v1"
    return Settings(**{"base_url": where, "timeout_s": 2.0, "retries": 1, **given})


def planned(dataset: Dataset, server: Server | None = None, how: How | None = None, text: str = RECIPE,
            **given: Any) -> Plan:
    return plan_tuning(recipe(text), dataset, settings(server, **given), ENV, how)


class Steady(Backend[Options]):
    """A backend of a few lines: three steps, a parameter count, whatever it is told to break on."""

    def __init__(self, breaks: BaseException | None = None, tuned: Tuned | None = None) -> None:
        super().__init__("steady", Settings(), {})
        self.breaks, self.tuned, self.jobs = breaks, tuned, list[Job[Options]]()

    def problems(self, job: Job[Options]) -> list[Problem]:
        return []

    def run(self, job: Job[Options], report: Report) -> Tuned:
        self.jobs.append(job)
        report(TuneProgress("loading", parameters=Parameters(1000, 10)))
        for step in (1, 2, 3):
            if step == 3 and self.breaks is not None:
                raise self.breaks
            loss = 3.0 / step
            report(TuneProgress("running", step=step, steps=3, train_loss=loss,
                                logged={"step": step, "train_loss": loss, "validation_loss": loss + 0.5}))
        return self.tuned or Tuned("succeeded", "adapter", base_digest="b" * 26, metrics={"steps": 3})


def local(dataset: Dataset, server: Server, **rest: Any) -> Plan:
    """A plan whose backend works here."""
    return replace(planned(dataset, server), backend=Steady(**rest))


def test_the_whole_road(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server(tune={"pace_s": 0.01})
    told: list[TuneProgress] = []
    plan = planned(dataset, server)
    assert plan.state == "new"
    assert not plan.job.folder.exists()
    assert plan.bill is not None
    done = tune(plan, told.append)
    done.require_model()
    record = done.record
    value = json.loads((done.folder / "finetune.json").read_bytes())
    assert list(value)[:14] == [
        "id", "backend", "base", "state", "created", "finished", "settings", "data", "parameters", "metrics", "model",
        "base_digest", "seconds", "problems"]
    assert done.folder == dataset.path / "finetunes" / record.id
    assert len(record.id) == 10
    assert (record.state, record.backend, record.base) == ("succeeded", "openai", BASE)
    assert record.model == f"ft:{BASE}:loopback:plots:0001"
    assert record.settings == {"seed": 7, "n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": "auto",
                               "suffix": None}
    assert record.data["train"]["path"] == "exports/openai-chat/train.jsonl"
    assert (record.data["train"]["rows"], record.data["validation"]["rows"]) == (16, 4)
    assert record.cost_usd == pytest.approx(5768 * 5 / 1e6)
    assert record.metrics["steps"] == 30
    assert record.metrics["first_train_loss"] > record.metrics["train_loss"]
    assert len(metrics(done.folder)) == 30
    assert all("at" in line for line in metrics(done.folder))
    assert record.problems == []
    assert record.seconds > 0
    assert (done.folder / "recipe.yaml").read_text() == RECIPE
    assert spent_usd(dataset) == record.cost_usd
    assert ENV["OPENAI_API_KEY"] not in "".join(
        path.read_text() for path in dataset.path.rglob("*") if path.is_file() and path.suffix in (".json", ".jsonl"))
    again = planned(dataset, server)
    assert again.state == "found"
    assert tune(again).found
    assert len(server.made("job")) == 1


def test_again_repeats_beside(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server(tune={"pace_s": 0.01, "steps": 3})
    first = tune(planned(dataset, server))
    second = tune(planned(dataset, server, How(again=True)))
    third = tune(planned(dataset, server, How(again=True)))
    assert [each.record.id for each in (second, third)] == [f"{first.record.id}-2", f"{first.record.id}-3"]
    assert len(server.made("job")) == 3
    assert len([file for file in server.made("file") if file["purpose"] == "fine-tune"]) == 2
    assert [each.id for each in finetunes(dataset.path)] == [first.record.id, second.record.id, third.record.id]


def test_other_settings_base_data_or_seed_are_another_run(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server()
    ids = {planned(dataset, server, text=text).record.id for text in (
        RECIPE, RECIPE.replace("n_epochs: 3", "n_epochs: 4"), RECIPE.replace("gpt-4.1-mini", "gpt-4.1"),
        RECIPE.replace("seed: 7", "seed: 8"))}
    export(dataset, ExportOptions(formats=("openai-chat",), validation=0.4))
    ids.add(planned(dataset, server).record.id)
    assert len(ids) == 5


def test_a_killed_run_goes_on(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server()
    with pytest.raises(KeyboardInterrupt):
        finetune(local(dataset, server, breaks=KeyboardInterrupt()))
    plan = planned(dataset, server)
    assert (plan.state, plan.job.attempt) == ("resumed", 1)
    record = plan.record
    assert (record.state, record.finished, record.parameters) == ("running", None, {"total": 1000, "trainable": 10})
    assert record.problems[0]["code"] == "stopped"
    assert record.metrics["steps"] == 2
    backend = Steady()
    done = finetune(replace(plan, backend=backend))
    assert done.record.state == "succeeded"
    assert done.record.problems == []
    assert done.record.created == record.created
    assert [line["step"] for line in metrics(done.folder)] == [1, 2, 3]
    assert (done.record.metrics["first_train_loss"], done.record.metrics["train_loss"]) == (3.0, 1.0)
    assert done.record.base_digest == "b" * 26


def test_losses_and_time_reach_the_record_on_the_way(openai_server: Start, dataset: Dataset) -> None:
    plan = local(dataset, openai_server())
    ticks = iter(range(0, 1000, 3))
    seen = []

    def told(progress: TuneProgress) -> None:
        record = read(plan.job.folder)
        assert record is not None
        seen.append((progress.step, record.metrics.get("steps"), record.seconds))

    finetune(plan, told, clock=lambda: float(next(ticks)))
    steps = [(step, noted) for step, noted, _ in seen]
    assert steps[0] == (0, None)
    assert any(noted == step > 0 for step, noted in steps)
    assert seen[-1][2] > 0


def test_a_failure_is_tried_again_from_the_beginning(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server(tune={"pace_s": 0.01})
    failed = Tuned("failed", problems=(Problem("error", "nan", "step 2", "the loss is no number", "a smaller rate"),),
                   cost_usd=0.5)
    run = finetune(local(dataset, server, tuned=failed))
    with pytest.raises(ProviderError, match="step 2: the loss is no number"):
        run.require_model()
    plan = planned(dataset, server)
    assert (plan.state, plan.job.attempt, plan.record.earlier_usd) == ("retried", 2, 0.5)
    done = tune(plan)
    assert done.record.id == run.record.id
    assert [line["step"] for line in metrics(done.folder)] == list(range(1, 31))
    assert done.record.spent_usd == pytest.approx(0.5 + 5768 * 5 / 1e6)


def test_only_one_process_tunes(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server()
    plan = planned(dataset, server)
    with dataset.lock(f"finetune-{plan.record.id}", "finetune"), pytest.raises(DataError, match="in use by `synth"):
        tune(plan)
    assert not server.made("file")


def test_no_export_and_stale_ones_name_the_command(dataset: Dataset) -> None:
    train = dataset.exports / "openai-chat" / "train.jsonl"
    train.write_bytes(train.read_bytes() + b"{}\n")
    with pytest.raises(DataError, match="is not the file that was exported") as caught:
        planned(dataset)
    assert caught.value.hint == "synth export plots"
    train.unlink()
    with pytest.raises(DataError, match="is gone"):
        planned(dataset)
    export(dataset, ExportOptions(formats=("openai-chat",)))
    later = (dataset.exports / "openai-chat" / "manifest.json").stat().st_mtime_ns + 10**9
    os.utime(dataset.path / "samples.jsonl", ns=(later, later))
    with pytest.raises(DataError, match=r"samples\.jsonl changed since the export"):
        planned(dataset)
    (dataset.exports / "openai-chat" / "manifest.json").write_text("[]")
    os.utime(dataset.exports / "openai-chat" / "manifest.json", ns=(later, later + 1))
    with pytest.raises(DataError, match="not an export's manifest"):
        planned(dataset)
    (dataset.exports / "openai-chat" / "manifest.json").unlink()
    with pytest.raises(DataError, match="nothing is exported in openai-chat yet") as caught:
        planned(dataset)
    assert caught.value.hint == "synth export plots"
    with pytest.raises(DataError) as caught:
        planned(dataset, text=RECIPE.replace("[openai-chat]", "[llama2]"))
    assert caught.value.hint == "synth export plots --format openai-chat"


def test_an_export_made_by_hand_otherwise_is_taken_and_said(openai_server: Start, dataset: Dataset) -> None:
    plan = planned(dataset, openai_server(), text=RECIPE.replace("validation: 0.2", "validation: 0.1"))
    assert [problem.code for problem in plan.warnings] == ["other-export"]


@pytest.mark.parametrize(("count", "words"), [(9, "9 rows, and a job needs at least 10"), (10, None)])
def test_ten_rows_and_not_nine(openai_server: Start, tmp_path: Path, count: int, words: str | None) -> None:
    with made(tmp_path, count, validation=0) as dataset:
        server = openai_server(tune={"pace_s": 0.01, "steps": 3})
        if words is None:
            assert tune(planned(dataset, server)).record.state == "succeeded"
            return
        with pytest.raises(DataError, match=words):
            planned(dataset, server)
        assert not server.ledger()


def test_a_validation_file_that_is_the_train_file(openai_server: Start, dataset: Dataset) -> None:
    folder = dataset.exports / "openai-chat"
    data = (folder / "train.jsonl").read_bytes()
    (folder / "validation.jsonl").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][1] |= {key: manifest["files"][0][key] for key in ("sha256", "rows", "bytes")}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="is the train file over again") as caught:
        planned(dataset, openai_server())
    assert "\n" not in caught.value.message, "and not each of its rows over again"


def test_rehearsed_rows_stay_here(openai_server: Start, tmp_path: Path) -> None:
    with made(tmp_path, rehearsal=True) as dataset:
        server = openai_server(tune={"pace_s": 0.01, "steps": 3})
        with pytest.raises(RecipeError, match="a rehearsal") as caught:
            planned(dataset, server)
        assert "--allow-rehearsal" in caught.value.hint
        assert not server.ledger()
        plan = planned(dataset, server, How(allow_rehearsal=True))
        assert plan.job.rehearsal
        assert tune(plan).record.data["rehearsal"] is True


def test_the_cap_counts_all_that_was_spent(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server(tune={"pace_s": 0.01, "steps": 3})
    assert planned(dataset, server, max_usd=0.5).bill is not None
    with pytest.raises(CapReached, match=r"over the cap of \$0\.00"):
        planned(dataset, server, max_usd=0.001)
    tune(planned(dataset, server))
    spent = spent_usd(dataset)
    assert spent == pytest.approx(0.02884)
    with pytest.raises(CapReached, match=r"\$0\.03 spent"):
        planned(dataset, server, How(again=True), max_usd=spent + 0.0001)
    with pytest.raises(RecipeError, match="worst case") as caught:
        planned(dataset, server, text=RECIPE.replace("n_epochs: 3", "n_epochs: auto"), max_usd=5)
    assert caught.value.hint.startswith("--set finetune.n_epochs=6")
    unpriced = Bill(1000, True, 3, None, None)
    with pytest.raises(RecipeError, match="needs a price") as caught:
        _within(unpriced, planned(dataset, server, How(again=True)), Settings(max_usd=5))
    assert f'[prices."{BASE}"]' in caught.value.hint
    asker = Asker(Rehearsal(), dataset.calls, Limits(1, 0, 5.0, None), Progress())
    assert asker.budget.spent == spent, "rows that are written later count it too"


def test_a_refused_line_is_shown_with_its_row(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server(tune={"fail": {"code": "invalid_training_file", "param": "training_file",
                                          "message": "Example 3 is too odd"}})
    run = tune(planned(dataset, server))
    (problem,) = run.record.problems
    line = (dataset.exports / "openai-chat" / "train.jsonl").read_text().splitlines()[2]
    assert problem["line"] == line
    (name,) = problem["samples"]
    assert any(sample.id == name and sample.messages == json.loads(line)["messages"] for sample in dataset.samples())
    assert (run.record.state, run.record.cost_usd) == ("failed", 0.0)
    with pytest.raises(DataError) as caught:
        run.require_model()
    for words in ("Example 3 is too odd", "train.jsonl:3", line, name):
        assert words in caught.value.message


def test_left_alone_followed_and_cancelled(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server(tune={"pace_s": 0.2})
    told: list[TuneProgress] = []
    run = tune(planned(dataset, server), told.append, detach=True)
    assert run.interrupted
    run.require_model()
    record = read(run.folder)
    assert record is not None
    assert record.remote is not None
    assert (record.state, record.cost_usd) == ("running", None)
    assert spent_usd(dataset) == record.usd_worst > 0
    for name in (record.id, record.id[:4], "ftjob-0001"):
        assert find(dataset, name) == record
    with pytest.raises(DataError, match="no fine-tune 'zz'"):
        find(dataset, "zz")
    assert [job.finetune for job in jobs(recipe().finetune or Section(), settings(server), ENV)] == [record.id]
    assert cancel(dataset, "ftjob-0001", settings(server), ENV) == "cancelled"
    ended = finetune(plan_of(dataset, record, settings(server), ENV))
    assert ended.record.state == "cancelled"
    with pytest.raises(ProviderError, match="was cancelled"):
        ended.require_model()
    with pytest.raises(DataError, match="is over: cancelled"):
        cancel(dataset, record.id, settings(server), ENV)
    assert len(server.made("job")) == 1


def test_followed_though_the_export_is_another_now(openai_server: Start, dataset: Dataset) -> None:
    server = openai_server()
    run = tune(planned(dataset, server), detach=True)
    export(dataset, ExportOptions(formats=("openai-chat",), validation=0.5))
    done = finetune(plan_of(dataset, run.record, settings(server), ENV))
    assert done.record.state == "succeeded"


def test_nobody_waits_for_a_backend_that_works_here(openai_server: Start, dataset: Dataset) -> None:
    with pytest.raises(RecipeError, match="steady tunes in this process"):
        finetune(local(dataset, openai_server()), detach=True)

"""Steps, second answers and judges of other hosts: one run, one cap, each at its own price."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import CapReached, RecipeError
from pipeline.generate import Options, Writer, generate, plan_run
from pipeline.prices import Price
from pipeline.settings import Settings
from pipeline.store import Dataset
from tests.engine.scripted import Scripted, answer
from tests.generate.folder import RECIPE, Folder

DEAR = Price(10.0, 100.0, None, "2026-11", "a test")
TWO = RECIPE.replace('prompt: {user: "A tale of a {{hero}} in {{place}}."}', """\
steps:
  - {name: premise, user: "A premise of a {{hero}} in {{place}}.", model: "other:dear"}
  - {name: answer, user: "Tale: {{premise}}"}
""")


class TwoHosts(Folder):
    """The scripted host, and another one that is ten times as dear."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, TWO)
        self.other = Scripted(lambda asked, turn: answer(f"premise {asked.body['messages'][0]['content']}"))
        self.other.namespace = "other"

    @property
    def writer(self) -> Writer:
        return Writer(self.provider, "m", self.price, lambda name: Writer(self.other, name.partition(":")[2], DEAR))


def test_each_question_goes_to_its_host_at_its_price(tmp_path: Path) -> None:
    hosts = TwoHosts(tmp_path)
    worst = hosts.plan().usd_worst
    assert hosts.plan().new_calls == 24
    hosts.run()
    assert (hosts.other.asked.total(), hosts.provider.asked.total()) == (12, 12)
    assert hosts.spent() == pytest.approx(12 * (210 + 2100) / 1e6)
    assert worst is not None
    assert hosts.spent() <= worst
    assert (hosts.other.closed, hosts.provider.closed) == (1, 1)
    hosts.run()
    assert (hosts.other.asked.total(), hosts.provider.asked.total()) == (12, 12)


def test_one_cap_holds_for_all_of_them(tmp_path: Path) -> None:
    hosts = TwoHosts(tmp_path)
    hosts.settings = hosts.settings.model_copy(update={"max_usd": 0.02})
    with pytest.raises(CapReached):
        hosts.run()
    assert hosts.spent() <= 0.02
    assert hosts.other.asked.total() < 12


def test_a_cap_needs_the_price_of_everybody(tmp_path: Path) -> None:
    hosts = TwoHosts(tmp_path)
    free = Writer(hosts.provider, "m", hosts.price, lambda name: Writer(hosts.other, "dear", None))
    with Dataset.create(hosts.home) as dataset, pytest.raises(RecipeError, match="none is known for dear"):
        generate(hosts.recipe, dataset, free, Settings(max_usd=1), Options())
    assert hosts.other.asked.total() == 0
    with Dataset(hosts.home) as dataset:
        assert plan_run(hosts.recipe, dataset, free).usd_worst is None


def test_a_rehearsal_beside_a_real_model_is_refused(tmp_path: Path) -> None:
    hosts = TwoHosts(tmp_path)
    hosts.other.rehearsal = True
    with pytest.raises(RecipeError, match="other:dear only rehearses, and scripted:m is real"):
        hosts.run()


def test_a_name_that_nobody_goes_by_is_told(tmp_path: Path) -> None:
    hosts = TwoHosts(tmp_path)
    alone = Writer(hosts.provider, "m", hosts.price)
    with Dataset(hosts.home) as dataset, pytest.raises(RecipeError, match="nobody is known as other:dear"):
        plan_run(hosts.recipe, dataset, alone)

"""When requests go: kept to what the user, the host's headers and its refusals allow, against simulated hosts."""

from __future__ import annotations

import pytest

from pipeline.engine import Limits
from pipeline.engine.pace import CLOSED, START, Bucket, Pace
from pipeline.hosts.limits import Allowance, Told, told
from pipeline.settings import ProviderEntry, Settings
from pipeline.types import Usage
from tests.engine.hosts import Bucketed, Chance, Windowed, simulate
from tests.engine.scripted import Scripted

ROWS = 3000
AT_BEST_S = ROWS / 100
"""6,000 a minute."""


def openai(**more: object) -> Bucketed:
    """6,000 requests and 2.13 million tokens a minute, enforced by the second."""
    return Bucketed(6000, 2.13e6, 1, **{"headers": True, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("latency_s", [0.05, 0.5, 2.0])
def test_a_limit_that_the_user_knows_is_used_up_and_never_passed(latency_s: float) -> None:
    run = simulate(openai(headers=False), ROWS, rpm=6000, tpm=2_130_000, latency_s=latency_s, in_flight=400)
    assert run.refused == 0
    assert run.taken[-1] - run.taken[0] < AT_BEST_S / 0.98


@pytest.mark.parametrize("latency_s", [0.05, 0.5, 2.0])
def test_a_limit_in_the_headers_is_enough(latency_s: float) -> None:
    run = simulate(openai(), ROWS, latency_s=latency_s, in_flight=400)
    assert run.refused < ROWS * 0.01
    assert run.taken[-1] - run.taken[0] < AT_BEST_S / 0.98 + 2 * latency_s


def test_a_minute_that_is_still_full_may_go_at_once() -> None:
    """OpenAI's bucket holds a minute: a run that fits in it is not slowed down."""
    run = simulate(Bucketed(6000, 2.13e6, 60, headers=True), ROWS, latency_s=0.5)
    free = simulate(Chance(0.0, 1), ROWS, latency_s=0.5)
    assert run.refused == 0
    assert run.seconds == pytest.approx(free.seconds, rel=0.02)


def test_others_who_use_the_same_limit_are_seen_in_the_headers() -> None:
    host = openai()

    def shared(now: float, tokens: float):  # another client takes half of it
        said = host(now, tokens)
        host(now, tokens)
        return said

    run = simulate(shared, 1500, latency_s=0.5)
    assert run.refused < 1500 * 0.25, "what they took is known when our answer comes, half a second later"
    assert run.seconds < 1500 / 50 / 0.9


@pytest.mark.parametrize("asks", [True, False])
def test_a_limit_that_only_refusals_tell_is_learned(asks: bool) -> None:
    run = simulate(openai(headers=False, asks=asks), 9000, latency_s=0.5)
    assert run.seconds < 90 / 0.9
    late = sum(1 for at in run.taken if at > 30)
    assert late > 0.9 * 100 * (run.seconds - 30) - 100, "the rate is held once it is known"
    assert run.refused < 9000 * 0.1


def test_a_small_limit_is_learned_too() -> None:
    run = simulate(Bucketed(60, None, 1, headers=False), 300, in_flight=32)
    assert run.seconds < 300 / 0.85


def test_a_host_that_counts_whole_minutes_is_asked_when_the_next_one_begins() -> None:
    """Three minutes' worth takes two minutes and a bit; without a look at the door, thousands would be refused."""
    run = simulate(Windowed(1000, 60), ROWS, latency_s=0.5)
    assert run.seconds < 2 * 60 + 1000 / 100
    assert run.refused < 300


@pytest.mark.parametrize(("share", "most"), [(0.05, 1.4), (0.3, 1.5)])
def test_refusals_at_random_do_not_slow_the_run_down(share: float, most: float) -> None:
    free = simulate(Chance(0.0, 1), ROWS, latency_s=0.5)
    for seed in range(5):
        run = simulate(Chance(share, 1.0, seed), ROWS, latency_s=0.5)
        assert run.seconds < most * free.seconds, f"seed {seed}"


def test_most_refused_at_random_still_ends() -> None:
    run = simulate(Chance(0.7, 1.0), ROWS, latency_s=0.5)
    assert run.seconds < 120
    assert len(run.taken) == ROWS


def test_a_door_that_is_closed_is_not_stormed() -> None:
    def closed(now: float, tokens: float):
        return now >= 40, None, 40 - now

    run = simulate(closed, 500, in_flight=200, latency_s=0.5)
    assert run.refused <= START + CLOSED
    assert run.taken[0] < 45


def test_the_first_requests_are_few_and_each_answer_makes_room() -> None:
    now = 0.0
    pace = Pace(None, None, lambda: now)
    tickets = []
    while pace.wait(1) == 0:
        tickets.append(pace.send(1))
    assert len(tickets) == START
    pace.answered(tickets[0], None, None)
    more = 0
    while pace.wait(1) == 0:
        pace.send(1)
        more += 1
    assert more == 2
    now = 2.1
    assert pace.wait(1) == 0, "those that nobody refused count as let in"


def test_a_slow_answer_holds_nobody_up() -> None:
    now = 0.0
    pace = Pace(None, None, lambda: now)
    pace.send(1)
    for _ in range(1000):
        now += 0.001
        assert pace.wait(1) == 0
        pace.answered(pace.send(1), None, None)


def test_a_daily_limit_is_known_by_its_reset() -> None:
    """200 a day, as OpenAI shows it: 7m12s for each that was used."""
    now = 0.0
    pace = Pace(None, None, lambda: now)
    pace.answered(pace.send(10), Told(Allowance(200, 1, 199 * 432.0), None), None)
    assert pace.wait(10) == 0
    pace.send(10)
    assert pace.wait(10) == 60.0, "a host is asked once a minute at least: headers may be wrong"


def test_tokens_that_were_not_used_are_given_back_to_what_the_user_allows() -> None:
    now = 0.0
    pace = Pace(None, 60_000, lambda: now)
    ticket = pace.send(pace.estimate(200, 800))
    assert pace.wait(1000) > 0.9
    pace.answered(ticket, None, Usage(200, 10))
    assert pace.wait(200) < 0.2
    assert pace.estimate(200, None) < 700, "what answers are long is learned"


def test_a_request_larger_than_the_bucket_goes_when_it_is_full() -> None:
    bucket = Bucket(10, 100, 100, 0.0)
    assert bucket.wait(1000, 0.0) == 0
    bucket.level -= 1000
    assert bucket.wait(10, 0.0) == pytest.approx(91)


def test_a_clock_that_stands_still_or_goes_back_gives_nothing_away() -> None:
    bucket = Bucket(10, 100, 0, 50.0)
    assert bucket.wait(1, 50.0) == pytest.approx(0.1)
    assert bucket.wait(1, 40.0) == pytest.approx(0.1)
    assert bucket.wait(1, 50.1) == 0


HEADERS = {"x-ratelimit-limit-requests": "6000", "x-ratelimit-remaining-requests": "5999",
           "x-ratelimit-reset-requests": "10ms"}


@pytest.mark.parametrize(("headers", "found"), [
    (HEADERS, Told(Allowance(6000, 5999, 0.01), None)),
    ({**HEADERS, "x-ratelimit-reset-requests": "6m0s"}, Told(Allowance(6000, 5999, 360.0), None)),
    ({**HEADERS, "x-ratelimit-reset-requests": "12"}, Told(Allowance(6000, 5999, 12.0), None)),
    ({**HEADERS, "x-ratelimit-reset-requests": "soon"}, Told(Allowance(6000, 5999, None), None)),
    ({**HEADERS, "x-ratelimit-remaining-requests": "7000"}, Told(Allowance(6000, 6000, 0.01), None)),
    ({**HEADERS, "x-ratelimit-limit-requests": "0"}, None),
    ({**HEADERS, "x-ratelimit-remaining-requests": "-1"}, None),
    ({"x-ratelimit-remaining-tokens": "10", "x-ratelimit-limit-tokens": "1e3"}, None),
    ({"x-ratelimit-remaining-tokens": "10", "x-ratelimit-limit-tokens": "1000", "x-ratelimit-reset-tokens": "1.5s"},
     Told(None, Allowance(1000, 10, 1.5))),
    ({}, None),
])
def test_what_headers_say(headers: dict[str, str], found: Told | None) -> None:
    assert told(headers) == found


def test_flags_go_before_an_entry_and_a_rehearsal_has_no_limit() -> None:
    provider = Scripted()
    entry = Settings(providers={"scripted": ProviderEntry(rpm=60, tpm=900)})
    assert (Limits.of(entry, provider, None).rpm, Limits.of(entry, provider, None).tpm) == (60, 900)
    flags = entry.model_copy(update={"rpm": 6})
    assert (Limits.of(flags, provider, None).rpm, Limits.of(flags, provider, None).tpm) == (6, 900)
    assert Limits.of(Settings(), provider, None).rpm is None
    provider.rehearsal = True
    assert Limits.of(flags, provider, None).rpm is None



"""When the next request may go: buckets for requests and tokens, and what refusals for the rate teach.

Pure: it never sleeps, and time is an argument. Three sources, all kept to at once: what the user allows (`rpm`, `tpm`),
what the host says in its headers, and what it refuses. The asker waits as long as `wait` says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import ceil, inf, log

from pipeline.hosts.limits import Allowance, Told
from pipeline.types import Usage

START = 32
"""Requests that may be out at first; each that is let in makes room for two, as OpenAI asks (`slow_down`)."""
GRACE_S = 2.0
"""Seconds after which a request counts as let in, until a refusal has shown how long those take."""
SMOOTH_S = 0.25
"""Seconds of a limit that may go at once where only its rate is known: hosts enforce 6,000 a minute as 100 a second."""
SPARE_S = 0.1
"""Seconds of a host's own bucket that are left in it, so that requests that overtake each other find room."""
TRY_S = 60.0
"""So long a host's headers may hold a request back; after that it is asked, and says itself whether it refuses."""
CLOSED = 8
"""Refusals in a row that mean a closed door: of a host that refuses 30% at random, one row of eight in 15,000."""
EPOCH = (1.0, 20)
"""Seconds and requests that say what share is refused."""
SHARES = (0.02, 0.05)
"""Shares of refusals: up to the first a rate is good; over the second the rate may be why, where none was learned."""
TRIALS = 3
"""Times that the rate goes down before refusals that stay count as random."""
STEPS = (1.05, 2.0)
"""By how much a learned rate goes up when nothing is refused: at least, and at first, when little is known."""
HOLDS = 31
"""Epochs at most between two tries to go faster than what was refused before."""
RANDOM_S = 60.0
"""How long they do, before it is tried again."""
POLL_S = 0.05
"""How soon it is looked again whether a request that was let in makes room."""
OUTPUT_TOKENS = 500.0
"""Tokens that an answer without a limit is thought to have, until answers say better."""


class Bucket:
    """A token bucket that refills without pause; it may go below zero, and waits until it is paid back.

    Args:
        rate: how many come in a second.
        size: how many it holds.
        level: how many it holds now.
        at: now, in seconds of the clock.
        spare: how many are never given out.
    """

    __slots__ = ("at", "level", "rate", "size", "spare")

    def __init__(self, rate: float, size: float, level: float, at: float, spare: float = 0.0) -> None:
        self.rate, self.size, self.level, self.at, self.spare = rate, size, level, at, spare

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` is there. More than the bucket can ever hold goes when it is full."""
        if now > self.at:
            self.level = min(self.size, self.level + (now - self.at) * self.rate)
            self.at = now
        missing = min(amount + self.spare, self.size) - self.level
        return missing / self.rate if missing > 1e-9 else 0.0


class _HostBucket(Bucket):
    """A host's own bucket as far as we see it: our count, moved by what each answer says was left."""

    __slots__ = ("moved",)

    def __init__(self, said: Allowance, since: float, age: float, now: float) -> None:
        """Begins with what the host said `age` seconds ago, and what we have sent `since`."""
        super().__init__(1.0, said.limit, said.remaining, now - age)
        self.moved = 0.0
        self._rate(said)
        self.wait(0, now)
        self.level -= since

    def _rate(self, said: Allowance) -> None:
        """A minute's worth a minute; where it takes longer than that to fill up, the limit is an hour's or a day's."""
        used = said.limit - said.remaining
        slow = said.reset_s is not None and said.reset_s > 1.1 * 60 and used > 0
        self.size, self.rate = said.limit, used / said.reset_s if slow and said.reset_s else said.limit / 60
        self.spare = float(int(min(SPARE_S * self.rate, 0.1 * self.size)))

    def told(self, said: Allowance, after: float, moved: float) -> None:
        """Takes in what was left when a request was let in.

        Args:
            said: what the host says.
            after: our count when we sent that request, itself taken out.
            moved: the corrections until then.
        """
        self._rate(said)
        off = said.remaining - (after + self.moved - moved)
        step = off if off < 0 else 0.2 * off  # others may use it too: what is gone counts at once
        self.moved += step
        self.level = min(self.size, self.level + step)


class Ticket:
    """A request that is out: when it went, what it took, where the host's buckets stood then, and what came of it."""

    __slots__ = ("again", "at", "door", "marks", "refused", "sent", "tokens", "void")

    def __init__(self, at: float, tokens: float, door: int, sent: tuple[float, float]) -> None:
        self.at, self.tokens, self.door, self.sent = at, tokens, door, sent
        self.marks: dict[str, tuple[float, float]] = {}
        self.refused: bool | None = None
        self.void, self.again = False, 0.0


class _Learned:
    """Whether refusals follow the rate, and if they do, which rate is taken.

    When a share of the requests is refused, the rate goes down to what was let in. If the refusals stop, the rate was
    why, and it is felt upwards again, in smaller steps after each refusal. If they go on however slow it gets, chance
    is why (a gateway that many share): slower would only be slower, so it is left free.
    """

    def __init__(self, now: float) -> None:
        self.bucket: Bucket | None = None
        self.random: float | None = None  # the share that is refused whatever the rate
        self._until = 0.0
        self._trials = 0
        self._step = STEPS[1]
        self._good = 0.0  # the last rate at which nothing was refused
        self._holds = self._held = 0  # epochs that it stays there once more was refused: longer each time
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._since, self._count, self._refused = now, 0, 0

    def forget(self, now: float) -> None:
        """Begins anew: refusals so far have a reason of their own."""
        self._trials = 0
        self._begin(now)

    def judged(self, ticket: Ticket, refused: bool, now: float) -> None:
        """One request, in the order of sending; what was sent before the rate last changed says nothing."""
        age = ticket.at - self._since
        if age < 0:
            return
        self._count += 1
        self._refused += refused
        if age >= EPOCH[0] and (self._count >= EPOCH[1] or (age >= 10 * EPOCH[0] and self._count >= 4)):
            self._judge(self._refused / self._count, (self._count - self._refused) / age, now)
            self._begin(now)

    def _judge(self, share: float, taken: float, now: float) -> None:
        """The end of an epoch: `share` was refused, `taken` a second were let in."""
        bucket = self.bucket
        if self.random is not None and (now > self._until or share > 1.5 * self.random + 0.1):
            self.random = None
        if bucket is None:
            if share > SHARES[1] and self.random is None:
                self._slow(taken, now)
        elif share > SHARES[0]:
            self._trials += 1
            if self._trials >= TRIALS:
                self.bucket, self._trials, self._good, self._holds = None, 0, 0.0, 0
                self.random, self._until = share, now + RANDOM_S
            else:
                self._slow(max(taken, self._good if self._trials == 1 else 0.0), now)
        else:
            self._trials, self._good = 0, bucket.rate
            if self._held:
                self._held -= 1
            elif taken > 0.8 * bucket.rate:
                self._set(self._step * bucket.rate, now)
                self._step = min(STEPS[1], 1 + 1.2 * (self._step - 1))

    def _slow(self, rate: float, now: float) -> None:
        if self.bucket is not None:
            self._holds = self._held = min(2 * self._holds + 1, HOLDS) if self._good else 0
            self._step = max(STEPS[0], 1 + (self._step - 1) / 4)
        self._set(rate, now)

    def _set(self, rate: float, now: float) -> None:
        rate = max(rate, 1 / 60)
        size = max(1.0, SMOOTH_S * rate)
        self.bucket = Bucket(rate, size, min(size, self.bucket.level) if self.bucket else 0.0, now)


class Pace:
    """One host's pace in one run.

    Whether a request was let in is known when it is answered, or when it has been out for longer than refusals take:
    answers take seconds, refusals do not. Requests are judged in the order of sending, so that neither comes first.

    Args:
        rpm: requests a minute that the user allows; None for no limit of theirs.
        tpm: tokens a minute.
        clock: seconds that never jump.
    """

    def __init__(self, rpm: int | None, tpm: int | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        now = clock()
        self._own: dict[str, Bucket] = {}
        for what, limit in (("requests", rpm), ("tokens", tpm)):
            if limit:
                size = max(1.0, limit / 60 * SMOOTH_S)
                self._own[what] = Bucket(limit / 60, size, size, now)
        self._host: dict[str, _HostBucket] = {}
        self._learned = _Learned(now)
        self._unsure: deque[Ticket] = deque()
        self._lag: float | None = None  # seconds that a refusal takes, once there was one
        self._room: float = inf if rpm else START
        self._unknown = self._row = self._door = self._taken = 0
        self._sent = (0.0, 0.0)  # requests and tokens, ever
        self._opens = -inf
        self._output = OUTPUT_TOKENS

    @property
    def closed(self) -> bool:
        """Whether the host has refused all for a while: nothing new should be begun."""
        return self._room <= CLOSED or self._clock() < self._opens

    def estimate(self, input_tokens: float, limit: int | None) -> float:
        """Tokens that a request counts for at its host: what goes in, and all that may come out."""
        return input_tokens + (self._output if limit is None else limit)

    def wait(self, tokens: float) -> float:
        """Seconds until it should be asked again whether a request of so many tokens may go; 0 where it may now."""
        now = self._clock()
        self._settle(now)
        if now < self._opens:
            return self._opens - now
        if self._unknown >= self._room:
            return POLL_S
        wait = self._learned.bucket.wait(1, now) if self._learned.bucket else 0.0
        for buckets, most in ((self._own, inf), (self._host, TRY_S)):
            for what, bucket in buckets.items():
                wait = max(wait, min(most, bucket.wait(1 if what == "requests" else tokens, now)))
        return wait

    def send(self, tokens: float) -> Ticket:
        """Takes a request out of all buckets."""
        self._unknown += 1
        self._sent = (self._sent[0] + 1, self._sent[1] + tokens)
        ticket = Ticket(self._clock(), tokens, self._door, self._sent)
        for what, own in self._own.items():
            own.level -= 1 if what == "requests" else tokens
        for what, bucket in self._host.items():
            bucket.level -= 1 if what == "requests" else tokens
            ticket.marks[what] = (bucket.level, bucket.moved)
        if self._learned.bucket:
            self._learned.bucket.level -= 1
        self._unsure.append(ticket)
        return ticket

    def back(self, ticket: Ticket) -> None:
        """A request that was not sent after all: it says nothing of the host."""
        self._known(ticket, False)
        ticket.void = True

    def answered(self, ticket: Ticket, limits: Told | None, usage: Usage | None) -> None:
        """The host let a request in, whatever came of it then.

        Args:
            ticket: from `send`.
            limits: what its headers say.
            usage: tokens in and out, where it says so.
        """
        self._known(ticket, False)
        if usage is not None:
            self._output += 0.1 * (usage.output_tokens - self._output)
            if own := self._own.get("tokens"):
                own.level = min(own.size, own.level + ticket.tokens - usage.input_tokens - usage.output_tokens)
        if limits is not None:
            self._told(ticket, limits)

    def refused(self, ticket: Ticket, limits: Told | None, wait_s: float) -> None:
        """The host refused a request for its rate, and it will be asked again in `wait_s`."""
        now = self._clock()
        self._known(ticket, True)
        ticket.again, took = now + wait_s, now - ticket.at
        self._lag = took if self._lag is None else max(took, self._lag + 0.2 * (took - self._lag))
        if limits is not None:
            self._told(ticket, limits)

    def _known(self, ticket: Ticket, refused: bool) -> None:
        """What came of a request; where nothing came for long, it counts as let in. Each that is makes room for two."""
        if ticket.refused is not None:
            return
        ticket.refused = refused
        self._unknown -= 1
        if not refused and ticket.door == self._door:
            self._room += 1

    def _settle(self, now: float) -> None:
        """Judges what is known, or has been out for longer than refusals take."""
        grace = GRACE_S if self._lag is None else max(0.1, 4 * self._lag)
        while self._unsure and (self._unsure[0].refused is not None or now - self._unsure[0].at > grace):
            ticket = self._unsure.popleft()
            self._known(ticket, False)
            if not ticket.void:
                self._judge(ticket, bool(ticket.refused), now)

    def _judge(self, ticket: Ticket, refused: bool, now: float) -> None:
        self._learned.judged(ticket, refused, now)
        if not refused:
            self._row, self._taken = 0, self._taken + 1
        if not refused or ticket.door != self._door:
            return  # sent before the door was found closed, a refusal says nothing new
        self._row += 1
        if self._row < min(self._room, self._many()):
            return
        self._opens, self._door = ticket.again, self._door + 1
        if self._learned.random is None:
            self._room = 1
        if self._opens - now > 1 and self._taken >= EPOCH[1]:
            self._learned.forget(self._opens)  # it counts by the minute: what it takes until then says no rate
        self._row = self._taken = 0

    def _many(self) -> int:
        """Refusals in a row that chance does not explain: 1 in 15,000."""
        share = self._learned.random
        return CLOSED if share is None else max(CLOSED, ceil(log(15_000) / -log(min(share, 0.95))))

    def _told(self, ticket: Ticket, limits: Told) -> None:
        for what, said in (("requests", limits.requests), ("tokens", limits.tokens)):
            if said is None:
                continue
            bucket = self._host.get(what)
            if bucket is None:
                since = self._sent[what == "tokens"] - ticket.sent[what == "tokens"]
                now = self._clock()
                self._host[what] = _HostBucket(said, since, now - ticket.at, now)
            elif what in ticket.marks:
                bucket.told(said, *ticket.marks[what])

"""How much is done: in full, for the page; and quickly, to see that every row still works."""

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of rounds, requests, jobs and seconds. patience_seconds: how long a round waits for a quiet machine."""

    quick: bool
    rounds: int
    few_rounds: int
    patience_seconds: float
    # Webhooks: as fast as they are answered; fewer where a server is slow; waiting to be processed.
    webhooks: int
    few_webhooks: int
    backlog: int
    # Webhooks at a given rate; and where the search for the highest begins, and when it ends.
    seconds: float
    rates: tuple[int, int]
    minute_seconds: float
    minute_rate: int
    probe_seconds: float
    first_rate: int
    probes: int
    # Messages to send: as fast as it goes; by whoever is slow; with their statuses.
    messages: int
    few_messages: int
    told_messages: int
    # Jobs: to be drained, and when draining them is given up; one at a time; at a steady rate.
    jobs: int
    drain_seconds: float
    idle_jobs: int
    idle_pause_seconds: float
    steady_seconds: float
    steady_rate: int
    hot_jobs: int
    noisy_jobs: int
    quiet_jobs: int
    quiet_rate: int
    backlogs: tuple[int, ...]
    backlog_drain_seconds: float
    # Endurance: rows that are finished, jobs that wait, how long a snapshot is held.
    finished: int
    waiting: int
    snapshot_seconds: float


FULL = Plan(
    quick=False,
    rounds=5,
    few_rounds=3,
    patience_seconds=30,
    webhooks=40_000,
    few_webhooks=2_000,
    backlog=20_000,
    seconds=10,
    rates=(500, 2_000),
    minute_seconds=60,
    minute_rate=3_300,
    probe_seconds=8,
    first_rate=2_000,
    probes=10,
    messages=20_000,
    few_messages=2_000,
    told_messages=6_000,
    jobs=100_000,
    drain_seconds=8,
    idle_jobs=25,
    idle_pause_seconds=0.3,
    steady_seconds=5,
    steady_rate=100,
    hot_jobs=20_000,
    noisy_jobs=1_000_000,
    quiet_jobs=300,
    quiet_rate=20,
    backlogs=(10_000, 100_000, 1_000_000),
    backlog_drain_seconds=90,
    finished=10_000_000,
    waiting=1_000_000,
    snapshot_seconds=180,
)

QUICK = Plan(
    quick=True,
    rounds=1,
    few_rounds=1,
    patience_seconds=0,
    webhooks=400,
    few_webhooks=50,
    backlog=300,
    seconds=1,
    rates=(40, 80),
    minute_seconds=1,
    minute_rate=60,
    probe_seconds=1,
    first_rate=40,
    probes=1,
    messages=300,
    few_messages=50,
    told_messages=100,
    jobs=600,
    drain_seconds=10,
    idle_jobs=3,
    idle_pause_seconds=0.1,
    steady_seconds=0.5,
    steady_rate=20,
    hot_jobs=200,
    noisy_jobs=3_000,
    quiet_jobs=10,
    quiet_rate=20,
    backlogs=(200, 400, 800),
    backlog_drain_seconds=30,
    finished=2_000,
    waiting=1_000,
    snapshot_seconds=2,
)

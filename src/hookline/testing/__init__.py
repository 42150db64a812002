"""For the test suites of programs that use the queue: run what is due, or one job, look at what waits, stop the clock.

Everything goes through the real queue in a real PostgreSQL. Works with any test runner.
"""

from hookline.testing.clock import FrozenClock, frozen_clock
from hookline.testing.database import clear, open_fresh
from hookline.testing.enqueued import assert_enqueued, refute_enqueued
from hookline.testing.running import Drained, Failure, drain, run_job

__all__ = [
    "Drained",
    "Failure",
    "FrozenClock",
    "assert_enqueued",
    "clear",
    "drain",
    "frozen_clock",
    "open_fresh",
    "refute_enqueued",
    "run_job",
]

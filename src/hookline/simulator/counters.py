"""What the simulator counts, for tests and benchmarks: calls, calls over a limit, and how often a message was sent."""

from collections import Counter
from typing import Any


class Counters:
    """Counts since the start, or since they were last reset."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()  # "POST graph phone_number/messages"
        self.refusals: Counter[str] = Counter()  # "131056", "190/463"
        self.over_limit: Counter[str] = Counter()  # the limit's name
        self.sends: Counter[str] = Counter()  # by the sender's own id of a message: accepted sends

    def reset(self) -> None:
        """Count anew."""
        for counter in (self.calls, self.refusals, self.over_limit, self.sends):
            counter.clear()

    def report(self) -> dict[str, Any]:
        """All of it as JSON. `sentMoreThanOnce` holds the own ids that were accepted twice or more."""
        return {
            "calls": dict(self.calls),
            "refusals": dict(self.refusals),
            "overLimit": dict(self.over_limit),
            "sends": sum(self.sends.values()),
            "messages": len(self.sends),
            "sentMoreThanOnce": {own_id: count for own_id, count in self.sends.items() if count > 1},
        }

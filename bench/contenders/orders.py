"""What a contender's processes are told to do. They are told as JSON, so that they may be in any language."""

from typing import Any

import msgspec


class Work(msgspec.Struct, frozen=True, kw_only=True, tag="work", tag_field="do"):
    """Run jobs until standard input ends.

    If there are `jobs`: says `first T` when the first begins, and `all T` when so many have been run (T of the
    monotonic clock). If there are `timed`: says `timed` when so many jobs that carry their moment have begun.
    `answer_file` holds a Worked in the end.
    """

    url: str
    options: dict[str, Any] = {}
    jobs: int = 0
    timed: int = 0
    answer_file: str


class Worked(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker saw. latencies: (moment at which the job was to be enqueued, seconds until it began).

    disorders: how many jobs that bear a number did not follow the one before.
    """

    latencies: list[tuple[float, float]]
    disorders: int = 0


class Send(msgspec.Struct, frozen=True, kw_only=True, tag="send", tag_field="do"):
    """Once told a moment of the monotonic clock, enqueue a job so many seconds after it, for each of `offsets`.

    A job carries its moment as `{"at": …}`; `organizations`: for how many organizations by turns, where there are any.
    """

    url: str
    options: dict[str, Any] = {}
    offsets: list[float]
    organizations: int = 1


class Fill(msgspec.Struct, frozen=True, kw_only=True, tag="fill", tag_field="do"):
    """Enqueue so many jobs that do nothing, as fast as the contender's own interface does it."""

    url: str
    options: dict[str, Any] = {}
    jobs: int

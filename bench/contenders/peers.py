"""Who takes part: ours and the Python peers always, those from npm where they are asked for."""

from bench.contenders.base import Queue
from bench.contenders.hookline import HooklineQueue
from bench.contenders.node import GraphileWorkerQueue, PgBossQueue
from bench.contenders.pgqueuer import PgqueuerQueue
from bench.contenders.procrastinate import ProcrastinateQueue
from bench.stage import Stage

PYTHON = (HooklineQueue, PgqueuerQueue, ProcrastinateQueue)
NODE = (GraphileWorkerQueue, PgBossQueue)


def contenders(stage: Stage) -> list[Queue]:
    """All queues that take part, ours first."""
    return [queue(stage) for queue in (*PYTHON, *(NODE if stage.all_peers else ()))]

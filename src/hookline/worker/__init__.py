"""The job side: claim, run, finish, and upkeep beside it."""

from hookline.worker.loop import Worker

__all__ = ["Worker"]

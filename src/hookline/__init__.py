"""Hookline: WhatsApp, Instagram and Messenger business accounts, connected to a CRM.

    from hookline import Hookline, IntegrationJobs, Worker

What only some processes need is imported when it is asked for.
"""

from importlib import import_module
from typing import Any

__all__ = ["Hookline", "IntegrationJobs", "Worker"]

_HOMES = {
    "Hookline": "hookline.bootstrap",
    "IntegrationJobs": "hookline.services.jobs",
    "Worker": "hookline.worker",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

"""The groups of choices that a dialog shows."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec


class Choice(msgspec.Struct, frozen=True):
    """One box to tick."""

    value: str
    label: str
    note: str = ""
    checked: bool = False


class Group(msgspec.Struct, frozen=True):
    """Choices of one kind. Several can be ticked, or (radio) one."""

    legend: str
    type: Literal["checkbox", "radio"]
    name: str
    choices: list[Choice]


def scope_group(scopes: Iterable[str], described: Mapping[str, str]) -> Group:
    """The permissions that are asked for; all are ticked, and each can be taken away."""
    choices = [
        Choice(scope, described[scope][:1].upper() + described[scope][1:], scope, checked=True) for scope in scopes
    ]
    return Group("What the app may do", "checkbox", "scope", choices)

"""JSON text: how values of our own are written, whatever odd values they hold."""

import json
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()


def to_json(value: Any) -> str:
    """Write a value as JSON text. Integers beyond 64 bits, which the fast encoder refuses, are written too."""
    try:
        return _encoder.encode(value).decode()
    except (OverflowError, msgspec.MsgspecError):
        return json.dumps(msgspec.to_builtins(value, builtin_types=(int,)), allow_nan=False)

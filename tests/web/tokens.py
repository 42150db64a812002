"""Tokens as a CRM makes them, good and bad."""

import time
from typing import Any

import jwt


def token(secret: str, organizations: Any, **claims: Any) -> str:
    """Sign a token for these organizations (id → role); `claims` replace the usual ones, None leaves one out."""
    given = {"sub": "user-1", "exp": int(time.time()) + 600, "organizations": organizations} | claims
    return jwt.encode({name: value for name, value in given.items() if value is not None}, secret, algorithm="HS256")

"""Where a browser may be sent back to: only below the addresses that the installation allows."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from hookline.domain.connect_error import ReturnUrlRefused

_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")
_PORTS: Final = {"http": 80, "https": 443}


def allowed_return_url(url: str, allowed: Sequence[str], *, this_machine: bool) -> str:
    """Give `url` back if it is one of the allowed addresses or lies below one: same scheme, host, port, path's start.

    this_machine: allow this machine on any port too, for development.
    Raises: ReturnUrlRefused.
    """
    asked = _split(url)
    if asked is None:
        raise ReturnUrlRefused("returnUrl must be a whole http or https address, without a user or dots in its path")
    if this_machine and asked.hostname in _THIS_MACHINE:
        return url
    if any(_is_below(asked, one) for one in map(_split, allowed) if one is not None):
        return url
    raise ReturnUrlRefused("returnUrl is not below any address in HOOKLINE_RETURN_URLS")


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """Add parameters to an address, in the place of those of the same names.

    It ends with a fragment, if with an empty one: else the browser keeps the one that the platform sent it with.
    """
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()]))) + ("" if parts.fragment else "#")


def _split(url: str) -> SplitResult | None:
    """Take an address apart; None for what two readers might read differently."""
    if not url.isascii() or not url.isprintable() or set(url) & set(" \\<>\"'`{}|^"):
        return None
    try:
        parts = urlsplit(url)
        known = parts.scheme in _PORTS and bool(parts.hostname) and _port(parts) > 0
    except ValueError:
        return None
    dotted = {".", ".."} & set(parts.path.replace("%2e", ".").replace("%2E", ".").split("/"))
    return parts if known and "@" not in parts.netloc and not dotted else None


def _port(parts: SplitResult) -> int:
    return _PORTS[parts.scheme] if parts.port is None else parts.port


def _is_below(asked: SplitResult, one: SplitResult) -> bool:
    if (asked.scheme, asked.hostname, _port(asked)) != (one.scheme, one.hostname, _port(one)):
        return False
    start = one.path.rstrip("/")
    return asked.path == start or asked.path.startswith(f"{start}/") or not start

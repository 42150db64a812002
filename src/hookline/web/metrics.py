"""Metrics: of one process, or of several that count together; and a port of their own for processes without HTTP."""

from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from hookline.domain.errors import StartupError

_TogetherCollector: Final[Any] = MultiProcessCollector  # the library leaves it untyped


def registry(folder: str | None) -> CollectorRegistry:
    """Give this process's metrics, or those of all processes that count in a folder."""
    if folder is None:
        return REGISTRY
    together = CollectorRegistry()
    _TogetherCollector(together, folder)
    return together


def serve_metrics(host: str, port: int, folder: str | None) -> int:
    """Answer Prometheus on a port (0 takes a free one) for as long as this process lives; the port.

    Raises: StartupError, if it cannot be listened on.
    """
    try:
        server, _ = start_http_server(port, host, registry(folder))
    except OSError as error:
        raise StartupError(f"cannot listen on {host}:{port} for metrics: {error.strerror}") from None
    return int(server.server_port)

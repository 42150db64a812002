"""The socket that the API listens on: one process's own, or one that several processes accept from."""

import socket

from hookline.domain.errors import StartupError

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one.

    Raises: StartupError, if it cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartupError(
            f"cannot listen on {host}:{port}: {error.strerror}. Stop what listens there, or set HOOKLINE_PORT."
        ) from None
    listener.setblocking(False)
    return listener


def inherited(descriptor: int) -> socket.socket:
    """Take over the listening socket that the parent process has opened."""
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)
    return listener

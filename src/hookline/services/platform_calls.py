"""Calls to a platform that a person waits for: how their failures are told."""

from collections.abc import Iterator
from contextlib import contextmanager

from hookline.domain.connect_error import PlatformRefused, PlatformUnreachable
from hookline.domain.provider_error import ErrorClass, NotReached, OutcomeUnknown, ProviderError


@contextmanager
def told() -> Iterator[None]:
    """Tell the caller of the API what a call to the platform ended with.

    Raises: PlatformRefused, PlatformUnreachable.
    """
    try:
        yield
    except ProviderError as error:
        if error.error_class in (ErrorClass.WAIT, ErrorClass.RETRY):
            raise PlatformUnreachable(f"the platform cannot do it now, try again later: {error}") from None
        raise PlatformRefused(f"the platform refused: {error}", error.code) from None
    except (NotReached, OutcomeUnknown) as error:
        raise PlatformUnreachable(f"the platform did not answer, try again: {error}") from None

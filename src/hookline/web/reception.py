"""The reception of webhooks: one whole request is verified, split and on its way to the database; then its answer.

HTTP is not here: a request comes by ASGI (webhooks.py) or by the direct way (direct.py), and is received alike.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog
from prometheus_client import Counter

from hookline.bootstrap import ApiContext
from hookline.domain.errors import BodyTooLarge, RequestError, SignatureMismatch, Unavailable
from hookline.domain.event import Signature
from hookline.providers.base import Provider
from hookline.services.ingest import events_of
from hookline.web.problems import CONTENT_TYPE, problem_body

PREFIX = "/api/webhooks/"
Header = tuple[bytes, bytes]

_SIGNATURE_HEADER = b"x-hub-signature-256"
_ORGANIZATION_HEADER = b"x-organization-id"
_RETRY_AFTER_SECONDS = 5

WEBHOOKS = Counter("hookline_webhooks_total", "Webhooks by provider and answer", ["provider", "answer"])

log = structlog.get_logger(__name__)


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer, whole."""

    status: int
    headers: Sequence[Header]
    body: bytes

    @classmethod
    def of(cls, status: int, body: bytes, content_type: bytes, *more: Header) -> "Answer":
        """Make an answer with the headers that describe its body, and more."""
        return cls(status, [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *more], body)


RECEIVED = Answer.of(200, b'{"status":"received"}', b"application/json")


class Reception:
    """Receives webhooks. by_path: providers by the paths that people and platforms write."""

    def __init__(self, context: ApiContext) -> None:
        self._secrets = context.secrets.webhook
        self._ingest = context.ingest
        self._unsigned_allowed = context.settings.unsigned_webhooks_allowed
        self._development = not context.settings.production
        self.limit = context.settings.max_webhook_bytes
        self.by_path = {
            PREFIX + spelled: provider
            for name, provider in context.providers.items()
            for spelled in (name.value, name.lower())
        }
        self._counted = {
            (name, answer): WEBHOOKS.labels(name, answer)
            for name in context.providers
            for answer in ("received", "refused", "unavailable", "failed")
        }

    def begin(self, provider: Provider, body: bytes, headers: Sequence[Header]) -> "asyncio.Future[None]":
        """Begin to receive a request; the future is done when its events are committed, or raises Unavailable.

        Raises: SignatureMismatch; Unavailable, if too much is waiting.
        """
        signature = organization = None
        for name, value in headers:
            if name == _SIGNATURE_HEADER:
                signature = signature or value.decode("latin-1")
            elif name == _ORGANIZATION_HEADER:
                organization = organization or value.decode("latin-1")
        rows = events_of(
            provider,
            body,
            self._verify(provider, body, signature),
            organization_hint=organization if self._development else None,
            latest_if_unnamed=self._development,
        )
        return self._ingest.enqueue(rows, len(body))

    def _verify(self, provider: Provider, body: bytes, header: str | None) -> Signature:
        """Check the signature before anything is read of the body. Neither it nor the expected one is ever shown."""
        if header is None and self._unsigned_allowed:
            return Signature.UNSIGNED
        if provider.verify(body, header, self._secrets[provider.name]):
            return Signature.VERIFIED
        raise SignatureMismatch("the signature is missing or was not made with a known app secret")

    def answer(self, provider: Provider, error: BaseException | None) -> Answer:
        """Give the answer to a request that has been received (no error), refused, or could not be taken."""
        if error is None:
            self._counted[provider.name, "received"].inc()
            return RECEIVED
        if isinstance(error, Unavailable):
            self._counted[provider.name, "unavailable"].inc()
            again = (b"retry-after", str(_RETRY_AFTER_SECONDS).encode())
            return problem_answer(503, "unavailable", f"{error}; deliver it again", again)
        if isinstance(error, RequestError):
            self._counted[provider.name, "refused"].inc()
            return problem_answer(413 if isinstance(error, BodyTooLarge) else 401, error.slug, str(error))
        self._counted[provider.name, "failed"].inc()
        log.error("a webhook could not be received", error=type(error).__name__, exc_info=error)
        return problem_answer(500, "internal", "something went wrong here; it has been noted")


def problem_answer(status: int, slug: str, detail: str, *headers: Header) -> Answer:
    """Make the answer that tells of a problem."""
    return Answer.of(status, problem_body(status, slug, detail), CONTENT_TYPE.encode(), *headers)

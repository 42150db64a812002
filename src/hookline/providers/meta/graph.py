"""The vendor's Graph API: one call, authorized and read. What is called, and what it means, is in each client.

Source: protocol reference 0.1, 5.4, 6.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

from hookline.domain.provider_error import ErrorClass, OutcomeUnknown, ProviderError
from hookline.providers.http import HttpClient
from hookline.providers.meta import lenient
from hookline.providers.meta.envelope import MAX_DEPTH, nested_beyond
from hookline.providers.meta.errors import read_error
from hookline.settings import split_commas

TIMEOUT_SECONDS = 20.0
OnHeaders = Callable[[Mapping[str, str]], None]
_NODE = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Graph:
    """One Graph host, called in one version as one app. `version` is empty for what has none."""

    def __init__(self, http: HttpClient, base_url: str, version: str, app_secret: str) -> None:
        self._http = http
        self._root = "/".join(filter(None, (base_url.rstrip("/"), version)))
        self._app_secret = app_secret

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        data: Any = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        on_headers: OnHeaders | None = None,
    ) -> dict[str, Any]:
        """Call `path` (below the version) and read the answer, a JSON object.

        token: sent as the bearer, with its proof; None where the parameters say who calls.
        on_headers: is given the reply's headers, also those of a refusal.
        Raises: ProviderError, if the platform refuses; NotReached; OutcomeUnknown, also if the answer cannot be read.
        Source: protocol reference 5.4.
        """
        asked = dict(params or {})
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
            if self._app_secret:
                asked["appsecret_proof"] = proof(token, self._app_secret)
        reply = await self._http.request(
            method,
            f"{self._root}/{path.lstrip('/')}",
            params=asked,
            json=json,
            form=form,
            data=data,
            headers=headers,
            timeout_seconds=timeout_seconds,
        )
        if on_headers is not None:
            on_headers(reply.headers)
        answer = _decode(reply.body)
        if not 200 <= reply.status < 300 or (answer is not None and "error" in answer):
            raise read_error(reply.status, reply.headers, reply.body)
        if answer is None:
            raise OutcomeUnknown(f"an answer with status {reply.status} that is no JSON object")
        return answer


def node(identifier: str) -> str:
    """Give an id as a piece of a path; whoever brought it, it leads to no other place.

    Raises: ProviderError, if it can be no id of the platform.
    """
    if not _NODE.fullmatch(identifier):
        raise ProviderError(ErrorClass.PERMANENT, None, "this is no id of the platform")
    return identifier


def proof(token: str, app_secret: str) -> str:
    """Prove that whoever sends a token also knows the app's secret.

    Source: protocol reference 5.4.
    """
    return hmac.digest(app_secret.encode(), token.encode(), hashlib.sha256).hex()


def signing_secret(settings: Mapping[str, str], name: str) -> str:
    """Give the first of a setting's secrets, which is the one that signs; empty if there is none."""
    return next(iter(split_commas(settings[name])), "")


def open_graph(http: HttpClient, settings: Mapping[str, str]) -> Graph:
    """Give the Graph API of WhatsApp, Messenger, and Instagram behind a page."""
    secret = signing_secret(settings, "META_APP_SECRETS")
    return Graph(http, settings["META_GRAPH_URL"], settings["META_GRAPH_VERSION"], secret)


def _decode(body: bytes) -> dict[str, Any] | None:
    if nested_beyond(body, MAX_DEPTH):
        return None
    try:
        answer = lenient.decode(body.decode())
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None

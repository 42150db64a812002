"""Instagram's own Graph host, which accounts connected by Instagram Login are served by.

Source: protocol reference 0.1, 5.2.
"""

from collections.abc import Mapping

from hookline.providers.http import HttpClient
from hookline.providers.meta.graph import Graph, signing_secret


def open_graph(http: HttpClient, settings: Mapping[str, str], *, versioned: bool = True) -> Graph:
    """Give Instagram's Graph API; its token end points have no version. Tokens are proved by the Instagram secret."""
    version = settings["META_GRAPH_VERSION"] if versioned else ""
    secret = signing_secret(settings, "INSTAGRAM_APP_SECRETS")
    return Graph(http, settings["INSTAGRAM_GRAPH_URL"], version, secret)

"""The platform's check of a callback before it tells it anything. Source: protocol reference 1.1."""

import aiohttp
from yarl import URL

from hookline.simulator.errors import Refusal

# Not in the reference: the code that the vendor's subscriptions answer when a callback fails the check.
CALLBACK_FAILED = 2200
_SECONDS = 10.0
_LONGEST_ANSWER = 4096


async def verify_callback(session: aiohttp.ClientSession, url: str, verify_token: str, challenge: str) -> None:
    """Ask the callback to repeat the challenge: 200, and the challenge as the whole body.

    Raises: Refusal.
    """
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    try:
        asked = URL(url).update_query(query)
        async with session.get(asked, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=_SECONDS)) as answer:
            body = await answer.content.read(_LONGEST_ANSWER)
            status, reason = answer.status, answer.reason
    except TimeoutError:
        raise _failed("no answer in time") from None
    except (aiohttp.ClientError, ValueError) as error:
        raise _failed(type(error).__name__) from None
    if status != 200:
        raise _failed(f"HTTP Status Code = {status}; HTTP Message = {reason}")
    if body != challenge.encode():
        raise _failed("the body of the answer is not the challenge")


def _failed(why: str) -> Refusal:
    message = f"Callback verification failed with the following errors: {why}"
    return Refusal(CALLBACK_FAILED, message=message)

"""Codes and tokens: how they are given, exchanged, prolonged and taken away.

Source: protocol reference 5.1 (user and page tokens), 5.2 (Instagram's), 5.3 (business tokens), 5.4 (revocation).
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hookline.simulator.access import cause_of_death
from hookline.simulator.records import App, Code, Page, Token, TokenKind
from hookline.simulator.simulator import Simulator

BASIC_SCOPE = "public_profile"
_TOKEN_PREFIX = {TokenKind.INSTAGRAM: "IGAA", TokenKind.USER: "EAAG", TokenKind.PAGE: "EAAP"}


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has allowed an app. granular: by scope, the ids it is limited to."""

    user_id: str
    scopes: Sequence[str]
    granular: Mapping[str, Sequence[str]] = {}


class Wrong(Exception):
    """A code that cannot be redeemed; says why. Each host has its own envelope for it."""

    def __init__(self, why: str, subcode: int) -> None:
        super().__init__(why)
        self.subcode = subcode


def give_code(
    sim: Simulator, app: App, consent: Consent, *, kind: TokenKind, redirect_uri: str | None, token_seconds: int = 0
) -> Code:
    """Make an authorization code. For Instagram, the consent's user is the Instagram account."""
    behaviour = sim.behaviour
    lives = {
        TokenKind.SYSTEM_USER: behaviour.signup_code_seconds,
        TokenKind.INSTAGRAM: behaviour.instagram_code_seconds,
    }.get(kind, behaviour.facebook_code_seconds)
    code = Code(
        value=sim.world.ids.token("code", "AQ"),
        app_id=app.id,
        user_id=consent.user_id,
        subject_id=consent.user_id,
        redirect_uri=redirect_uri,
        scopes=list(dict.fromkeys(consent.scopes)),
        granular={scope: list(targets) for scope, targets in consent.granular.items()},
        kind=kind,
        expires_at=sim.world.clock.now() + lives,
        token_seconds=token_seconds,
    )
    sim.world.records.codes[code.value] = code
    return code


def redeem(sim: Simulator, app: App, value: str, redirect_uri: str | None, kinds: Iterable[TokenKind]) -> Code:
    """Use a code up: single use, byte-identical redirect URI, in time (reference 5.1.3).

    Raises: Wrong. A code that was tried with another redirect URI is not used up.
    """
    code = sim.world.records.codes.get(value)
    if code is None or code.app_id != app.id or code.kind not in kinds:
        raise Wrong("Invalid verification code format.", 36007)
    if code.used:
        raise Wrong("This authorization code has been used.", 36009)
    if code.expires_at <= sim.world.clock.now():
        raise Wrong("This authorization code has expired.", 36007)
    if (code.redirect_uri or "") != (redirect_uri or ""):
        raise Wrong(
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used "
            "in the OAuth dialog request",
            36008,
        )
    code.used = True
    return code


def token_of_code(sim: Simulator, code: Code) -> Token:
    """Give the token that a redeemed code stands for: short-lived, but for a business's."""
    seconds = {
        TokenKind.SYSTEM_USER: code.token_seconds,
        TokenKind.INSTAGRAM: sim.behaviour.instagram_short_seconds,
    }.get(code.kind, sim.behaviour.user_token_seconds)
    consent = Consent(user_id=code.user_id, scopes=code.scopes, granular=code.granular)
    return give_token(sim, code.app_id, consent, kind=code.kind, subject_id=code.subject_id, seconds=seconds)


def give_token(
    sim: Simulator,
    app_id: str,
    consent: Consent,
    *,
    kind: TokenKind,
    subject_id: str,
    seconds: int,
    long_lived: bool = False,
) -> Token:
    """Make a token that lives so long; 0 is for ever."""
    now = sim.world.clock.seconds()
    token = Token(
        value=sim.world.ids.token("token", _TOKEN_PREFIX.get(kind, "EAAB")),
        kind=kind,
        app_id=app_id,
        user_id=consent.user_id,
        subject_id=subject_id,
        scopes=list(consent.scopes),
        granular={scope: list(targets) for scope, targets in consent.granular.items()},
        issued_at=now,
        expires_at=now + seconds if seconds else 0,
        data_access_expires_at=now + sim.behaviour.data_access_seconds,
        long_lived=long_lived,
    )
    return sim.world.add_token(token)


def prolong(sim: Simulator, token: Token) -> Token:
    """Give the long-lived token of the same grant."""
    consent = Consent(user_id=token.user_id, scopes=token.scopes, granular=token.granular)
    seconds = sim.behaviour.long_lived_seconds
    return give_token(
        sim,
        token.app_id,
        consent,
        kind=token.kind,
        subject_id=token.subject_id,
        seconds=seconds,
        long_lived=True,
    )


def page_token(sim: Simulator, user_token: Token, page: Page) -> Token:
    """Give the token for a page: without end from a long-lived user token, else with the user's (reference 5.1.6).

    The same user's token for the same page stays the same.
    """
    for token in sim.world.records.tokens.values():
        if (
            token.kind is TokenKind.PAGE
            and (token.subject_id, token.user_id, token.app_id) == (page.id, user_token.user_id, user_token.app_id)
            and (token.long_lived, token.scopes) == (user_token.long_lived, user_token.scopes)
            and not cause_of_death(sim.world, token)
        ):
            return token
    left = max(1, user_token.expires_at - sim.world.clock.seconds()) if user_token.expires_at else 0
    return give_token(
        sim,
        user_token.app_id,
        Consent(user_id=user_token.user_id, scopes=user_token.scopes, granular=user_token.granular),
        kind=TokenKind.PAGE,
        subject_id=page.id,
        seconds=0 if user_token.long_lived else left,
        long_lived=user_token.long_lived,
    )


def tokens_of(sim: Simulator, app_id: str, user_id: str) -> list[Token]:
    """All tokens that somebody's grants to an app have led to, page tokens included."""
    tokens = sim.world.records.tokens.values()
    return [token for token in tokens if token.app_id == app_id and token.user_id == user_id]


def kill_tokens(tokens: Iterable[Token], cause: str) -> int:
    """End tokens for a cause (a key of DEAD_TOKENS); how many that were."""
    ended = 0
    for token in tokens:
        ended += not token.dead
        token.dead = token.dead or cause
    return ended

"""Who calls the API: JSON Web Tokens in, principals out; and development's tokens."""

from datetime import UTC, datetime, timedelta

import jwt
import msgspec

from hookline.domain.errors import Unauthenticated, Unavailable
from hookline.domain.principal import Principal, Role

# The JWKS is fetched once and kept; PyJWT refreshes it when a token names a key it does not hold.
_JWKS_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA", "PS256"]


class AuthOptions(msgspec.Struct, frozen=True):
    """How tokens are verified: by a shared secret (HS256) or by published keys, never by both."""

    secret: str | None = None
    jwks_url: str | None = None
    audience: str | None = None
    issuer: str | None = None


class Authenticator:
    """Turns a bearer token into a principal."""

    def __init__(self, options: AuthOptions) -> None:
        self._options = options
        self._jwks = jwt.PyJWKClient(options.jwks_url, cache_keys=True) if options.jwks_url else None

    def authenticate(self, token: str) -> Principal:
        """Verify a token: signature, expiry (required), audience and issuer where configured.

        With published keys this may fetch them, and so block: call it from a thread then (`blocks`).
        Raises: Unauthenticated; Unavailable, if the published keys cannot be fetched.
        """
        options = self._options
        if self._jwks is None and not options.secret:
            raise Unauthenticated("no key is configured that could verify a token")
        try:
            key = self._jwks.get_signing_key_from_jwt(token).key if self._jwks else options.secret or ""
            claims = jwt.decode(
                token,
                key,
                algorithms=_JWKS_ALGORITHMS if self._jwks else ["HS256"],
                audience=options.audience,
                issuer=options.issuer,
                leeway=30,
                options={"require": ["exp", "sub"], "verify_aud": options.audience is not None},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired") from None
        except jwt.PyJWKClientConnectionError:
            raise Unavailable("the keys that verify tokens cannot be fetched now") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Unauthenticated("the token does not hold") from None
        return Principal(subject=str(claims["sub"]), organizations=_organizations(claims.get("organizations")))

    @property
    def blocks(self) -> bool:
        """Whether authenticating may wait for the network."""
        return self._jwks is not None


def _organizations(claim: object) -> dict[str, Role]:
    if not isinstance(claim, dict):
        raise Unauthenticated("the token's claim `organizations` must map organization ids to roles")
    known = set(Role)
    # A role that we do not know gives nothing; the others of the token still count.
    return {str(name): Role(role) for name, role in claim.items() if isinstance(role, str) and role in known}


def development_token(
    secret: str, organization_id: str, role: Role, *, options: AuthOptions, valid_for: timedelta
) -> str:
    """Make a token as the CRM would: for one organization and role."""
    now = datetime.now(UTC)
    claims: dict[str, object] = {
        "sub": f"development:{role.lower()}",
        "organizations": {organization_id: role.value},
        "iat": now,
        "exp": now + valid_for,
    }
    if options.audience:
        claims["aud"] = options.audience
    if options.issuer:
        claims["iss"] = options.issuer
    return jwt.encode(claims, secret, algorithm="HS256")

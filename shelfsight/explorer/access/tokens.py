"""Tokens: the secret of the settings, by which programs and, without a user file, people are let in."""

import hmac

from shelfsight.explorer.access.users import Role, User

MIN_TOKEN = 16  # characters
PROGRAM = "program"  # the name of whoever has the token and gives none


def bearer_of(authorization: str) -> str | None:
    """Returns the token of an Authorization header, or None where it has none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def user_of_token(presented: str, token: str, name: str = PROGRAM) -> User | None:
    """Returns the user of a presented token, a reviewer, if it is the token of the settings."""
    if not token or not hmac.compare_digest(presented.encode(), token.encode()):
        return None
    return User(name, Role.REVIEWER)

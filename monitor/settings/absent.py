"""Secrets that are not where the config is read, and what stands in for them while everything else is checked."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

ABSENT = "absent_secret"
"""Code of the errors that `absent` makes."""


class Unset(str):
    """A text of the config, as it is written, one of whose environment variables is not set; `problem` says which."""

    problem: str

    def __new__(cls, text: str, problem: str) -> Unset:
        """The text, and what is missing."""
        made = super().__new__(cls, text)
        made.problem = problem
        return made


class StandIn(str):
    """What a secret's place holds while the secret is absent."""


STAND_IN = StandIn("absent://nothing-can-be-sent-here")
"""Passes for a URL, a password, a token and a key; nobody understands it as an address."""


def absent(message: str) -> PydanticCustomError:
    """An error that says why a secret is not there, and everything else is in order as far as it is known."""
    return PydanticCustomError(ABSENT, "{message}", {"message": message})


def is_absent(secret: SecretStr) -> bool:
    """Whether this is what stands in for an absent secret."""
    return secret.get_secret_value() == STAND_IN

"""Tokens for OAUTHBEARER from an OAuth 2.0 token endpoint, by client credentials (RFC 6749, section 4.4)."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote_plus

import msgspec
import requests
from pydantic import SecretStr
from requests.auth import HTTPBasicAuth

_CONNECT_S, _READ_S = 4.0, 6.0
_MOST_BYTES = 65_536
_USED_FOR = 0.8
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_CODE = re.compile(r"[a-z_]{1,40}")


_LATER = frozenset({408, 425, 429})


class NoToken(Exception):
    """Why there is no token, in words without a secret."""


class EndpointAway(NoToken):
    """There is none now: the endpoint is not reached, or cannot answer. It comes back by itself."""


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class _Denied(msgspec.Struct):
    error: str = ""


class TokenEndpoint:
    """A token whenever it is called; one is used again for four fifths of its life. Safe to share between threads.

    Client and secret go in the header (`client_secret_basic`); no redirect is followed. Raises `NoToken`, of which `EndpointAway`
    ends by itself.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        secret: SecretStr,
        scope: str = "",
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._scope, self._monotonic = url, scope, monotonic
        self._client = client_id
        self._secret = secret
        self._lock = threading.Lock()
        self._held = SecretStr("")
        self._until = monotonic()

    def __call__(self) -> SecretStr:
        """A token that has not expired."""
        with self._lock:
            asked = self._monotonic()
            if asked >= self._until:
                granted = self._granted()
                self._held = SecretStr(granted.access_token)
                self._until = asked + _USED_FOR * granted.expires_in
            return self._held

    def _granted(self) -> _Granted:
        status, body = self._ask()
        if status != 200:
            away = status >= 500 or status in _LATER
            raise (EndpointAway if away else NoToken)(f"{self._url} answered {status}{_code(body)}")
        try:
            granted = msgspec.json.decode(body, type=_Granted)
        except msgspec.MsgspecError:
            raise NoToken(f"the answer of {self._url} is no JSON object with an access_token") from None
        if not _TOKEN.fullmatch(granted.access_token):
            raise NoToken(f"the access_token of {self._url} is no bearer token")
        return granted

    def _ask(self) -> tuple[int, bytes]:
        """Status and the beginning of the body."""
        form = {"grant_type": "client_credentials", **({"scope": self._scope} if self._scope else {})}
        proof = HTTPBasicAuth(quote_plus(self._client), quote_plus(self._secret.get_secret_value()))
        try:
            with requests.post(
                self._url,
                form,
                auth=proof,
                headers={"Accept": "application/json"},
                timeout=(_CONNECT_S, _READ_S),
                allow_redirects=False,
                stream=True,
            ) as answer:
                return answer.status_code, answer.raw.read(_MOST_BYTES, decode_content=True)
        except requests.exceptions.SSLError:
            raise NoToken(f"the certificate of {self._url} is not trusted") from None
        except requests.exceptions.ReadTimeout:
            raise EndpointAway(f"{self._url} is connected, but does not answer in time") from None
        except (requests.exceptions.RequestException, OSError):
            raise EndpointAway(f"no connection to {self._url}") from None


def _code(body: bytes) -> str:
    """The error code of an answer, as RFC 6749 spells them; nothing else of it is shown."""
    try:
        code = msgspec.json.decode(body, type=_Denied).error
    except msgspec.MsgspecError:
        return ""
    return f" ({code})" if _CODE.fullmatch(code) else ""

"""One GET to a URL that may hold a secret: the outbound heartbeat."""

from __future__ import annotations

import requests

_CONNECT_S, _READ_S = 4.0, 6.0


def get(url: str) -> str:
    """Ask for a URL, follow nothing, and say why it did not answer with a 2xx; "" if it did. The URL is in no reason."""
    try:
        with requests.get(url, timeout=(_CONNECT_S, _READ_S), allow_redirects=False, stream=True) as answer:
            return "" if answer.ok and not answer.is_redirect else f"the receiver answered {answer.status_code}"
    except requests.exceptions.SSLError:
        return "the receiver's certificate is not trusted"
    except requests.exceptions.ReadTimeout:
        return "connected, but no answer in time"
    except requests.exceptions.RequestException:
        return "no connection"

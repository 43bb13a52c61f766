"""Notifications over HTTP, mail and the rest through apprise. The one home of apprise, and of the requests it brings.

apprise itself answers only true or false. So what is Slack, or takes Slack's messages, goes through a plugin of ours that
keeps the receiver's answer, `Retry-After` included. Of every other service the status is read from what apprise would
have logged; a wait that such a service asks for is not known, and the relay's own backoff serves.

A destination's URL is a secret: it is in no error, reason, repr or log line. the logs of apprise and urllib3 go nowhere.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

import apprise
import requests
from apprise.plugins.base import NotifyBase

from monitor.alerting.alert import Delivery, Notification, Outcome, Severity
from monitor.alerting.answers import judge
from monitor.alerting.message import plain

CONNECT_S = 4.0
"""Longest wait for a connection, seconds."""

READ_S = 6.0
"""Longest wait for the answer, seconds."""

_ANSWER_BYTES = 4096
_SLACK_HOOK = "hooks.slack.com"
_SLACK_API = "https://slack.com/api/chat.postMessage"

_TYPES = {
    Severity.INFO: apprise.NotifyType.INFO,
    Severity.WARN: apprise.NotifyType.WARNING,
    Severity.PAGE: apprise.NotifyType.FAILURE,
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
}


class BadDestination(ValueError):
    """A destination's URL is not understood: correct the config. The message names the destination, never the URL."""


def slack_channel(token: str, channel: str) -> str:
    """The URL of a Slack channel that a bot posts to. It holds the token: treat it as a secret."""
    return f"slack://{quote(token, safe='')}/{quote(channel, safe='')}"


class SlackPlugin(NotifyBase):  # type: ignore[no-untyped-call]  # apprise leaves __init_subclass__ untyped
    """Posts one text to a Slack webhook, to Slack's web API, or to a receiver of the same messages; keeps the answer."""

    service_name = "Slack"  # type: ignore[assignment]  # apprise annotates the absence of a name only
    request_rate_per_sec = 0
    title_maxlen = 250
    body_maxlen = 35_000

    def __init__(
        self, address: str, token: str = "", channel: str = "", connect_s: float = 4, read_s: float = 6
    ) -> None:
        super().__init__(asset=_ASSET)  # type: ignore[no-untyped-call]  # untyped in apprise
        self.socket_connect_timeout = connect_s
        self.socket_read_timeout = read_s
        self.answer: Delivery | None = None
        self._address = address
        self._token = token
        self._channel = channel

    def send(
        self,
        body: str,
        title: str = "",
        notify_type: apprise.NotifyType = apprise.NotifyType.INFO,  # noqa: ARG002  # apprise's signature
        **_: Any,
    ) -> bool:
        """Try once; true if the receiver took it. `answer` then says what it said."""
        payload: dict[str, object] = {"text": f"*{title}*\n{body}", "unfurl_links": False, "unfurl_media": False}
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "loopwatch"}
        if self._channel:
            payload["channel"] = self._channel
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            with requests.post(
                self._address,
                data=json.dumps(payload),
                headers=headers,
                timeout=(self.socket_connect_timeout, self.socket_read_timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                body_read = response.raw.read(_ANSWER_BYTES, decode_content=True)
                self.answer = judge(response.status_code, response.headers, body_read)
        except requests.RequestException as error:
            self.answer = _unreached(error)
        return self.answer.outcome is Outcome.DELIVERED


class AppriseNotifier:
    """Sends to named destinations. One attempt lasts at most about `connect_s` + `read_s` seconds.

    `destinations` gives each name its URL: a Slack webhook (`https://hooks.slack.com/...` or `slack://T.../B.../...`), a
    bot's channel (`slack_channel`), a receiver of Slack's messages (`slackhook://host:port/path`, `slackhooks://` with
    TLS), or any other URL of apprise. Raises `BadDestination`.
    """

    def __init__(
        self, destinations: Mapping[str, str], *, connect_s: float = CONNECT_S, read_s: float = READ_S
    ) -> None:
        _hush(logging.getLogger("apprise"), logging.WARNING)
        _hush(logging.getLogger("urllib3"), logging.ERROR)
        self._plugins = {name: _plugin(name, url, connect_s, read_s) for name, url in destinations.items()}

    def __repr__(self) -> str:
        return f"AppriseNotifier({', '.join(sorted(self._plugins))})"

    def send(self, notification: Notification) -> Delivery:
        """Try once. An unknown destination is refused."""
        plugin = self._plugins.get(notification.destination)
        if plugin is None:
            return Delivery(
                outcome=Outcome.REFUSED, reason=f"no destination named {notification.destination!r} in the config"
            )
        try:
            if isinstance(plugin, SlackPlugin):
                return _send_slack(plugin, notification)
            return _send_other(plugin, notification)
        except Exception as error:  # noqa: BLE001  # a notifier never raises; a foreign error's text may hold the URL
            return Delivery(outcome=Outcome.RETRY, reason=f"sending failed with {type(error).__name__}")


class _Overheard(logging.Handler):
    """What apprise logs while one message is sent by this thread: the last HTTP status it names."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.status: int | None = None
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the status, nothing else."""
        found = re.findall(r"\berror=(\d{3})\b", record.getMessage())
        if found and record.thread == self._thread:
            self.status = int(found[-1])

    def __enter__(self) -> Self:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("apprise").removeHandler(self)


_ASSET = apprise.AppriseAsset(
    app_id="loopwatch",
    app_desc="loopwatch",
    app_url="",
    secure_logging=True,
    storage_mode=apprise.PersistentStoreMode.MEMORY,
)


def _hush(logger: logging.Logger, level: int) -> None:
    """Both libraries log addresses below `level`; the handler that drops keeps Python from printing the rest."""
    logger.setLevel(level)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _send_slack(plugin: SlackPlugin, notification: Notification) -> Delivery:
    plugin.answer = None
    plugin.notify(body=notification.text, title=notification.title)
    return plugin.answer or Delivery(outcome=Outcome.REFUSED, reason="apprise would not send this message")


def _send_other(plugin: NotifyBase, notification: Notification) -> Delivery:
    with _Overheard() as overheard:
        taken = plugin.notify(
            body=plain(notification.text), title=plain(notification.title), notify_type=_TYPES[notification.severity]
        )
    if taken:
        return Delivery(outcome=Outcome.DELIVERED)
    if overheard.status is not None and not 200 <= overheard.status < 300:
        return judge(overheard.status, {}, b"")
    return Delivery(outcome=Outcome.RETRY, reason="the service did not take it, or could not be reached")


def _unreached(error: requests.RequestException) -> Delivery:
    if isinstance(error, requests.ConnectTimeout):
        reason = "no connection in time"
    elif isinstance(error, requests.Timeout):
        reason = "connected, but no answer in time"
    elif isinstance(error, requests.exceptions.SSLError):
        reason = "the receiver's certificate was not accepted"
    elif isinstance(error, requests.ConnectionError):
        reason = "no connection"
    else:
        return Delivery(outcome=Outcome.REFUSED, reason=f"no request could be made: {type(error).__name__}")
    return Delivery(outcome=Outcome.RETRY, reason=reason)


def _plugin(name: str, url: str, connect_s: float, read_s: float) -> NotifyBase:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # apprise loads all its services, with what they import
            found = _slack(url, connect_s, read_s) or apprise.Apprise.instantiate(url, asset=_ASSET)
    except Exception:  # noqa: BLE001  # told below without its text, which may hold the URL
        found = None
    if not isinstance(found, NotifyBase):
        raise BadDestination(
            f"destination {name!r}: its URL is not understood (it is not shown, as it may hold a secret); allowed are "
            "Slack webhooks, slackhook://, slackhooks:// and the URLs of apprise, such as mailto:// or jsons://"
        )
    found.request_rate_per_sec = 0
    found.socket_connect_timeout = min(found.socket_connect_timeout, connect_s)
    found.socket_read_timeout = min(found.socket_read_timeout, read_s)
    return found


def _slack(url: str, connect_s: float, read_s: float) -> SlackPlugin | None:
    """The plugin of ours for a URL that Slack's messages go to; None for every other URL."""
    parts = urlsplit(url.strip())
    path = [unquote(each) for each in parts.path.split("/") if each]
    if parts.scheme in {"slackhook", "slackhooks"} and parts.hostname:
        scheme = "https" if parts.scheme == "slackhooks" else "http"
        channel = parse_qs(parts.query).get("channel", [""])[0]
        host = parts.netloc.rpartition("@")[2]
        return SlackPlugin(f"{scheme}://{host}{parts.path}", unquote(parts.username or ""), channel, connect_s, read_s)
    if parts.scheme == "https" and parts.hostname == _SLACK_HOOK and parts.path.startswith("/services/"):
        return SlackPlugin(f"https://{_SLACK_HOOK}{parts.path}", "", "", connect_s, read_s)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "slack" and host.startswith("T") and len(path) == 2 and path[0].startswith("B"):
        return SlackPlugin(f"https://{_SLACK_HOOK}/services/{host}/{path[0]}/{path[1]}", "", "", connect_s, read_s)
    channel = path[0] if len(path) == 1 else f"#{unquote(parts.fragment)}" if parts.fragment and not path else ""
    if parts.scheme == "slack" and host.startswith("xox") and channel:
        return SlackPlugin(_SLACK_API, unquote(host), channel, connect_s, read_s)
    return None

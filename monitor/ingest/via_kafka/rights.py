"""Which topics the brokers hide from this user.

A consumer's own look at the topics leaves those out, as if they did not exist; only who asks for them by name is told.
"""

from __future__ import annotations

from collections.abc import Collection

from kafka import KafkaAdminClient  # type: ignore[import-untyped]  # ships no types
from kafka.errors import KafkaError, TopicAuthorizationFailedError  # type: ignore[import-untyped]  # ships no types

from monitor.ingest.via_kafka.access import access_options
from monitor.ingest.via_kafka.settings import KafkaReading


def denied(reading: KafkaReading, topics: Collection[str]) -> frozenset[str]:
    """Those of the topics that this user may not see; none if the brokers do not answer."""
    try:
        with KafkaAdminClient(
            **access_options(reading.access),
            bootstrap_timeout_ms=reading.connect_timeout_ms,
            request_timeout_ms=reading.request_timeout_ms,
        ) as admin:
            told = admin.describe_topics(sorted(topics))
    except TopicAuthorizationFailedError:
        return frozenset(topics)
    except KafkaError:
        return frozenset()
    code = TopicAuthorizationFailedError.errno
    return frozenset(each["name"] for each in told if each["error_code"] == code)

"""A broker that wants TLS, a proof of who we are, and rights: all of it right, and each of it wrong once."""

from __future__ import annotations

import base64
import gc
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from pydantic import SecretStr

from monitor import app
from monitor.ingest.source import SourceError, SourceRefused, SourceUnavailable
from monitor.ingest.via_kafka import KafkaAccess, KafkaReading, KafkaSource, Sasl, Tls, TokenEndpoint
from tests.servers.webhook import Answer, refusing_port, webhook

if TYPE_CHECKING:
    from tests.servers.kafka_secure import SecuredKafka

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),  # the client's, where it could not connect
]

POLLS = 60
USER = "reader"
CLIENT_SECRET = "a secret/of ours"  # of a client of the test's own endpoint
Mechanism = Literal["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"]
MECHANISMS: tuple[Mechanism, ...] = ("PLAIN", "SCRAM-SHA-512", "OAUTHBEARER")


@pytest.fixture
def secured(secured_kafka: SecuredKafka) -> SecuredKafka:
    return secured_kafka


@pytest.fixture(autouse=True)
def _sockets_are_collected_here() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def topic(secured: SecuredKafka) -> str:
    """A topic with one record that the user may read."""
    name = secured.create_topic(f"topic-{uuid.uuid4().hex[:12]}")
    secured.allow("READ", name)
    secured.produce(name, [b"1"])
    return name


@pytest.fixture
def opened(secured: SecuredKafka) -> Iterator[Callable[..., KafkaSource]]:
    sources: list[KafkaSource] = []

    def make(topic: str, sasl: Sasl | None, *, listener: str = "secure", trust: Path | None = None) -> KafkaSource:
        tls = Tls(trust or secured.authority)
        access = KafkaAccess((secured.address(listener),), tls=tls, sasl=sasl)
        source = KafkaSource(KafkaReading(access, (topic,), start="earliest", connect_timeout_ms=4_000))
        sources.append(source)
        return source

    yield make
    for source in sources:
        source.close()


def proof(secured: SecuredKafka, mechanism: Mechanism) -> Sasl:
    if mechanism == "OAUTHBEARER":
        return Sasl(mechanism, token=lambda: SecretStr(secured.token(USER)))
    return Sasl(mechanism, USER, SecretStr(secured.password))


def read(source: KafkaSource, count: int = 1) -> list[bytes | None]:
    found: list[bytes | None] = []
    for _ in range(POLLS):
        found += [value for block in source.poll(100, 200) for value in block.values]
        if len(found) >= count:
            break
    return found


def refusal(source: KafkaSource) -> str:
    with pytest.raises(SourceRefused) as refused:
        poll_until_it_fails(source)
    return str(refused.value)


def poll_until_it_fails(source: KafkaSource) -> None:
    for _ in range(POLLS):
        source.poll(10, 100)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_over_tls_with_the_right_proof_a_user_who_may_read_reads(
    mechanism: Mechanism, secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    assert read(opened(topic, proof(secured, mechanism))) == [b"1"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_refused_and_not_told(
    mechanism: Mechanism, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    words = refusal(opened(topic, Sasl(mechanism, USER, SecretStr("n0t-the-password"))))
    assert f"refused the user or the password (user 'reader', {mechanism})" in words
    assert "n0t-the-password" not in words


def test_a_token_that_has_expired_is_refused_and_not_told(
    secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    token = secured.token(seconds=-3_600)
    words = refusal(opened(topic, Sasl("OAUTHBEARER", token=lambda: SecretStr(token))))
    assert "refused the token (OAUTHBEARER)" in words
    assert token not in words
    assert token.split(".")[1] not in words


def test_a_token_is_asked_for_anew_at_each_connection(
    secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    tokens = iter([secured.token(seconds=-3_600)])
    source = opened(topic, Sasl("OAUTHBEARER", token=lambda: SecretStr(next(tokens, None) or secured.token())))
    refusal(source)
    assert read(source) == [b"1"]


def from_endpoint(config: Path, url: str, brokers: str, authority: Path) -> KafkaAccess:
    """What a config says of the brokers, as the daemon reads it."""
    config.write_text(
        f"kafka:\n  brokers: {brokers}\n  tls: {{ ca_file: {authority} }}\n  sasl:\n    mechanism: OAUTHBEARER\n"
        f"    token: {{ endpoint: '{url}', client_id: loopwatch, client_secret: '{CLIENT_SECRET}', scope: kafka }}\n"
        "notify: { nobody: 'json://127.0.0.1:1/' }\nmodel: feed\nkind: classifier\nwindow: 10m\n"
        "predictions: { topic: slates, id: slate, time: at, score: score }\n"
    )
    read = app.read_config(config)
    assert CLIENT_SECRET in read.secrets()
    assert CLIENT_SECRET not in repr(read.loaded.settings)
    assert read.loaded.settings.kafka is not None
    return app.kafka_source(read.loaded.settings.kafka, read.plans.models[0]).reading.access


def test_a_token_of_an_endpoint_opens_the_door_and_is_fetched_once(
    secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource], tmp_path: Path
) -> None:
    granted = {"access_token": secured.token(USER), "token_type": "Bearer", "expires_in": 3_600}
    with webhook(Answer(body=json.dumps(granted).encode())) as endpoint:
        url = endpoint.url("http", "/token")
        access = from_endpoint(tmp_path / "loopwatch.yaml", url, secured.address("secure"), secured.authority)
        assert read(opened(topic, access.sasl)) == [b"1"]
        assert read(opened(topic, access.sasl)) == [b"1"]
        (request,) = endpoint.received
    assert request.body == b"grant_type=client_credentials&scope=kafka"
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'loopwatch:a+secret%2Fof+ours').decode()}"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Answer(401, body=b'{"error": "invalid_client", "error_description": "hidden"}'),
            "answered 401 (invalid_client)",
        ),
        (Answer(302, {"Location": "http://127.0.0.1:1/hidden"}), "answered 302"),
        (Answer(body=b'{"token": "hidden"}'), "is no JSON object with an access_token"),
        (Answer(body=b'{"access_token": "a\\u0001hidden"}'), "is no bearer token"),
    ],
)
def test_an_endpoint_that_gives_no_token_is_said_and_no_secret_is(
    answer: Answer, words: str, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    with webhook(*[answer] * 20) as endpoint:
        token = TokenEndpoint(endpoint.url("http", "/token"), "loopwatch", SecretStr(CLIENT_SECRET))
        said = refusal(opened(topic, Sasl("OAUTHBEARER", token=token)))
    assert "the token cannot be had: " in said
    assert words in said
    assert CLIENT_SECRET not in said
    assert "hidden" not in said


def test_an_endpoint_that_is_away_is_told_as_such_and_reading_begins_once_it_is_back(
    secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    port, granted = refusing_port(), json.dumps({"access_token": secured.token(USER)}).encode()
    url = f"http://127.0.0.1:{port}/token"
    source = opened(topic, Sasl("OAUTHBEARER", token=TokenEndpoint(url, "loopwatch", SecretStr(CLIENT_SECRET))))

    def away() -> str:
        with pytest.raises(SourceUnavailable, match="the token cannot be had, its endpoint is away: ") as told:
            poll_until_it_fails(source)
        return str(told.value)

    assert away().endswith(f"no connection to {url}")
    with webhook(*[Answer(503)] * 20, port=port):
        assert away().endswith(f"{url} answered 503")
    with webhook(*[Answer(body=granted)] * 20, port=port):
        assert read(source) == [b"1"]


def test_a_token_that_cannot_be_had_is_said(topic: str, opened: Callable[..., KafkaSource], tmp_path: Path) -> None:
    def token() -> SecretStr:
        return SecretStr((tmp_path / "absent").read_text())

    with pytest.raises(SourceError, match="the token cannot be had: FileNotFoundError"):
        poll_until_it_fails(opened(topic, Sasl("OAUTHBEARER", token=token)))


def test_an_authority_that_did_not_sign_the_broker_is_told(
    secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource], tmp_path: Path
) -> None:
    from tests.servers.certificates import Authority

    other = Authority(tmp_path, "another-authority").certificate
    words = refusal(opened(topic, proof(secured, "SCRAM-SHA-512"), trust=other))
    assert f"the certificate of Kafka broker {secured.address('secure')} is not trusted" in words
    assert secured.password not in words


def test_a_certificate_that_has_expired_is_told(
    secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    words = refusal(opened(topic, None, listener="expired"))
    assert (
        words == f"the certificate of Kafka broker {secured.address('expired')} is not trusted: certificate has expired"
    )


def test_a_certificate_of_another_host_is_told_and_may_be_allowed(
    secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    source = opened(topic, None, listener="foreign")
    assert "IP address mismatch" in refusal(source)
    unchecked = replace(source.reading.access, tls=Tls(secured.authority, check_hostname=False))
    lenient = KafkaSource(replace(source.reading, access=unchecked))
    assert read(lenient) == [b"1"]
    lenient.close()


def test_with_read_on_its_topics_and_nothing_else_everything_works(
    secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    source = opened(topic, proof(secured, "SCRAM-SHA-512"))
    assert read(source) == [b"1"]
    secured.add_partitions(topic, 2)
    secured.produce(topic, [b"2"], partition=1)
    assert read(source) == [b"2"]
    assert set(source.behind().values()) == {0}


@pytest.mark.parametrize("rights", [[], ["DESCRIBE"], ["WRITE"]])
def test_without_read_it_is_said_which_right_is_missing_on_what(
    rights: list[str], secured: SecuredKafka, opened: Callable[..., KafkaSource]
) -> None:
    name = secured.create_topic(f"topic-{uuid.uuid4().hex[:12]}")
    for right in rights:
        secured.allow(right, name)
    words = refusal(opened(name, proof(secured, "SCRAM-SHA-512")))
    assert f"do not permit user 'reader' to read {name!r}" in words
    assert f"--add --allow-principal User:reader --operation Read --topic {name}" in words
    assert secured.password not in words


def test_a_right_that_is_taken_away_while_reading_is_told_and_reading_goes_on_once_it_is_back(
    secured: SecuredKafka, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    source = opened(topic, proof(secured, "PLAIN"))
    assert read(source) == [b"1"]
    secured.forbid(topic)
    secured.produce(topic, [b"2"])
    assert "do not permit user 'reader' to read" in refusal(source)
    secured.allow("READ", topic)
    found: list[bytes | None] = []
    for _ in range(POLLS):
        try:
            found += read(source)
        except SourceError:
            time.sleep(0.2)
            continue
        break
    assert found == [b"2"]


def test_with_a_token_the_right_is_asked_for_without_a_name(
    secured: SecuredKafka, opened: Callable[..., KafkaSource]
) -> None:
    name = secured.create_topic(f"topic-{uuid.uuid4().hex[:12]}")
    words = refusal(opened(name, proof(secured, "OAUTHBEARER")))
    assert f"do not permit this user to read {name!r}" in words

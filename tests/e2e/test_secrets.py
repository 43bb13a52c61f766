"""A secret is planted in every place of a config that takes one; everything runs, well and badly; and it is found nowhere."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import numpy as np
import pytest
import sqlalchemy as sa

from monitor import settings
from monitor.clock import SystemClock
from monitor.ingest.identity import Identities, key_of
from monitor.store.via_sql import SqlStore
from tests.e2e.daemons import RunningDaemon, loopwatch
from tests.servers.kafka_secure import written_secret
from tests.servers.webhook import Answer, Webhook, webhook

if TYPE_CHECKING:
    from tests.servers.kafka_secure import SecuredKafka
    from tests.servers.postgres import PostgresCluster

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

START = 1_704_067_200_000
PERSON = "person-jane.doe@example.org"
SECRETS = {
    "SaslSettings": "s4sl+pa/ss word-71c0",
    "TokenSettings": "t0ken/client+secret 8d1e",
    "DatabaseSettings": "d4ta/base@secret-52b1",
    "Destination": "h00k-t0ken-secret-93e4",
    "HttpSettings": "b3arer-token-secret-15fd",
    "IdSettings": "ids-k3y-secret-of-many-characters-88",
    "HeartbeatSettings": "h3artbeat-secret-2c7a",
}
"""By the settings type that holds it."""
OUR_TEXTS = ("SaslSettings", "Destination", "HttpSettings", "IdSettings", "HeartbeatSettings")

CONFIG = """
rehearsal: 0s
kafka:
  brokers: ["{broker}"]
  tls: {{ ca_file: "{authority}" }}
  sasl: {{ mechanism: SCRAM-SHA-512, user: reader, {sasl} }}
  start: earliest
database: {{ {database} }}
slack: {{ {slack} }}
notify: {{ digest: {{ {notify} }} }}
teams: {{ default: {{ page: slack, digest: digest }} }}
http: {{ port: 0, {http} }}
ids: {{ {ids} }}
heartbeat: {{ {heartbeat}, every: 1s }}
model: feed
kind: classifier
window: 1m
predictions: {{ topic: {topic}, id: slate, time: at, unit: who, score: score, keep_raw: true }}
"""


def schema_types() -> Iterator[str]:
    """Names of the settings types that have a secret in them."""
    for name, kind in settings.json_schema()["$defs"].items():
        if "'secret'" in str(kind.get("properties", {})):
            yield name


def spellings(secret: str) -> set[str]:
    return {
        secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(), base64.b64encode(secret.encode()).decode().rstrip("="), secret.encode().hex(),
    }  # fmt: skip


class Seen:
    """Everything that anybody could have seen."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []

    def add(self, where: str, text: str | bytes) -> None:
        self.texts.append((where, text if isinstance(text, str) else text.decode("latin-1")))

    def command(self, *words: str, config: Path, env: dict[str, str]) -> int:
        done = loopwatch(*words, "--config", str(config), env=env)
        self.add(" ".join(words), done.stdout + done.stderr)
        return done.returncode

    def database(self, url: str) -> None:
        engine, tables = sa.create_engine(url), sa.MetaData()
        with engine.connect() as connection:
            tables.reflect(connection)
            for table in tables.sorted_tables:
                for row in connection.execute(sa.select(table)):
                    for value in row:
                        self.add(f"table {table.name}", value if isinstance(value, bytes) else str(value))
        engine.dispose()

    def holding(self, text: str) -> list[str]:
        return [where for where, said in self.texts if any(spelled in said for spelled in spellings(text))]


def page(daemon: RunningDaemon, path: str, token: str = "") -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(daemon.address() + path.removeprefix("/"), headers=headers)  # noqa: S310  # loopback
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  # loopback
            return f"{response.status} {response.headers} {response.read().decode()}"
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.headers} {error.read().decode()}"


def with_password(url: str, password: str) -> str:
    head, _, tail = url.partition("://")
    user, _, rest = tail.partition("@")
    return f"{head}://{user.partition(':')[0]}:{quote(password, safe='')}@{rest}"


def records() -> list[bytes | None]:
    good = [
        json.dumps({"slate": f"s{n}", "at": START + n * 3_000, "who": f"{PERSON}-{n % 5}", "score": n})
        for n in range(200)
    ]
    bad = [json.dumps({"slate": f"g{n}", "at": "never", "score": n}) for n in range(80)]
    return [body.encode() for body in [*good, *bad]]


@pytest.fixture
def failing_hook() -> Iterator[Webhook]:
    with webhook(*[Answer(500, body=b"no")] * 50) as server:
        yield server


def test_every_place_that_takes_a_secret_is_tried_here() -> None:
    assert set(schema_types()) == SECRETS.keys()


def test_a_planted_secret_is_found_nowhere(
    secured_kafka: SecuredKafka, postgres_cluster: PostgresCluster, failing_hook: Webhook, tmp_path: Path
) -> None:
    topic = secured_kafka.create_topic(f"secrets-{os.urandom(4).hex()}")
    secured_kafka.allow("READ", topic)
    secured_kafka.produce(topic, records())
    database = with_password(postgres_cluster.create_database(f"s_{os.urandom(4).hex()}"), SECRETS["DatabaseSettings"])
    hook = failing_hook.url("slackhook", f"/services/T0/B0/{SECRETS['Destination']}")
    beat = failing_hook.url("http", f"/beat/{SECRETS['HeartbeatSettings']}")
    given: dict[str, tuple[str, str]] = {
        "sasl": ("password", SECRETS["SaslSettings"]),
        "database": ("url", database),
        "slack": ("url", hook),
        "notify": ("url", hook.replace("slackhook", "json")),
        "http": ("token", SECRETS["HttpSettings"]),
        "ids": ("key", SECRETS["IdSettings"]),
        "heartbeat": ("url", beat),
    }
    fixed = {"broker": secured_kafka.address("secure"), "authority": secured_kafka.authority, "topic": topic}
    env = {name.upper(): secret for name, (_, secret) in given.items()}
    of_environment = tmp_path / "environment" / "loopwatch.yaml"
    of_environment.parent.mkdir()
    of_environment.write_text(
        CONFIG.format(**fixed, **{name: f'{key}: "${{{name.upper()}}}"' for name, (key, _) in given.items()})
    )
    of_files = tmp_path / "files" / "loopwatch.yaml"
    of_files.parent.mkdir()
    right = given | {"sasl": ("password", secured_kafka.password)}
    for name, (_, secret) in right.items():
        written_secret(of_files.parent, name, secret)
    of_files.write_text(CONFIG.format(**fixed, **{name: f"{key}_file: {name}" for name, (key, _) in right.items()}))
    seen, debugging = Seen(), ("--log-level", "debug")

    assert seen.command("db", "upgrade", config=of_environment, env=env) == 0
    with RunningDaemon(of_environment, env, arguments=debugging) as daemon:
        daemon.wait("the password is refused", lambda: "refused" in str(daemon.parts().get("models", "")))
        seen.add("readyz", page(daemon, "/readyz"))
        assert daemon.terminate() == 0
        seen.add("log of the refused", daemon.err.read_text() + daemon.out.read_text())
    assert "refused the user or the password (user 'reader', SCRAM-SHA-512)" in seen.texts[-1][1]

    of_tokens = tmp_path / "tokens" / "loopwatch.yaml"
    of_tokens.parent.mkdir()
    with webhook(*[Answer(500, body=b"no")] * 50) as endpoint:
        fetched = (
            f"{{ endpoint: '{endpoint.url('http', '/token')}', client_id: reader, client_secret: \"${{TOKEN}}\" }}"
        )
        of_tokens.write_text(
            of_environment.read_text().replace(
                'mechanism: SCRAM-SHA-512, user: reader, password: "${SASL}"',
                f"mechanism: OAUTHBEARER, token: {fetched}",
            )
        )
        with RunningDaemon(of_tokens, env | {"TOKEN": SECRETS["TokenSettings"]}, arguments=debugging) as daemon:
            daemon.wait(
                "no token can be had", lambda: "the token cannot be had" in str(daemon.parts().get("models", ""))
            )
            seen.add("readyz", page(daemon, "/readyz"))
            assert daemon.terminate() == 0
            seen.add("log of the one without a token", daemon.err.read_text() + daemon.out.read_text())
        assert endpoint.received

    with RunningDaemon(of_files, {}, arguments=debugging) as daemon:
        token = SECRETS["HttpSettings"]
        with closing(SqlStore(database, SystemClock())) as store:
            daemon.wait("dead letters are stored", lambda: store.status("feed")["rejects"] >= 80, seconds=90)
            daemon.wait(
                "somebody is told of the rejects",
                lambda: any(b"rejects.predictions" in request.body for request in failing_hook.received),
                seconds=90,
            )
        for path in ("/", "/healthz", "/readyz", "/metrics", "/absent"):
            for shown in ("", token, "wrong"):
                seen.add(f"{path} {bool(shown)}", page(daemon, path, shown))
        for words in (
            ["status"], ["status", "--json"], ["check"], ["dead-letters", "list", "--model", "feed"],
            ["audit", "verify"], ["reference", "list"], ["arm", "--model", "feed"], ["status", "--model", "absent"],
        ):  # fmt: skip
            seen.command(*words, config=of_files, env={})
        assert daemon.terminate() == 0
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE pages SET data = :broken WHERE room = 'progress'"), {"broken": b"\x00broken"}
        )
    with RunningDaemon(of_files, {}, name="broken", arguments=debugging) as daemon:
        daemon.wait("it fails with a traceback", lambda: "Traceback" in daemon.err.read_text())
        seen.add("readyz", page(daemon, "/readyz"))
        assert daemon.terminate() == 0
        seen.add("log of the broken", daemon.err.read_text() + daemon.out.read_text())
    engine.dispose()
    seen.add("log", (of_files.parent / "daemon.err").read_text() + (of_files.parent / "daemon.out").read_text())
    bodies = [request.body for request in failing_hook.received]
    assert any(b"rejects.predictions" in body for body in bodies)
    for body in bodies:
        seen.add("notification", body)
    seen.database(database)

    assert len(seen.texts) > 200
    for secret in [*SECRETS.values(), secured_kafka.password]:
        assert seen.holding(secret) == []
    assert seen.holding(PERSON) == []
    _ids_need_the_key(seen)


def _ids_need_the_key(seen: Seen) -> None:
    """The tables hold people's ids as hashes that nobody can make who lacks the key."""
    stored = [text.encode("latin-1") for where, text in seen.texts if where in ("table pages", "table chunks")]

    def hashes(key: bytes) -> int:
        wanted = [np.uint64(Identities(key).of(f"{PERSON}-{n}")).tobytes() for n in range(5)]
        return sum(any(each in body for body in stored) for each in wanted)

    assert hashes(key_of("feed", SECRETS["IdSettings"])) == 5
    assert hashes(key_of("feed")) == 0
    assert hashes(b"") == 0

"""A real Apache Kafka on loopback, in KRaft mode: brokers that a test may stop, kill and start again.

Each broker listens in clear, with SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) and with TLS, on free ports. The one user
gets a password that is new for each cluster.
"""

from __future__ import annotations

import base64
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition  # type: ignore[import-untyped]  # ships no types
from kafka.admin import NewPartitions, NewTopic  # type: ignore[import-untyped]  # ships no types
from kafka.errors import InvalidReplicationFactorError, KafkaError  # type: ignore[import-untyped]  # ships no types

from tests.servers.kafka_jars import classpath, java

HOST = "127.0.0.1"
USER = "reader"
STARTED_WITHIN = 90.0


def free_ports(count: int) -> list[int]:
    """Different TCP ports of loopback that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass
class Broker:
    """One JVM: broker and controller. `process` is None while it is down."""

    node: int
    directory: Path
    clear: int
    controller: int
    sasl: int
    tls: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """What the JVM printed, over all its starts."""
        return self.directory / "output.log"

    @property
    def settings(self) -> Path:
        """Its server.properties."""
        return self.directory / "server.properties"

    def up(self) -> bool:
        """The process is alive."""
        return self.process is not None and self.process.poll() is None


class KafkaCluster:
    """One broker, or three. Started by `start`; `stop` also removes its files."""

    def __init__(self, brokers: int = 1) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="loopwatch-kafka-"))
        self.password = secrets.token_hex(12)
        self.authority = self.directory / "ca.pem"
        ports = iter(free_ports(4 * brokers))
        self.brokers = {
            node: Broker(node, self.directory / f"node-{node}", next(ports), next(ports), next(ports), next(ports))
            for node in range(1, brokers + 1)
        }

    @property
    def bootstrap(self) -> list[str]:
        """Addresses in clear text."""
        return [f"{HOST}:{broker.clear}" for broker in self.brokers.values()]

    @property
    def sasl_bootstrap(self) -> list[str]:
        """Addresses that want the user's password."""
        return [f"{HOST}:{broker.sasl}" for broker in self.brokers.values()]

    @property
    def tls_bootstrap(self) -> list[str]:
        """Addresses with TLS; `authority` is the certificate to trust."""
        return [f"{HOST}:{broker.tls}" for broker in self.brokers.values()]

    def start(self) -> None:
        """Format the storage, start every broker, wait until all of them answer. Raises `NoKafka`, `RuntimeError`."""
        self._make_certificate()
        identity = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        for broker in self.brokers.values():
            broker.directory.mkdir()
            broker.settings.write_text(self._properties(broker))
            self._format(broker, identity)
        for broker in self.brokers.values():
            self._launch(broker)
        self.wait_until_ready()

    def stop(self) -> None:
        """Shut every broker down and remove the files."""
        for broker in self.brokers.values():
            if broker.process is not None and broker.up():
                broker.process.kill()
                broker.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self, node: int = 1) -> None:
        """SIGKILL one broker: a crash."""
        self._end(node, signal.SIGKILL)

    def shut_down(self, node: int = 1) -> None:
        """SIGTERM one broker and wait: an orderly end."""
        self._end(node, signal.SIGTERM)

    def restart(self, node: int = 1) -> None:
        """Start a broker that is down, on its old ports and data; wait until all running ones answer."""
        self._launch(self.brokers[node])
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = STARTED_WITHIN) -> None:
        """Return when every running broker answers and is known to the others. Raises `RuntimeError` with the log's end."""
        deadline = time.monotonic() + seconds
        running = [broker for broker in self.brokers.values() if broker.process is not None]
        while True:
            for broker in running:
                if not broker.up():
                    raise RuntimeError(f"Kafka node {broker.node} ended while starting:\n{tail(broker.log)}")
            if all(answers(broker.clear) for broker in running) and self._known() >= len(running):
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"Kafka did not answer within {seconds} s:\n{tail(running[0].log)}")
            time.sleep(0.2)

    def create_topic(
        self, name: str, partitions: int = 1, replicas: int = 1, config: Mapping[str, str] | None = None
    ) -> str:
        """Create a topic and wait until it can be used; returns its name."""
        wanted = NewTopic(name, partitions, replicas, topic_configs=dict(config or {}))
        deadline = time.monotonic() + STARTED_WITHIN
        with self.admin() as admin:
            while True:
                try:
                    admin.create_topics([wanted])
                    break
                except InvalidReplicationFactorError:  # a broker that has just come back is not counted at once
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
            admin.wait_for_topics([name])
        return name

    def leader(self, topic: str, partition: int = 0) -> int:
        """The node that leads a partition now."""
        with self.admin() as admin:
            (described,) = admin.describe_topics([topic])
        return int(next(each["leader_id"] for each in described["partitions"] if each["partition_index"] == partition))

    def add_partitions(self, topic: str, total: int) -> None:
        """Grow a topic to `total` partitions."""
        with self.admin() as admin:
            admin.create_partitions({topic: NewPartitions(total)})

    def delete_topic(self, name: str) -> None:
        """Delete a topic."""
        with self.admin() as admin:
            admin.delete_topics([name])

    def delete_records(self, topic: str, before: int, partition: int = 0) -> None:
        """Drop a partition's records before an offset, as retention does."""
        with self.admin() as admin:
            admin.delete_records({TopicPartition(topic, partition): before})

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        partition: int = 0,
        keys: Sequence[bytes | None] | None = None,
        headers: Sequence[Sequence[tuple[str, bytes]]] | None = None,
        timestamps: Sequence[int] | None = None,
        **settings: Any,
    ) -> None:
        """Write records and wait until the brokers have them. `settings` go to the producer."""
        with KafkaProducer(bootstrap_servers=self.bootstrap, **settings) as producer:
            sent = [
                producer.send(
                    topic,
                    value,
                    partition=partition,
                    key=keys[i] if keys else None,
                    headers=list(headers[i]) if headers else None,
                    timestamp_ms=timestamps[i] if timestamps else None,
                )
                for i, value in enumerate(values)
            ]
            producer.flush()
            for each in sent:
                each.get(timeout=30)

    def admin(self) -> KafkaAdminClient:
        """An administration client: a context manager."""
        return KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def _known(self) -> int:
        try:
            with self.admin() as admin:
                return len(admin.describe_cluster()["brokers"])
        except KafkaError:
            return 0

    def _end(self, node: int, how: signal.Signals) -> None:
        broker = self.brokers[node]
        if broker.process is None:
            raise RuntimeError(f"Kafka node {node} is down already")
        broker.process.send_signal(how)
        broker.process.wait(timeout=60)
        broker.process = None

    def _launch(self, broker: Broker) -> None:
        with broker.log.open("ab") as output:
            broker.process = subprocess.Popen(
                [*jvm(), "kafka.Kafka", str(broker.settings)], stdout=output, stderr=output, start_new_session=True
            )

    def _format(self, broker: Broker, identity: str) -> None:
        command = [*jvm(), "kafka.tools.StorageTool", "format", "--cluster-id", identity]
        command += ["--config", str(broker.settings)]
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            command += ["--add-scram", f"{mechanism}=[name={USER},password={self.password}]"]
        if len(self.brokers) == 1:
            command += ["--standalone"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"Kafka's storage could not be formatted: {done.stdout}{done.stderr}")

    def _properties(self, broker: Broker) -> str:
        return properties(broker, self.brokers, self._keystore(), self.password)

    def _keystore(self) -> Path:
        return self.directory / "broker.p12"

    def _make_certificate(self) -> None:
        keytool = [str(Path(java()).resolve().with_name("keytool")), "-keystore", str(self._keystore())]
        keytool += ["-storepass", self.password, "-alias", "broker"]
        made = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=broker", "-ext", f"san=ip:{HOST}", "-storetype", "PKCS12"]
        subprocess.run([*keytool, *made], check=True, capture_output=True)
        subprocess.run([*keytool, "-exportcert", "-rfc", "-file", str(self.authority)], check=True, capture_output=True)


def jvm() -> list[str]:
    """The command up to the main class: small, quick to start, quiet."""
    flags = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return [java(), *flags, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath()]


def properties(broker: Broker, all_brokers: Mapping[int, Broker], keystore: Path, password: str) -> str:
    """The text of a broker's server.properties."""
    listeners = {"PLAINTEXT": broker.clear, "SASL": broker.sasl, "TLS": broker.tls, "CONTROLLER": broker.controller}
    spelled = ",".join(f"{name}://{HOST}:{port}" for name, port in listeners.items())
    replicas = min(3, len(all_brokers))
    login = "org.apache.kafka.common.security"
    scram = f"{login}.scram.ScramLoginModule required;"
    if len(all_brokers) == 1:
        quorum = f"controller.quorum.bootstrap.servers={HOST}:{broker.controller}"
    else:
        voters = ",".join(f"{each.node}@{HOST}:{each.controller}" for each in all_brokers.values())
        quorum = f"controller.quorum.voters={voters}"
    return f"""\
process.roles=broker,controller
node.id={broker.node}
{quorum}
controller.listener.names=CONTROLLER
listeners={spelled}
advertised.listeners={spelled}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_{USER}="{password}";
listener.name.sasl.scram-sha-256.sasl.jaas.config={scram}
listener.name.sasl.scram-sha-512.sasl.jaas.config={scram}
listener.name.tls.ssl.keystore.type=PKCS12
listener.name.tls.ssl.keystore.location={keystore}
listener.name.tls.ssl.keystore.password={password}
listener.name.tls.ssl.key.password={password}
log.dirs={broker.directory / "data"}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={min(2, replicas)}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={min(2, replicas)}
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
auto.create.topics.enable=false
"""


def answers(port: int) -> bool:
    """Something on loopback takes connections at this port."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex((HOST, port)) == 0


def tail(log: Path, lines: int = 30) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])

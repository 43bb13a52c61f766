"""A real Apache Kafka that lets nobody in who does not prove who he is, and nobody do what no ACL allows.

Its clear listener is for the test itself, which is a super user there. The others use TLS:

    secure    SASL: PLAIN, SCRAM-SHA-512, OAUTHBEARER (tokens of which nobody checks the signature)
    expired   a certificate that was valid until yesterday
    foreign   a certificate for another host
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from pathlib import Path

from kafka.admin import (  # type: ignore[import-untyped]  # ships no types
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from tests.servers.certificates import HOST, Authority
from tests.servers.kafka import USER, Broker, KafkaCluster, free_ports

LISTENERS = ("secure", "expired", "foreign")
OTHER_HOST = type(HOST)("127.0.0.2")


class SecuredKafka(KafkaCluster):
    """One broker; see the module's text. Start and stop it like a `KafkaCluster`."""

    def __init__(self) -> None:
        super().__init__(1)
        self.ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))

    def address(self, listener: str) -> str:
        """Host and port of a listener."""
        return f"{HOST}:{self.ports[listener]}"

    def allow(self, operation: str, topic: str, user: str = USER) -> None:
        """Give a user one right on one topic; returns when the broker enforces it."""
        entry = ACL(
            principal=f"User:{user}",
            host="*",
            operation=ACLOperation[operation],
            permission_type=ACLPermissionType.ALLOW,
            resource_pattern=ResourcePattern(ResourceType.TOPIC, topic),
        )
        with self.admin() as admin:
            admin.create_acls([entry])
        time.sleep(0.5)  # the broker's own copy of the ACLs follows its log

    def forbid(self, topic: str) -> None:
        """Take every right on a topic away."""
        everything = ACLFilter(
            principal=None,
            host=None,
            operation=ACLOperation.ANY,
            permission_type=ACLPermissionType.ANY,
            resource_pattern=ResourcePatternFilter(ResourceType.TOPIC, topic, ACLResourcePatternType.ANY),
        )
        with self.admin() as admin:
            admin.delete_acls([everything])
        time.sleep(0.5)

    def token(self, user: str = USER, seconds: int = 3_600) -> str:
        """A bearer token that the broker believes."""
        now = int(time.time())
        parts = ({"alg": "none"}, {"sub": user, "iat": now, "exp": now + seconds, "jti": secrets.token_hex(8)})
        return ".".join(_base64(json.dumps(part).encode()) for part in parts) + "."

    def _make_certificate(self) -> None:
        trusted = Authority(self.directory)
        self.authority = trusted.certificate
        trusted.issue("secure")
        trusted.issue("expired", days=(-10, -1))
        trusted.issue("foreign", host=OTHER_HOST)

    def _properties(self, broker: Broker) -> str:
        ports = {"PLAINTEXT": broker.clear, "CONTROLLER": broker.controller}
        ports |= {name.upper(): port for name, port in self.ports.items()}
        spelled = ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())
        advertised = ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items() if name != "CONTROLLER")
        login = "org.apache.kafka.common.security"
        tls = "\n".join(
            f"listener.name.{name}.ssl.keystore.type=PEM\n"
            f"listener.name.{name}.ssl.keystore.location={self.directory / f'{name}.both.pem'}"
            for name in LISTENERS
        )
        return f"""\
process.roles=broker,controller
node.id={broker.node}
controller.quorum.bootstrap.servers={HOST}:{broker.controller}
controller.listener.names=CONTROLLER
listeners={spelled}
advertised.listeners={advertised}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,EXPIRED:SSL,FOREIGN:SSL
{tls}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,OAUTHBEARER
listener.name.secure.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_{USER}="{self.password}";
listener.name.secure.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;
listener.name.secure.oauthbearer.sasl.jaas.config={login}.oauthbearer.OAuthBearerLoginModule required \
unsecuredLoginStringClaim_sub="broker";
log.dirs={broker.directory / "data"}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
auto.create.topics.enable=false
"""


def _base64(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def written_secret(folder: Path, name: str, secret: str) -> Path:
    """A file that only we can read, as a secret is handed to a daemon."""
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(secret + os.linesep)
    return path

"""Why no broker can be reached, in words: one connection to each, and a TLS handshake where TLS is asked for."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

from monitor.ingest.source import SourceError, SourceRefused, SourceUnavailable
from monitor.ingest.via_kafka.settings import Tls


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The context for `tls`. Raises `SourceRefused` naming the file that cannot be used."""
    try:
        context = ssl.create_default_context(cafile=tls.authorities)
    except (OSError, ssl.SSLError) as error:
        raise SourceRefused(f"the certificates to trust cannot be read from {tls.authorities}: {error}") from error
    if tls.certificate is not None:
        try:
            context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise SourceRefused(
                f"our certificate {tls.certificate} and its key {tls.key} cannot be used: {error}"
            ) from error
    context.check_hostname = tls.check_hostname
    return context


def diagnosis(brokers: Sequence[str], context: ssl.SSLContext | None, seconds: float = 3.0) -> SourceError:
    """What to raise after the client could not talk to any of `brokers` (host:port).

    `SourceRefused` if every broker that takes connections fails for a reason of TLS, else `SourceUnavailable`.
    """
    found = [probe(broker, context, seconds) for broker in brokers]
    words = "; ".join(str(each) for each in found)
    if any(isinstance(each, SourceRefused) for each in found):
        return SourceRefused(words)
    return SourceUnavailable(words)


def probe(broker: str, context: ssl.SSLContext | None, seconds: float) -> SourceError:
    """What is wrong with one broker, given that Kafka's client had no answer from it."""
    host, _, port = broker.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), timeout=seconds) as connection:
            if context is None:
                return SourceUnavailable(
                    f"Kafka broker {broker} takes connections but does not answer in clear text; is it starting, "
                    "or does it want TLS?"
                )
            with context.wrap_socket(connection, server_hostname=host):
                return SourceUnavailable(f"Kafka broker {broker} does not answer, although TLS works; is it starting?")
    except ssl.SSLCertVerificationError as error:
        return SourceRefused(f"the certificate of Kafka broker {broker} is not trusted: {error.verify_message}")
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        return SourceRefused(f"no TLS with Kafka broker {broker}: {reason}; is this its TLS port?")
    except TimeoutError:
        return SourceUnavailable(f"Kafka broker {broker} does not answer within {seconds:g} s")
    except OSError as error:
        return SourceUnavailable(f"Kafka broker {broker} cannot be reached: {error.strerror or error}")


def _no_password() -> str:
    raise ValueError("the key is encrypted, and no passphrase can be given; decrypt it first")

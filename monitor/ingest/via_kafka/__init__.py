"""Events from Kafka; the home of kafka-python."""

from monitor.ingest.via_kafka.sending import KafkaSink
from monitor.ingest.via_kafka.settings import KafkaAccess, KafkaReading, Sasl, Tls
from monitor.ingest.via_kafka.source import KafkaSource
from monitor.ingest.via_kafka.token_endpoint import TokenEndpoint

__all__ = ["KafkaAccess", "KafkaReading", "KafkaSink", "KafkaSource", "Sasl", "Tls", "TokenEndpoint"]

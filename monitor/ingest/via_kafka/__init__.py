"""Events from Kafka; the home of kafka-python."""

from monitor.ingest.via_kafka.sending import KafkaSink
from monitor.ingest.via_kafka.settings import KafkaAccess, KafkaReading, Sasl, Tls
from monitor.ingest.via_kafka.source import KafkaSource

__all__ = ["KafkaAccess", "KafkaReading", "KafkaSink", "KafkaSource", "Sasl", "Tls"]

"""The network side of kafka-python, with what it lacks for telling a person why brokers cannot be reached.

Builds on private names of kafka-python 3.0; `kafka_client` is its own hook for putting such a class in.
"""

from __future__ import annotations

from typing import Any

from kafka.net.compat import KafkaNetClient  # type: ignore[import-untyped]  # ships no types

from monitor.ingest.via_kafka.access import says_why


class Client(KafkaNetClient):  # type: ignore[misc]  # the base has no types
    """The network side of the client, which keeps why the brokers last refused us, or could not even be asked.

    The client itself only logs that and tries again until its time is over; here the first connection ends at once.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.refusal: Exception | None = None
        connect = self._manager.get_connection
        build = self._manager._build_transport

        def get_connection(*arguments: Any, **settings: Any) -> Any:
            connection = connect(*arguments, **settings)
            if not connection.init_future.is_done:
                connection.init_future.add_callback(self._forget)
                connection.init_future.add_errback(self._keep)
            return connection

        async def build_transport(*arguments: Any, **settings: Any) -> Any:
            return with_last_words(await build(*arguments, **settings))

        self._manager.get_connection = get_connection
        self._manager._build_transport = build_transport

    def reached(self) -> bool:
        """Some broker is connected."""
        return any(self.connected(broker.node_id) for broker in self.cluster.brokers())

    def _forget(self, _connected: object) -> None:
        self.refusal = None

    def _keep(self, error: Exception) -> None:
        if says_why(error):
            self.refusal = error
            if not self._manager.bootstrapped:
                self._manager.close()


def with_last_words(transport: Any) -> Any:
    """Give what was received before the end of a connection to the client, which (3.0.12) would throw it away with the connection.

    A broker that refuses a user says why and hangs up; often both are read together.
    """
    receive = transport._sock_recv

    def data_before_end() -> tuple[bytes, Exception | None]:
        data, error = receive()
        return (data, None) if data else (data, error)

    transport._sock_recv = data_before_end
    return transport

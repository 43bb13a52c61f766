"""The engine of one model: rows of event time in, findings, alerts and a step of the store out."""

from monitor.engine.observed import Observed
from monitor.engine.turn import Engine

__all__ = ["Engine", "Observed"]

"""Predictions at maturity, with what came of them: the common part of `risk` and `calibration`."""

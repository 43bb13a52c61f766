"""From the bus to columns: sources, decoding, dead letters."""

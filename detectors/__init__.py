"""Statistics of loopwatch: detectors and the arithmetic under them. No I/O, no logging, no clock, no global randomness."""

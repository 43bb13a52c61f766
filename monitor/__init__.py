"""The daemon: reads events, joins them, runs the detectors, keeps state, tells people."""

"""`make calibrate`: what every detector promises, measured, beside an oracle, the river library and repeated tests."""

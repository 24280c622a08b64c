"""The pure heart: standard library only, no I/O, no logging, no clock, no randomness."""

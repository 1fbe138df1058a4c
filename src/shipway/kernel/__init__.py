"""The ground floor: digests, canonical JSON, checks, errors, units, clocks and ids.

Pure and standard library only (beside `rfc8785`); never opens a file, a socket or a clock of its own accord.
"""

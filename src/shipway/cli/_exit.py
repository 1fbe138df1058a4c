"""Exit codes."""

DONE = 0
FAILED = 1
INCONCLUSIVE = 2
USAGE = 64

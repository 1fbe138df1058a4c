"""Exit codes."""

DONE = 0
FAILED = 1
INCONCLUSIVE = 2
USAGE = 64
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it

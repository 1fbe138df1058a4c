"""One command from a small process: `python -I -S alone.py MEASURED WORD...`, which writes seconds, processor and megabytes.

Linux counts the most memory of a child from that of the process which starts it: a measurement that has held a table of a
gigabyte would find a gigabyte in every command. So this stands between, imports next to nothing, and holds ten megabytes.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Stdin and stdout are the command's; ends with its code."""
    began = time.perf_counter()
    child = subprocess.Popen(sys.argv[2:])
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1024}, out)
    sys.exit(child.returncode)


if __name__ == "__main__":
    main()

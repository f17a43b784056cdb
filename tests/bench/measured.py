"""Runs a command, and adds to the JSON that it prints what it took.

    python measured.py COMMAND...

`whole_ms` is from its start to its end, `peak_mib` the most memory it had resident. Linux counts to a process's peak
what the process held that started it, so this one holds nothing, unlike peers.py.
"""

import json
import os
import subprocess
import sys
import time


def main():
    began = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    whole_ms = (time.perf_counter() - began) * 1e3
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(1)
    print(json.dumps(json.loads(output) | {"whole_ms": whole_ms, "peak_mib": usage.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()

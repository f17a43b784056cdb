"""A process that holds one peer and waits for its turns.

    python peer.py '{"engine": "openvino", "folder": "...", "threads": 1, ...}'

reads one line a turn from stdin, the seconds it shall last, and answers with one JSON object. The entries besides
`engine` are the arguments of the function of that name in engines.py. What libraries print goes to stderr.
"""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

import engines

WARM_UP = 3
PR_SET_PDEATHSIG = 1


def main():
    # It ends with the process that started it, even while it is stopped.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    spec = json.loads(sys.argv[1])
    paths = {key: Path(spec.pop(key)) for key in ["folder", "file"] if key in spec}
    work = getattr(engines, spec.pop("engine"))(**paths, **spec)
    work.call()
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        print(json.dumps(turn(work, float(line))), file=answers)


def turn(work, seconds):
    """Works for that long, and at least once, after a warm-up that takes no more than half as long."""
    began = time.perf_counter()
    for _ in range(WARM_UP):
        if time.perf_counter() - began < seconds / 2:
            work.call()
    times, began = [], time.perf_counter()
    while not times or time.perf_counter() - began < seconds:
        before = time.perf_counter()
        probability = work.call()
        times.append(time.perf_counter() - before)
    times.sort()
    middle = times[len(times) // 2]
    slow = times[-(-len(times) * 9 // 10) - 1]
    return {"p50_ms": middle * 1e3, "p90_ms": slow * 1e3, "calls": len(times),
            "images_per_second": work.images * len(times) / sum(times), "peak_mib": peak_mib(),
            "probability": None if probability is None else float(probability)}


def peak_mib():
    """The most memory that this process has had resident, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()

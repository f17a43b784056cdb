"""What the figures were measured on."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

BUSY = 0.5


def describe(lobule, requirements):
    """The machine's and the programs' versions, and one line that says it all."""
    info = Path("/proc/cpuinfo").read_text()
    flags = re.search(r"^flags\s*:(.*)$", info, re.MULTILINE)
    flags = set(flags[1].split()) if flags else set()
    name = re.search(r"^model name\s*:\s*(.*)$", info, re.MULTILINE)
    version = subprocess.run([lobule, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    pins = [line for line in requirements.read_text().splitlines() if "==" in line]
    known = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"]
    machine = {
        "cpu": name[1] if name else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "flags": [flag for flag in known if flag in flags],
        "lobule": version,
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": dict(pin.split("==") for pin in pins),
    }
    shown = ", ".join(pin.replace("==", " ") for pin in pins)
    machine["line"] = (f"{machine['cpu']}, {machine['cores']} cores, {' '.join(machine['flags'])}, load average "
                       f"{machine['load_at_start']:.2f}; {version}; Python {machine['python']}, {shown}.")
    if machine["load_at_start"] > BUSY:
        print("WARNING: this machine has other work; do not believe what runs on all its cores", file=sys.stderr)
    return machine

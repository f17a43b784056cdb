"""Compares lobule with what else could do its work, on this machine, in turns: A, B, C, A, B, C ...

    python3 tests/bench/peers.py                    all groups, the best part of an hour
    python3 tests/bench/peers.py latency --quick    one group, a smoke run

The peers are installed from PyPI, at the versions of requirements.txt, into a virtual environment that is made at
the first start; later starts need no network. Ratios go to stdout as Markdown tables, messages to stderr, and
`--json FILE` gets every figure. Lobule must have been built: `cargo build --release`.
"""

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
GROUPS = ["agreement", "quantised_peers", "latency", "avx2", "reduced", "footprint", "busy_neighbour", "training",
          "service", "decode"]


def main():
    arguments = parse_arguments()
    if not os.access(arguments.lobule, os.X_OK):
        sys.exit(f"no program {arguments.lobule}; build it with `cargo build --release`, or name one by --lobule")
    if not arguments.weights.is_file():
        sys.exit(f"there is no weights file {arguments.weights}; name one by --weights")
    enter_environment(arguments.venv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # an exit like any other, which ends the services
    compare(arguments)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)} [default: all]")
    parser.add_argument("--lobule", type=absolute, default=ROOT / "target/release/lobule", help="the program")
    parser.add_argument("--weights", type=absolute, default=ROOT / "weights/lobule.safetensors", help="its weights")
    parser.add_argument("--data", type=absolute, default=os.environ.get("LOBULE_BREAKHIS", ROOT / "../shared/breakhis"),
                        help="folder of real images, by which peers are quantised [env: LOBULE_BREAKHIS]")
    parser.add_argument("--venv", type=absolute, default=ROOT / "target/peers",
                        help="folder of the virtual environment, which also takes models and logs")
    parser.add_argument("--rounds", type=int, help="rounds of turns [default: 15; 3 when quick]")
    parser.add_argument("--seconds", type=float, help="length of a turn [default: 1; 0.3 when quick]")
    parser.add_argument("--json", type=absolute, metavar="FILE", help="where to write all figures")
    parser.add_argument("--quick", action="store_true", help="a smoke run, too short to believe")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.groups) - set(GROUPS))
    if unknown:
        parser.error(f"there is no group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    arguments.groups = [group for group in GROUPS if group in arguments.groups or not arguments.groups]
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 15)
    arguments.seconds = arguments.seconds or (0.3 if arguments.quick else 1.0)
    return arguments


def absolute(text):
    """A path that stays right in another folder; links stay, because a virtual environment's Python is one."""
    return Path(os.path.abspath(text))


def enter_environment(folder):
    """Goes on in the virtual environment's Python, which is made and filled when it is not there."""
    python = folder / "bin/python"
    installed = folder / "installed.txt"
    if not installed.is_file() or installed.read_text() != REQUIREMENTS.read_text():
        print(f"installing {REQUIREMENTS.name} into {folder}", file=sys.stderr)
        if not python.exists():
            venv.create(folder, with_pip=True)
        pip = subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                              "--requirement", REQUIREMENTS], check=False)
        if pip.returncode:
            sys.exit("pip could not install the peers (see above); this needs the network, or a pip mirror, once")
        installed.write_text(REQUIREMENTS.read_text())
    if Path(sys.prefix) != folder:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # no __pycache__ between the sources
        os.execv(python, [python, *sys.argv])


def compare(arguments):
    """Runs the groups one after another; what a group has found is printed and saved at once."""
    machine = importlib.import_module("machine").describe(arguments.lobule, REQUIREMENTS)
    print(f"{machine['line']}\n", flush=True)
    figures = {"machine": machine}
    for group in arguments.groups:
        print(f"{group} ...", file=sys.stderr)
        table, figures[group] = importlib.import_module(group).run(arguments)
        print(table, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

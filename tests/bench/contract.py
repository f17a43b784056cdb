"""Requests that schemathesis makes up from the contract, with all its checks and phases and several seeds.

    cargo build --release
    pip install schemathesis
    python3 tests/bench/contract.py [--lobule target/release/lobule] [--seeds 5]

prints what schemathesis prints where something fails, and a line for each seed. No schema can say that bytes are an image,
so schemathesis takes them from `contract_images.py`. None can say either that a tensor's data is as long as its shape has it,
so inferences are left to `tests/api`.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from endurance import Service

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--lobule", default=ROOT / "target/release/lobule")
    arguments.add_argument("--seeds", type=int, default=5)
    arguments = arguments.parse_args()
    service, failed = Service(arguments.lobule), 0
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "contract_images", "PYTHONPATH": str(HERE)}
    for seed in range(1, arguments.seeds + 1):
        command = ["schemathesis", "run", f"http://127.0.0.1:{service.port}/openapi.json", "--seed", str(seed),
                   "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure", "--no-color",
                   "--exclude-path-regex", "/infer$"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True)
        failed += ended.returncode != 0
        if ended.returncode != 0:
            print(ended.stdout, ended.stderr)
        cases = next((line.strip() for line in ended.stdout.splitlines() if "generated" in line), "no case")
        print(f"seed {seed}: {'FAILED' if ended.returncode else 'passed'}, {cases}")
    service.stop()
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

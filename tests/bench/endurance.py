"""How `lobule serve` bears too much, bad and long: Python's standard library is all it needs.

    python3 tests/bench/endurance.py overload [--seconds 60]    ten times what it can do
    python3 tests/bench/endurance.py soak [--seconds 1800]      good and hostile requests, mixed (hostile.py)
    python3 tests/bench/endurance.py restarts [--count 100]     stopped and started again under load
    python3 tests/bench/endurance.py slow [--count 200]         clients that send a byte a second

prints one JSON object, and exits with 1 where it says that the run has not passed. Lobule must have been built: `cargo
build --release`. Where there are two cores the service has one and the clients the other, so that neither takes the
other's time.
"""

import argparse
import itertools
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import hostile
from load import Client, together
from processes import free_port

CORES = os.sched_getaffinity(0)
ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "tests/fixtures/tissue.png"
REST = 10  # longer than the service waits for a silent client in the soak
GROWTH_MIB = 5
MEMORY_MIB = 512  # for which the limits of the soak are chosen


class Service:
    """`lobule serve` with one thread on the first core; the clients' core is the last."""

    def __init__(self, lobule, *arguments, port=None):
        self.port = port or free_port()
        command = ["taskset", "-c", str(min(CORES)), lobule, "serve", "--listen", f"127.0.0.1:{self.port}",
                   "--threads", "1", *arguments]
        variables = {key: value for key, value in os.environ.items() if key != "PORT"}
        self.process = subprocess.Popen(command, env=variables | {"LOBULE_LOG": "warn,lobule::serve::exchange=error"},
                                        stderr=subprocess.PIPE, text=True)
        self.log = []
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()
        while not self.ready():
            if self.process.poll() is not None:
                sys.exit("the service has ended: " + "".join(self.log))
            time.sleep(0.002)

    def ready(self):
        """Whether it is ready."""
        try:
            return get(self.port, "/ready") == 200
        except OSError:
            return False

    def memory_mib(self, key="VmRSS"):
        """Resident memory, or with VmHWM its peak."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{key}:")[1].split()[0]) / 1024

    def stop(self, patience=20):
        """Stops it; the seconds that it took and its exit code."""
        began = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(patience)
        return time.perf_counter() - began, code


def get(port, path):
    """The status of a GET on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), 5) as stream:
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return int(stream.recv(4096).split(b" ", 2)[1])


def overload(arguments):
    """Ten times the peak, as requests that arrive whether or not the ones before were answered. The peak is measured
    before and after, as a machine's speed drifts."""
    service = Service(arguments.lobule)
    run(service, None, clients=4, seconds=arguments.seconds / 12)
    before = run(service, None, clients=4, seconds=arguments.seconds / 4)
    pace = 10 * before["goodput"]
    flood = run(service, pace, clients=96, seconds=arguments.seconds)
    memory = service.memory_mib("VmHWM")
    began = time.perf_counter()
    while get(service.port, "/ready") != 200 or Client(service.port, PICTURE).request()[0] != 200:
        pass
    back = time.perf_counter() - began
    after = run(service, None, clients=4, seconds=arguments.seconds / 4)
    service.stop()
    peak = (before["goodput"] + after["goodput"]) / 2
    bound = (16 + 1) / peak * 1e3
    return {"before": before, "offered_per_second": pace, "flood": flood, "after": after,
            "goodput_ratio": flood["goodput"] / peak, "passed": flood["goodput"] >= 0.9 * peak,
            "queue_bound_ms": bound,
            "p99_by_bound": flood["p99_ms"] / bound, "peak_memory_mib": memory, "back_after_s": back}


def run(service, pace, clients, seconds):
    """Clients for some seconds, together at a pace in requests a second, or each as fast as it is answered."""
    times, statuses, lock = [], {}, threading.Lock()
    tickets = itertools.count()
    began = time.perf_counter()

    def work():
        client = Client(service.port, PICTURE)
        while time.perf_counter() - began < seconds:
            if isinstance(pace, float):
                due = began + next(tickets) / pace
                time.sleep(max(0.0, due - time.perf_counter()))
            sent = time.perf_counter()
            try:
                status, _ = client.request()
            except OSError:
                status = 0
            with lock:
                statuses[status] = statuses.get(status, 0) + 1
                if status == 200:
                    times.append(time.perf_counter() - sent)
        client.close()

    together([work] * clients)
    elapsed = time.perf_counter() - began
    times.sort()
    return {"asked_per_second": sum(statuses.values()) / elapsed, "goodput": len(times) / elapsed, "statuses": statuses,
            "p50_ms": statistics.median(times) * 1e3, "p99_ms": times[len(times) * 99 // 100] * 1e3}


def soak(arguments):
    """Clients that ask properly and hostile ones, for long; each proper answer must be the right one, and at rest the
    memory at the end must be that at half the time."""
    service = Service(arguments.lobule, "--read-timeout", "5", "--max-pixels", str(hostile.SIDE**2),
                      "--upload-memory", str(MEMORY_MIB << 18))
    expected = json.loads(Client(service.port, PICTURE).request()[1])["probability_malignant"]
    image = PICTURE.read_bytes()
    counts = {"right": 0, "wrong": 0, "refused": 0, "lost": 0, "hostile": 0}
    lock = threading.Lock()

    def count(what):
        with lock:
            counts[what] += 1

    def good():
        client = Client(service.port, PICTURE)
        while time.monotonic() < end:
            try:
                status, body = client.request()
            except OSError:
                count("lost")
                continue
            right = status == 200 and json.loads(body)["probability_malignant"] == expected
            count("refused" if status == 503 else "right" if right else "wrong")
            time.sleep(random.random() / 20)
        client.close()

    def bad():
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", service.port), 10) as stream:
                    hostile.send(stream, image)
            except OSError:
                pass
            count("hostile")
            time.sleep(random.random() / 20)

    memory, at_rest = [], []

    def watch():
        while time.monotonic() < end:
            time.sleep(min(arguments.seconds / 60, max(0.0, end - time.monotonic())))
            memory.append(round(service.memory_mib(), 1))

    for _ in range(2):
        end = time.monotonic() + arguments.seconds / 2
        together([good] * 3 + [bad] * 4 + [watch])
        time.sleep(REST)
        at_rest.append(round(service.memory_mib(), 1))
    peak = service.memory_mib("VmHWM")
    took, code = service.stop()
    panics = sum("panic" in line for line in service.log)
    bounded = at_rest[1] - at_rest[0] <= GROWTH_MIB and peak <= MEMORY_MIB
    return {"seconds": arguments.seconds, **counts, "panics": panics, "memory_mib": memory, "peak_memory_mib": peak,
            "memory_at_half_mib": at_rest[0], "memory_at_end_mib": at_rest[1], "stop_seconds": took, "exit_code": code,
            "passed": bounded and not (counts["wrong"] or counts["lost"] or panics or code)}


def restarts(arguments):
    """The service is stopped and started again while clients go on asking on connections that they keep."""
    port = free_port()
    stops, codes, lost, answered, refused = [], [], 0, 0, 0
    for _ in range(arguments.count):
        service = Service(arguments.lobule, port=port)
        counts = []
        threads = [threading.Thread(target=lambda: counts.append(until_gone(port))) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.2 + random.random() / 5)
        took, code = service.stop()
        for thread in threads:
            thread.join()
        stops.append(took)
        codes.append(code)
        answered += sum(count[0] for count in counts)
        refused += sum(count[1] for count in counts)
        lost += sum(count[2] for count in counts)
    return {"restarts": arguments.count, "answered": answered, "refused": refused, "lost": lost,
            "longest_stop_s": max(stops), "exit_codes": sorted(set(codes)),
            "passed": not lost and not refused and set(codes) == {0}}


def until_gone(port):
    """Asks until nobody listens; requests on accepted connections that were answered 200, otherwise, and not at all."""
    client, answered, refused = Client(port, PICTURE), 0, 0
    while True:
        if client.socket is None:
            try:
                client.socket = socket.create_connection(("127.0.0.1", port), 10)
            except OSError:
                return answered, refused, 0
        try:
            status, _ = client.request()
        except OSError:
            return answered, refused, 1
        answered += status == 200
        refused += status != 200


def slow(arguments):
    """Clients that send a byte a second, and a proper one beside them."""
    service = Service(arguments.lobule)
    head = f"{hostile.HEAD}Content-Type: image/png\r\nContent-Length: 1000000\r\n\r\n".encode()
    streams = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(arguments.count)]
    for stream in streams:
        stream.sendall(head)
    times = []
    for _ in range(20):
        for stream in streams:
            stream.sendall(b"x")
        began = time.perf_counter()
        status, _ = Client(service.port, PICTURE).request()
        if status != 200:
            sys.exit(f"the proper client was answered {status}")
        times.append((time.perf_counter() - began) * 1e3)
        time.sleep(1)
    service.stop()
    return {"slow_clients": arguments.count, "median_ms": statistics.median(times), "most_ms": max(times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["overload", "soak", "restarts", "slow"])
    parser.add_argument("--lobule", type=Path, default=ROOT / "target/release/lobule", help="the program")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--count", type=int)
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or {"soak": 1800.0}.get(arguments.what, 60.0)
    arguments.count = arguments.count or {"slow": 200}.get(arguments.what, 100)
    os.sched_setaffinity(0, {max(CORES)})
    result = {"overload": overload, "soak": soak, "restarts": restarts, "slow": slow}[arguments.what](arguments)
    print(json.dumps(result, indent=1))
    sys.exit(not result.get("passed", True))


if __name__ == "__main__":
    main()

"""A service as a process that is started, waited for, weighed and stopped."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from load import Client

PATIENCE = 180


class Service:
    """A started service; `seconds_to_answer` is the time from its start to its first answered prediction."""

    def __init__(self, command, file, log, environment=None, folder=None):
        self.port = free_port()
        self.log = log
        command = [str(word).replace("{port}", str(self.port)) for word in command]
        variables = {key: value for key, value in os.environ.items() if key != "PORT"} | (environment or {})
        client = Client(self.port, file)
        began = time.perf_counter()
        with log.open("w") as output:
            # A session of its own, so that the whole family of processes can be stopped.
            self.process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output,
                                            start_new_session=True)
        atexit.register(self.stop)
        self.body = self.first_answer(client, began + PATIENCE)
        self.seconds_to_answer = time.perf_counter() - began
        client.close()

    def first_answer(self, client, end):
        """Asks until there is an answer; a refused connection costs a millisecond."""
        while time.perf_counter() < end:
            if self.process.poll() is not None:
                sys.exit(f"the service `{self.process.args[0]}` has ended; its last words are in {self.log}")
            try:
                status, body = client.request()
            except OSError:
                status = 0
            if status == 200:
                return body
            time.sleep(0.001)
        sys.exit(f"no answer of `{self.process.args[0]}` within {PATIENCE} s; its last words are in {self.log}")

    def memory_mib(self):
        """Memory of all its processes in MiB: proportional (shared pages counted once), and resident summed up."""
        proportional = resident = 0
        for pid in family(self.process.pid):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            proportional += int(rollup.split("\nPss:")[1].split()[0])
            resident += int(rollup.split("\nRss:")[1].split()[0])
        return {"pss": proportional / 1024, "rss": resident / 1024}

    def stop(self):
        """Ends all its processes, if it has not been done yet."""
        atexit.unregister(self.stop)
        if self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def family(pid):
    """A process and all that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [member for child in children for member in family(int(child))]


def free_port():
    """A port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]

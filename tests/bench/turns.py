"""Players that take turns, and what their turns say of lobule beside a peer.

A player has a name, and `turn(seconds)` gives one turn's figures. On a machine whose speed drifts, only figures of the
same round are compared: each round gives one ratio, and the median of the ratios is the result.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

MEASURED = Path(__file__).with_name("measured.py")


class Peer:
    """A peer in a process of its own. Between its turns the process is stopped, so it cannot disturb another's.

    `program` holds the peer where peer.py does not, `environment` are variables that it gets beside ours, and `start_ms`
    is what it took from its start to its first answer.
    """

    def __init__(self, arguments, name, setting, program=None, environment=None, **spec):
        self.name, self.setting = name, setting
        logs = arguments.venv / "logs"
        logs.mkdir(exist_ok=True)
        self.log = logs / f"{name} {setting}.txt".replace(" ", "-").replace("/", "-")
        holder = [program] if program else [sys.executable, Path(__file__).with_name("peer.py")]
        command = [*holder, json.dumps(spec, default=str)]
        began = time.perf_counter()
        with self.log.open("w") as log:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True,
                                            env=os.environ | (environment or {}))
        self.answer()
        self.start_ms = (time.perf_counter() - began) * 1e3
        self.pause()

    def turn(self, seconds):
        os.kill(self.process.pid, signal.SIGCONT)
        print(seconds, file=self.process.stdin, flush=True)
        figures = self.answer()
        self.pause()
        return figures

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ({self.setting}) has ended; its last words are in {self.log}")
        return json.loads(line)

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def close(self):
        self.process.kill()
        self.process.communicate()


class Lobule:
    """`lobule bench`, a new process each turn; `command(seconds)` gives its arguments."""

    name, setting = "lobule", ""

    def __init__(self, command):
        self.command = command

    def turn(self, seconds):
        return run_lobule(self.command(seconds))

    def close(self):
        pass


def run_lobule(command):
    """The JSON that a command prints, with what measured.py adds; exits when it fails."""
    process = subprocess.run([sys.executable, MEASURED, *command], capture_output=True, text=True, check=False)
    if process.returncode:
        sys.exit(f"`{' '.join(map(str, command))}` failed: {process.stderr.strip()}")
    return json.loads(process.stdout)


def can(lobule, *flags):
    """Whether `lobule bench` knows these flags."""
    text = subprocess.run([lobule, "bench", "--help"], capture_output=True, text=True, check=False).stdout
    return all(flag in text.split() for flag in flags)


def take_turns(players, rounds, seconds):
    """All rounds: a list of {player's name: its figures}."""
    results = []
    for number in range(rounds):
        print(f"\r  round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        results.append({player.name: player.turn(seconds) for player in players})
    print(file=sys.stderr)
    return results


def fastest(candidates, rounds, seconds, cost):
    """Lets the settings of one peer run against each other, keeps the best and ends the rest.

    The best is that of the least `cost` in any turn, because what else the machine does can only add to it.
    """
    names = [candidate.setting for candidate in candidates]
    costs = [[] for _ in candidates]
    for _ in range(rounds):
        for candidate, row in zip(candidates, costs, strict=True):
            row.append(cost(candidate.turn(seconds)))
    least = [min(row) for row in costs]
    best = least.index(min(least))
    for index, candidate in enumerate(candidates):
        if index != best:
            candidate.close()
    return candidates[best], dict(zip(names, least, strict=True))


def ratios(rounds, peer, figure):
    """Of lobule's figure to the peer's: median, least and greatest of the rounds' ratios; and both medians."""
    ours, theirs = ([figure(turns[name]) for turns in rounds] for name in ["lobule", peer])
    each = [our / their for our, their in zip(ours, theirs, strict=True)]
    return {"ratio": statistics.median(each), "least": min(each), "greatest": max(each),
            "lobule": statistics.median(ours), "peer": statistics.median(theirs), "lobule_rounds": ours,
            "peer_rounds": theirs}

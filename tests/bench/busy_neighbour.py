"""The time for one image beside other work: a busy loop on each core, as on a machine that instances share.

As a program, `python busy_neighbour.py CORE` is one of these loops.
"""

import contextlib
import ctypes
import os
import signal
import statistics
import subprocess
import sys

import latency
import models
import table
from turns import ratios, take_turns

PR_SET_PDEATHSIG = 1


def run(arguments):
    peers = {"OpenVINO": latency.engines(models.folder(arguments), threads=2)["OpenVINO"]}
    return compare(arguments, "f32", peers)


def compare(arguments, precision, peers):
    """Lobule on one thread and on two, and the peers on two with their best settings there, all beside the loops."""
    one, two = (latency.lobule(arguments, threads, precision) for threads in [1, 2])
    one.name = "lobule on one thread"
    players, settings = [], {}
    with busy_cores():
        try:
            for name, candidates in peers.items():
                best, settings[name] = latency.best_setting(arguments, name, candidates)
                players.append(best)
            rounds = take_turns([one, two, *players], arguments.rounds, arguments.seconds)
        finally:
            for player in players:
                player.close()
    results = {player.name: ratios(rounds, player.name, latency.p50) for player in [one, *players]}
    rows = []
    for player, threads, most in [(two, 2, ""), (one, 1, "1.3"), *((player, 2, "1") for player in players)]:
        middle, slow = (statistics.median(figure(turns[player.name]) for turns in rounds)
                        for figure in [latency.p50, p90])
        ratio = table.ratio(results[player.name]) if most else ""
        rows.append([player.name, player.setting, threads, table.digits(middle), table.digits(slow), ratio, most])
    title = f"Latency of one image, {precision}, beside a busy loop on each core, medians of {arguments.rounds} rounds"
    columns = ["program", "its best setting", "threads", "p50, ms", "p90, ms", "lobule on two threads / it, by p50",
               "wanted: at most"]
    return table.markdown(title, columns, rows), {"settings_p50_ms": settings, "results": results, "rounds": rounds}


def p90(figures):
    """The time of a turn in ms that nine tenths of its images do not exceed, of a peer or of lobule."""
    return figures["p90_ms"] if "p90_ms" in figures else figures["latency_ms"]["p90"]


@contextlib.contextmanager
def busy_cores():
    """A loop on each core of this process, until the end of the block."""
    loops = [subprocess.Popen([sys.executable, __file__, str(core)]) for core in os.sched_getaffinity(0)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def busy(core):
    """Keeps a core busy until the process that started this one ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.sched_setaffinity(0, {core})
    while True:
        pass


if __name__ == "__main__":
    busy(int(sys.argv[1]))

"""A load generator on raw sockets: clients that post one image again and again.

    python load.py PORT FILE CLIENTS --seconds S | --requests N

prints one JSON object: requests, errors, requests_per_second, p50_ms, p90_ms, p99_ms, and its own cpu_seconds. A
client is a thread that sends bytes made beforehand, and keeps its connection as long as the server does.
"""

import argparse
import json
import socket
import threading
import time
from pathlib import Path

TIMEOUT = 60


class Client:
    """One connection to the service, opened anew when the server closes it."""

    def __init__(self, port, file):
        self.port = port
        self.message = post(file)
        self.socket = None

    def request(self):
        """Sends the image; the answer's status and body."""
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.sendall(self.message)
            head, body = self.read_head()
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
            while len(body) < int(headers["content-length"]):
                body += self.receive()
        except OSError:
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        return int(head.split(" ", 2)[1]), body

    def read_head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, body = data.split(b"\r\n\r\n", 1)
        return head.decode("latin-1"), body

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection in the middle of an answer")
        return data

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def post(file):
    """The request's bytes: a form with the image in its field `file`."""
    boundary = "lobule-peers"
    body = (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n'
            f"Content-Type: image/png\r\n\r\n").encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    head = (f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


def work(client, goes_on, times, errors):
    """Requests until it is told to stop; a request that is not answered 200 is an error."""
    while goes_on():
        began = time.perf_counter()
        try:
            status, _ = client.request()
        except OSError:
            status = 0
        if status == 200:
            times.append(time.perf_counter() - began)
        else:
            errors.append(status)
    client.close()


def together(works):
    """Calls functions at the same time, each on a thread of its own, and waits for all of them."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("clients", type=int)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--requests", type=int, default=10**9)
    arguments = parser.parse_args()
    times, errors = [], []
    tickets = iter(range(arguments.requests))
    began, cpu = time.perf_counter(), time.process_time()

    def goes_on():
        return time.perf_counter() - began < arguments.seconds and next(tickets, None) is not None

    clients = [Client(arguments.port, arguments.file) for _ in range(arguments.clients)]
    together([lambda client=client: work(client, goes_on, times, errors) for client in clients])
    elapsed = time.perf_counter() - began
    times.sort()
    percentiles = {f"p{p}_ms": times[min(len(times) * p // 100, len(times) - 1)] * 1e3 for p in [50, 90, 99] if times}
    print(json.dumps({"requests": len(times), "errors": len(errors), "requests_per_second": len(times) / elapsed,
                      **percentiles, "cpu_seconds": time.process_time() - cpu, "elapsed_seconds": elapsed}))


if __name__ == "__main__":
    main()

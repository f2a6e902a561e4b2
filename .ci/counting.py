"""Counts the instructions of servers under valgrind's callgrind.

The server answers few requests, then many: the difference is what the requests cost. It has one core. Workers alone
are counted, since the monitor looks by the clock, which callgrind slows. The least of several runs counts.
"""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile

RUNS = 3
COUNTED = "netpoll::sched::worker::main"


def receive(client, n):
    """Reads `n` bytes."""
    data = bytearray()
    while len(data) < n:
        came = client.recv(n - len(data))
        if not came:
            sys.exit("the server ended")
        data += came
    return bytes(data)


def answer(client):
    """Reads a frame behind its length in four bytes."""
    return receive(client, struct.unpack(">I", receive(client, 4))[0])


def run(command, requests, rounds, out, check=lambda answer: None):
    """The instructions of the server `command`, which prints its address last in a line. In each round each
    connection sends `requests[connection]` at once, whose answers `check` sees. The profile goes to `out`."""
    core = min(os.sched_getaffinity(0))
    server = subprocess.Popen(
        ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--toggle-collect={COUNTED}",
         f"--callgrind-out-file={out}", *command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    port = int(server.stdout.readline().rsplit(":", 1)[1])
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in requests]
    for _ in range(rounds):
        # Held meanwhile: one look at the selector finds all requests, however busy the machine is.
        server.send_signal(signal.SIGSTOP)
        for client, sent in zip(clients, requests):
            client.sendall(b"".join(sent))
        server.send_signal(signal.SIGCONT)
        for client, sent in zip(clients, requests):
            for _ in sent:
                check(answer(client))
    server.terminate()
    said = server.communicate()[1]
    found = re.search(r"Collected : (\d+)", said)
    if not found:
        sys.exit(f"{command} under callgrind: exit code {server.returncode}\n{said}")
    return int(found[1])


def each(command, requests, check, few=10, many=60):
    """The instructions for each request."""
    with tempfile.TemporaryDirectory() as directory:
        out = f"{directory}/out"
        counts = [min(run(command, requests, n, out, check) for _ in range(RUNS)) for n in (few, many)]
    return (counts[1] - counts[0]) / ((many - few) * sum(map(len, requests)))

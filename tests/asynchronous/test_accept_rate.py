"""How many events a second are accepted, each of 1 kB and on disk before its 202. `--full`, release builds.

Machines differ, and other work on them: the rate is printed, and held against what the same clients get of the same
daemon in the same run where it touches no disk, for a function that does not exist.
"""

import multiprocessing
import selectors
import socket
import time

import pytest

from harness.functions import create, zipped

CLIENTS, PROCESSES, SECONDS = 64, 2, 5.0
# On two idle cores, the clients on them too: 16,000 to 30,000 events a second accepted, 60,000 requests refused.
LEAST_SHARE = 0.1
BODY = b'"' + b"x" * 1022 + b'"'
REQUEST = (
    b"POST /2015-03-31/functions/%s/invocations HTTP/1.1\r\nhost: localhost\r\n"
    b"x-amz-invocation-type: Event\r\ncontent-length: 1024\r\n\r\n" + BODY
)


def client(address, request, status, connections, answers):
    """One request after the other on each of so many connections; counts answers, all of which have `status`."""
    selector, answered = selectors.DefaultSelector(), 0
    for _ in range(connections):
        connection = socket.create_connection(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request)
        selector.register(connection, selectors.EVENT_READ)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for key, _ in selector.select(1):
            answer = key.fileobj.recv(65536)
            if not answer.startswith(b"HTTP/1.1 " + status):
                answers.put(answer[:200])
                return
            answered += 1
            key.fileobj.sendall(request)
    answers.put(answered)


def rate(daemon, function, status):
    """Requests a second that all clients together get answered."""
    answers = multiprocessing.Queue()
    arguments = (daemon.address("api"), REQUEST % function, status, CLIENTS // PROCESSES, answers)
    clients = [multiprocessing.Process(target=client, args=arguments) for _ in range(PROCESSES)]
    for process in clients:
        process.start()
    counts = [answers.get(timeout=SECONDS * 6) for _ in clients]
    for process in clients:
        process.join(10)
    assert all(isinstance(count, int) for count in counts), counts
    return sum(counts) / SECONDS


@pytest.mark.timeout(600)
def test_events_are_accepted_fast_enough(own_daemon, full):
    if not full:
        pytest.skip("a measurement")
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    refused = rate(daemon, b"none", b"404")
    accepted = rate(daemon, b"f", b"202")
    print(f"{accepted:.0f} events/s accepted, {refused:.0f} requests/s refused")
    assert accepted >= LEAST_SHARE * refused, f"{accepted:.0f} accepted, {refused:.0f} refused a second"

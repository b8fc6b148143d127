"""How many events a second are accepted, each on disk before its 202, over 64 connections. `--full`, release builds."""

import multiprocessing
import selectors
import socket
import time

import pytest

from harness.functions import create, zipped

CLIENTS, PROCESSES, SECONDS, WANTED = 64, 2, 10.0, 15_000
BODY = b'"' + b"x" * 1022 + b'"'
REQUEST = (
    b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nhost: localhost\r\n"
    b"x-amz-invocation-type: Event\r\ncontent-length: 1024\r\n\r\n" + BODY
)


def client(address, connections, answers):
    """One request after the other on each of so many connections; counts those accepted."""
    selector, accepted = selectors.DefaultSelector(), 0
    for _ in range(connections):
        connection = socket.create_connection(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(REQUEST)
        selector.register(connection, selectors.EVENT_READ)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for key, _ in selector.select(1):
            answer = key.fileobj.recv(65536)
            if not answer.startswith(b"HTTP/1.1 202"):
                answers.put(answer[:200])
                return
            accepted += 1
            key.fileobj.sendall(REQUEST)
    answers.put(accepted)


def test_events_are_accepted_fast_enough(own_daemon, full):
    if not full:
        pytest.skip("a measurement")
    daemon = own_daemon().start()
    create(daemon.lam, "f", zipped("invoke_echo.event"))
    answers = multiprocessing.Queue()
    arguments = (daemon.address("api"), CLIENTS // PROCESSES, answers)
    clients = [multiprocessing.Process(target=client, args=arguments) for _ in range(PROCESSES)]
    for process in clients:
        process.start()
    counts = [answers.get(timeout=SECONDS * 6) for _ in clients]
    for process in clients:
        process.join(10)
    assert all(isinstance(count, int) for count in counts), counts
    rate = sum(counts) / SECONDS
    print(f"{rate:.0f} events/s accepted")
    assert rate >= WANTED, f"{rate:.0f} events/s"

"""asyncio's event loop over what a sandbox has: clocks, and the host's HTTP requests."""

import asyncio
import socket
import time
from asyncio import base_events, events

import _lamina

from . import transports

_TIMEOUT = -5
_LONGEST_MS = 0x7FFFFFFF


class Selector:
    """Sleeps until a timer is due or one of the watched requests has something."""

    def __init__(self):
        self._watched = {}

    def watch(self, handle, callback):
        """Has `callback()` run once by the loop when request `handle` has a head or more of its body."""
        self._watched[handle] = callback

    def forget(self, handle):
        """Stops watching."""
        self._watched.pop(handle, None)

    def select(self, timeout=None):
        """The callbacks that are due, after at most `timeout` seconds."""
        if not self._watched:
            if timeout is None:
                raise RuntimeError("the event loop would wait for ever: nothing is scheduled and no request is under way")
            if timeout > 0:
                time.sleep(timeout)
            return []
        handles = list(self._watched)
        milliseconds = -1 if timeout is None else min(_LONGEST_MS, max(0, int(timeout * 1000 + 0.999)))
        index = _lamina.http_wait(handles, milliseconds)
        if index == _TIMEOUT:
            return []
        if index < 0:
            raise OSError(f"the host refused to wait for requests ({index})")
        return [self._watched.pop(handles[index])]

    def get_map(self):
        """What is watched."""
        return self._watched

    def close(self):
        """Forgets all."""
        self._watched.clear()


class SandboxEventLoop(base_events.BaseEventLoop):
    """An event loop without file descriptors."""

    def __init__(self):
        super().__init__()
        self._selector = Selector()

    def _process_events(self, event_list):
        for callback in event_list:
            self.call_soon(callback)

    def _write_to_self(self):
        """Nobody else runs who could be waiting in select."""

    def run_in_executor(self, executor, func, *args):
        """Runs `func` at once; the future is done."""
        self._check_closed()
        future = self.create_future()
        if executor is not None:
            inner = executor.submit(func, *args)
            return asyncio.wrap_future(inner, loop=self)
        try:
            future.set_result(func(*args))
        except StopIteration as error:
            future.set_exception(RuntimeError(f"a function run in an executor raised {error!r}"))
        except Exception as error:
            future.set_exception(error)
        return future

    async def shutdown_default_executor(self, timeout=None):
        """There is none."""

    async def create_connection(self, protocol_factory, host=None, port=None, *, ssl=None, sock=None, server_hostname=None, **_how):
        """A connection to an HTTP server, through the host. How to connect (families, addresses, time-outs) is the host's business."""
        return await transports.connect(self, protocol_factory, host, port, ssl, sock, server_hostname)

    async def start_tls(self, transport, protocol, sslcontext, **_how):
        """Has the requests of a connection be https."""
        return await transports.start_tls(transport, protocol, sslcontext)

    async def sock_connect(self, sock, address):
        """`sock.connect`, which does not wait."""
        sock.connect(address)

    async def sock_sendall(self, sock, data):
        """`sock.sendall`, which does not wait."""
        sock.sendall(data)

    async def sock_recv(self, sock, n):
        """The next bytes, without keeping other tasks from running."""
        handle = sock._connected().waiting_for
        if handle is not None:
            ready = self.create_future()
            self._selector.watch(handle, lambda: ready.done() or ready.set_result(None))
            await ready
        return sock._connected().read(n)

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        """`socket.getaddrinfo`."""
        return socket.getaddrinfo(host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr, flags=0):
        """`socket.getnameinfo`."""
        return socket.getnameinfo(sockaddr, flags)

    def add_signal_handler(self, sig, callback, *args):
        """Not possible: there are no signals."""
        raise NotImplementedError("there are no signals in the sandbox")

    def remove_signal_handler(self, sig):
        """Not possible: there are no signals."""
        raise NotImplementedError("there are no signals in the sandbox")


class SandboxPolicy(events.BaseDefaultEventLoopPolicy):
    """Makes `SandboxEventLoop` what `asyncio.run` uses."""

    _loop_factory = SandboxEventLoop


def install():
    """Sets the policy, and the loop where programs name that of the platform, as in `asyncio.Runner(loop_factory=asyncio.EventLoop)`."""
    for module in (asyncio, asyncio.unix_events):
        module.EventLoop = module.SelectorEventLoop = SandboxEventLoop
        module.DefaultEventLoopPolicy = SandboxPolicy
    asyncio.set_event_loop_policy(SandboxPolicy())

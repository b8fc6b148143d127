"""asyncio's transports over `Wire`: what async clients of HTTP connect with."""

import asyncio
import errno
import ssl as tls

from . import names
from .sockets import BridgeSocket
from .wire import Wire

_PIECE = 1 << 16


class BridgeTransport(asyncio.Transport):
    """A connection whose far end makes requests through the host, between a protocol and the loop's selector."""

    def __init__(self, loop, wire, protocol, sock, peer, context):
        super().__init__({"socket": sock, "peername": peer, "sockname": ("0.0.0.0", 0), "sslcontext": context})
        if context is not None:
            self._extra.update(ssl_object=sock, peercert={}, cipher=None, compression=None)
        self._loop = loop
        self._wire = wire
        self._protocol = protocol
        self._paused = False
        self._closing = False
        self._scheduled = None
        self._eof = False

    def get_protocol(self):
        """Who is told."""
        return self._protocol

    def set_protocol(self, protocol):
        """Who shall be told."""
        self._protocol = protocol

    def is_closing(self):
        """Whether it is closed or about to be."""
        return self._closing

    def is_reading(self):
        """Whether data is told of."""
        return not (self._paused or self._closing)

    def pause_reading(self):
        """Tells of no data for now."""
        self._paused = True

    def resume_reading(self):
        """Tells of data again."""
        self._paused = False
        self._watch()

    def write(self, data):
        """Takes all of `data`."""
        if self._closing:
            return
        try:
            self._wire.feed(data)
        except OSError as error:
            self._end(error)
        else:
            self._watch()

    def writelines(self, list_of_data):
        """Takes all of the pieces."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self):
        """No: a request's length says where it ends."""
        return False

    def write_eof(self):
        """Not possible."""
        raise NotImplementedError("a request's length says where it ends")

    def get_write_buffer_size(self):
        """Nothing is held back."""
        return 0

    def get_write_buffer_limits(self):
        """Nothing is held back."""
        return 0, 0

    def set_write_buffer_limits(self, high=None, low=None):
        """Nothing is held back."""

    def close(self):
        """Closes, and tells the protocol."""
        self._end(None)

    def abort(self):
        """Closes, and tells the protocol."""
        self._end(None)

    def _watch(self):
        if self._paused or self._closing or self._scheduled is not None:
            return
        handle = self._wire.waiting_for
        if handle is not None:
            self._scheduled = handle
            self._loop._selector.watch(handle, self._readable)
        elif self._wire.is_ready(0):
            self._scheduled = 0
            self._loop.call_soon(self._readable)

    def _readable(self):
        self._scheduled = None
        if self._paused or self._closing:
            return
        try:
            data = self._wire.read(_PIECE)
        except OSError as error:
            self._end(error)
            return
        if data:
            self._received(data)
            self._watch()
        elif not self._protocol.eof_received():
            self._end(None)

    def _received(self, data):
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            protocol.data_received(data)
            return
        while data:
            buffer = memoryview(protocol.get_buffer(len(data)))
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            protocol.buffer_updated(count)
            data = data[count:]

    def _end(self, error):
        if self._closing:
            return
        self._closing = True
        if self._scheduled:
            self._loop._selector.forget(self._scheduled)
        self._wire.close()
        self._loop.call_soon(self._protocol.connection_lost, error)


def _context_of(ssl):
    return tls.create_default_context() if ssl is True else (ssl or None)


async def connect(loop, protocol_factory, host, port, ssl, sock, server_hostname):
    """What `loop.create_connection` does."""
    context = _context_of(ssl)
    if sock is not None:
        if not isinstance(sock, BridgeSocket):
            raise ValueError(f"a socket was expected, got {sock!r}")
        wire, sock._wire, peer = sock._wire, None, sock._peer
        if wire is None:
            raise OSError(errno.ENOTCONN, "Socket is not connected")
    else:
        wire, peer, sock = Wire(names.name_of(host), port), (names.address_of(host), port), BridgeSocket()
    wire.tls = wire.tls or context is not None
    if context is not None and not isinstance(sock, tls.SSLSocket):
        sock = context.wrap_socket(sock, server_hostname=server_hostname or host)
    protocol = protocol_factory()
    transport = BridgeTransport(loop, wire, protocol, sock, peer, context)
    protocol.connection_made(transport)
    return transport, protocol


async def start_tls(transport, protocol, context):
    """What `loop.start_tls` does, before a request was written."""
    transport._wire.tls = True
    transport.set_protocol(protocol)
    transport._extra["sslcontext"] = context
    return transport

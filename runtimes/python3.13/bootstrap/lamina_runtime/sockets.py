"""`socket` and `select` over `Wire`: what clients of HTTP do with sockets works, everything else says why it cannot."""

import errno
import itertools
import select
import selectors
import socket
import time

from . import names
from .wire import Wire

_real_select = select.select
# Above any descriptor that WASI gives out, so that the two kinds cannot be mixed up.
_FIRST_NUMBER = 1 << 20
_numbers = itertools.count(_FIRST_NUMBER)
_open = {}
_CONSTANTS = {
    "AF_UNSPEC": 0,
    "AF_INET": 1,
    "AF_INET6": 2,
    "AF_UNIX": 3,
    "SOCK_STREAM": 6,
    "SOCK_DGRAM": 5,
    "SOL_SOCKET": 0x7FFFFFFF,
    "SO_KEEPALIVE": 9,
    "SO_REUSEADDR": 2,
    "SO_ERROR": 4,
    "SO_SNDBUF": 7,
    "SO_RCVBUF": 8,
    "SO_BROADCAST": 6,
    "SO_LINGER": 13,
    "IPPROTO_IP": 0,
    "IPPROTO_TCP": 6,
    "IPPROTO_UDP": 17,
    "IPPROTO_IPV6": 41,
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 4,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 6,
    "TCP_USER_TIMEOUT": 18,
    "IPV6_V6ONLY": 26,
    "SHUT_RD": 0,
    "SHUT_WR": 1,
    "SHUT_RDWR": 2,
    "MSG_PEEK": 1,
    "AI_PASSIVE": 1,
    "AI_CANONNAME": 2,
    "AI_NUMERICHOST": 4,
    "AI_NUMERICSERV": 1024,
    "AI_ADDRCONFIG": 32,
    "NI_NUMERICHOST": 1,
    "NI_NUMERICSERV": 2,
    "EAI_NONAME": -2,
    "EAI_AGAIN": -3,
    "EAI_FAIL": -4,
    "EAI_FAMILY": -6,
    "EAI_SERVICE": -8,
    "SOMAXCONN": 128,
    "INADDR_ANY": 0,
    "INADDR_LOOPBACK": 0x7F000001,
}


def _unsupported(what):
    return OSError(errno.ENOTSUP, f"{what}: the sandbox has no sockets, only HTTP requests go out, through the host")


class BridgeSocket:
    """A stream socket that can be the client of an HTTP server."""

    # Until __init__ is through, there is nothing to close.
    _closed = True
    _wire = None

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        if fileno is not None:
            raise _unsupported("a socket from a descriptor")
        self.family = socket.AF_INET if family in (-1, 0) else family
        self.type = socket.SOCK_STREAM if type == -1 else type & 0xF
        self.proto = 0 if proto == -1 else proto
        self._wire = None
        self._peer = None
        self._timeout = socket.getdefaulttimeout()
        self._io_refs = 0
        self._closed = False
        self._number = next(_numbers)
        _open[self._number] = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self._closed:
            self.close()

    def __repr__(self):
        return f"<{type(self).__module__}.{type(self).__qualname__} fd={self.fileno()} raddr={self._peer}>"

    def __getstate__(self):
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def __del__(self):
        if not self._closed:
            self._really_close()

    # Connecting.

    def connect(self, address):
        """Remembers where to; the host connects when a request is whole."""
        if self._closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self.type != socket.SOCK_STREAM or not isinstance(address, tuple):
            raise _unsupported("a socket that is not TCP")
        if self._wire is not None:
            raise OSError(errno.EISCONN, "Socket is connected")
        self._wire = Wire(names.name_of(address[0]), address[1])
        self._peer = address

    def connect_ex(self, address):
        """As `connect`, with the error's number for a result."""
        try:
            self.connect(address)
        except OSError as error:
            return error.errno
        return 0

    def bind(self, address):
        """Only the wildcard, which clients name to choose no source address."""
        if not isinstance(address, tuple) or address[0] not in ("", "0.0.0.0", "::") or address[1] != 0:
            raise _unsupported("bind")

    def listen(self, backlog=0):
        """Not possible."""
        raise _unsupported("listen")

    def accept(self):
        """Not possible."""
        raise _unsupported("accept")

    def sendto(self, *_):
        """Not possible."""
        raise _unsupported("a datagram")

    sendmsg = recvfrom = recvfrom_into = recvmsg = recvmsg_into = sendto

    # Data.

    def _connected(self):
        if self._closed and self._io_refs <= 0:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self._wire is None:
            raise OSError(errno.ENOTCONN, "Socket is not connected")
        return self._wire

    def send(self, data, flags=0):
        """Takes all of `data`."""
        view = memoryview(data).cast("B")
        self._connected().feed(view)
        return len(view)

    def sendall(self, data, flags=0):
        """Takes all of `data`."""
        self.send(data, flags)

    def sendfile(self, file, offset=0, count=None):
        """Sends a file, or `count` bytes of it."""
        if offset:
            file.seek(offset)
        sent = 0
        while count is None or sent < count:
            piece = file.read(65536 if count is None else min(65536, count - sent))
            if not piece:
                break
            self.sendall(piece)
            sent += len(piece)
        return sent

    def recv(self, bufsize, flags=0):
        """The next bytes of a response; waits as long as the timeout says."""
        wire = self._connected()
        if self._timeout is not None and not wire.is_ready(self._timeout):
            if self._timeout == 0:
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
            raise TimeoutError("timed out")
        return wire.read(bufsize)

    def recv_into(self, buffer, nbytes=0, flags=0):
        """`recv` into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def is_readable(self, timeout):
        """Whether `recv` would not wait longer than `timeout` seconds."""
        return self._wire is not None and self._wire.is_ready(timeout)

    # The rest of a socket's life.

    def makefile(self, mode="r", buffering=None, *, encoding=None, errors=None, newline=None):
        """A file over this socket, as `socket.socket.makefile` makes it."""
        return socket._lamina_makefile(self, mode, buffering, encoding=encoding, errors=errors, newline=newline)

    def _decref_socketios(self):
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed:
            self.close()

    def close(self):
        """Closes, when files made of this socket are closed too."""
        self._closed = True
        if self._io_refs <= 0:
            self._really_close()

    def _really_close(self):
        self._closed = True
        _open.pop(self._number, None)
        if self._wire is not None:
            self._wire.close()

    def detach(self):
        """Gives the number away; there is nothing behind it."""
        number = self._number
        self._closed = True
        _open.pop(number, None)
        return number

    def shutdown(self, how):
        """Nothing to tell the other side."""
        self._connected()

    def fileno(self):
        """A number that this module's `select` knows; -1 when closed."""
        return -1 if self._closed else self._number

    def settimeout(self, value):
        """Seconds, or None for no limit."""
        if value is not None:
            value = float(value)
            if value < 0:
                raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self):
        """Seconds, or None."""
        return self._timeout

    timeout = property(gettimeout)

    def setblocking(self, flag):
        """No timeout, or one of 0."""
        self._timeout = None if flag else 0.0

    def getblocking(self):
        """Whether the timeout is not 0."""
        return self._timeout != 0

    def setsockopt(self, *_):
        """Accepted; the connection is the host's."""

    def getsockopt(self, level, optname, buflen=0):
        """0, or that many zero bytes."""
        return bytes(buflen) if buflen else 0

    def getpeername(self):
        """Where `connect` went."""
        self._connected()
        return self._peer

    def getsockname(self):
        """An address of no meaning."""
        return ("0.0.0.0", 0)

    def get_inheritable(self):
        """There is nobody to inherit."""
        return False

    def set_inheritable(self, inheritable):
        """There is nobody to inherit."""


BridgeSocket.__name__ = BridgeSocket.__qualname__ = "socket"
BridgeSocket.__module__ = "socket"


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """One entry, whose address stands for the name. That a name does not exist shows when a request is made."""
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii")
    if isinstance(port, (str, bytes)):
        port = _port(port)
    if host is None or host == "":
        host = "127.0.0.1"
    address = names.address_of(host)
    if ":" in address:
        return [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port or 0, 0, 0))]
    if family == socket.AF_INET6:
        raise socket.gaierror(socket.EAI_NONAME, "no IPv6 address stands for a name")
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port or 0))]


def _port(name):
    text = name.decode() if isinstance(name, bytes) else name
    known = {"http": 80, "https": 443}
    if text.isdecimal():
        return int(text)
    if text in known:
        return known[text]
    raise socket.gaierror(socket.EAI_SERVICE, f"unknown service {text!r}")


def gethostbyname(name):
    """The address that stands for a name."""
    return names.address_of(name)


def gethostbyname_ex(name):
    """The address that stands for a name, as `socket.gethostbyname_ex` tells it."""
    return name, [], [names.address_of(name)]


def gethostbyaddr(address):
    """The name that an address stands for."""
    name = names.name_of(address)
    if name == address and names.is_address(name):
        raise socket.herror(1, "Unknown host")
    return name, [], [address]


def getnameinfo(address, flags):
    """Name and port as text."""
    return names.name_of(address[0]), str(address[1])


def gethostname():
    """The sandbox has no name of its own."""
    return "localhost"


def _refused(what):
    def refuse(*_args, **_kwargs):
        raise _unsupported(what)

    return refuse


# select and poll: a bridge socket can always be written to.


def _bridge(item):
    number = item if isinstance(item, int) else item.fileno()
    return _open.get(number)


def wait_readable(sockets, timeout):
    """Those of `sockets` that can be read within `timeout` seconds (None: no limit)."""
    end = None if timeout is None else time.monotonic() + timeout
    ready = [one for one in sockets if one.is_readable(0)]
    while not ready and sockets:
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            break
        if len(sockets) == 1:
            return sockets if sockets[0].is_readable(left) else []
        # Several at once: each for a moment, in turn.
        ready = [one for one in sockets if one.is_readable(0.001)]
    return ready


def bridged_select(rlist, wlist, xlist, timeout=None):
    """`select.select`, with bridge sockets."""
    reading = [(item, _bridge(item)) for item in rlist]
    writing = [item for item in wlist if _bridge(item) is not None]
    if not any(bridge for _, bridge in reading) and not writing:
        return _real_select(rlist, wlist, xlist, timeout)
    bridges = [bridge for _, bridge in reading if bridge is not None]
    ready = wait_readable(bridges, 0 if writing else timeout)
    return [item for item, bridge in reading if bridge in ready], writing, []


class Poll:
    """`select.poll`, for bridge sockets."""

    def __init__(self):
        self._events = {}

    def register(self, fd, eventmask=select.POLLIN | select.POLLOUT):
        """Watches a socket."""
        self._events[fd if isinstance(fd, int) else fd.fileno()] = eventmask

    modify = register

    def unregister(self, fd):
        """Watches no longer."""
        del self._events[fd if isinstance(fd, int) else fd.fileno()]

    def poll(self, timeout=None):
        """What is ready within `timeout` milliseconds."""
        seconds = None if timeout is None or timeout < 0 else timeout / 1000
        result, reading = [], []
        for number, mask in self._events.items():
            one = _open.get(number)
            if one is None:
                result.append((number, getattr(select, "POLLNVAL", 32)))
            elif mask & select.POLLOUT:
                result.append((number, select.POLLOUT))
            elif mask & select.POLLIN:
                reading.append(one)
        ready = wait_readable(reading, 0 if result else seconds)
        return result + [(one.fileno(), select.POLLIN) for one in ready]


def install():
    """Puts these into `socket`, `select` and `selectors`."""
    for name, value in _CONSTANTS.items():
        if not hasattr(socket, name):
            setattr(socket, name, value)
    socket._lamina_makefile = socket.socket.makefile
    socket.socket = socket.SocketType = BridgeSocket
    for function in (getaddrinfo, gethostbyname, gethostbyname_ex, gethostbyaddr, getnameinfo, gethostname):
        setattr(socket, function.__name__, function)
    for name in ("socketpair", "fromfd", "fromshare", "send_fds", "recv_fds"):
        setattr(socket, name, _refused(name))
    socket.has_ipv6 = False
    select.select = bridged_select
    select.poll = Poll
    if hasattr(selectors, "PollSelector"):
        selectors.PollSelector._selector_cls = Poll
    selectors.SelectSelector._select = staticmethod(bridged_select)

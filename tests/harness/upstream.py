"""An HTTP server on loopback, for what functions send to the outside."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(handler):
    """The port at which requests are given to a `BaseHTTPRequestHandler`, while the block runs."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()

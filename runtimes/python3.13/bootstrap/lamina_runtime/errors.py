"""Errors as clients and logs see them: documents, the user's own frames, the words of the log."""

import os
import sys
import time
import traceback

import _lamina

from . import marshal

HERE = os.path.dirname(__file__) + "/"
# Lambda indents what it logs of a traceback with these, since plain spaces at a line's start are lost in its console.
NO_BREAK_SPACE = "\u00a0"


class Fault(Exception):
    """An error that the runtime words itself, with a `kind` such as `Runtime.HandlerNotFound`."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace or []


def text_of(error):
    """`str(error)`, also where the error's own `__str__` fails."""
    try:
        return str(error)
    except Exception:
        return f"<unprintable {type(error).__name__} object>"


def _is_importing(filename):
    return filename.startswith("<frozen importlib") or filename.endswith("/importlib/__init__.py")


def user_frames(tb):
    """The frames of `tb` as lines, without this package's, and without the import machinery above the user's first."""
    frames = []
    for frame in traceback.extract_tb(tb):
        if frame.filename.startswith(HERE) or (not frames and _is_importing(frame.filename)):
            continue
        # Built anew without columns: Lambda's frames have no carets.
        frames.append(traceback.FrameSummary(frame.filename, frame.lineno, frame.name, line=frame.line))
    return [line for frame in frames for line in traceback.format_list([frame])]


def document(error, request_id=""):
    """The error document of an exception."""
    if isinstance(error, Fault):
        return _document(error.message, error.kind, error.trace, request_id)
    tb = error.__traceback__
    if isinstance(error, MemoryError):
        # What the frames hold is what filled the memory.
        traceback.clear_frames(tb)
    return _document(text_of(error), type(error).__name__, user_frames(tb), request_id)


def _document(message, kind, trace, request_id):
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def _indented(line):
    bare = line.lstrip(" ")
    return NO_BREAK_SPACE * (len(line) - len(bare)) + bare


def log(doc, as_json):
    """Writes an error document to the function's log, as one event."""
    if as_json:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
        _lamina.log(marshal.dumps({"timestamp": stamp, "level": "ERROR", **doc}))
        return
    head = f"[ERROR] {doc['errorType']}"
    if doc["errorMessage"]:
        head += f": {doc['errorMessage']}"
    lines = [head, "Traceback (most recent call last):"]
    for entry in doc["stackTrace"]:
        lines.extend(_indented(line) for line in entry.splitlines())
    _lamina.log("\n".join(lines))


def leave(error):
    """Ends the environment for an exception that Lambda's runtime would not survive: `sys.exit`, `KeyboardInterrupt`, …"""
    status = 1
    if isinstance(error, SystemExit):
        code = error.code
        if code is None:
            status = 0
        elif isinstance(code, int):
            status = code & 0xFF
        else:
            print(code, file=sys.stderr)
    else:
        traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: S112 - a stream of the user's own making must not keep the environment alive
            continue
    os._exit(status)

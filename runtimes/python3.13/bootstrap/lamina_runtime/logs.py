"""`logging` as Lambda sets it up: one handler at the root, one event a record."""

import json
import logging
import sys
import time
import traceback

import _lamina

# Attributes of a record that are not the user's `extra`.
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "aws_request_id", "tenant_id"}

_stdout = sys.stdout
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


class _Invocation:
    """Which invocation the records belong to."""

    # An attribute of a class that is set makes what the interpreter knows about its type void, each time.
    __slots__ = ("request_id", "tenant_id")

    def __init__(self):
        self.request_id = ""
        self.tenant_id = None


invocation = _Invocation()


def write(text):
    """One event of the log, after what `print` wrote before it."""
    _stdout.flush()
    _lamina.log(text)


class LogSink:
    """What handlers write to."""

    def log(self, message, frame_type=None):
        """Writes one event."""
        write(message)


class LambdaLoggerFilter(logging.Filter):
    """Gives every record the request it belongs to."""

    def filter(self, record):
        record.aws_request_id = invocation.request_id
        record.tenant_id = invocation.tenant_id
        return True


class LambdaLoggerHandler(logging.Handler):
    """Sends records to the function's log."""

    def __init__(self):
        super().__init__()
        self.log_sink = LogSink()
        self.addFilter(LambdaLoggerFilter())

    def emit(self, record):
        try:
            self.log_sink.log(self.format(record))
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)


class TextFormatter(logging.Formatter):
    """`[INFO]`, time, request id and message between tabs."""

    def __init__(self):
        super().__init__("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")


class JsonFormatter(logging.Formatter):
    """Lambda's JSON shape of a record."""

    def format(self, record):
        level = min(50, max(0, record.levelno)) // 10 * 10
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "timestamp": f"{stamp}.{int(record.msecs):03d}Z",
            "level": logging.getLevelName(level),
            "message": record.getMessage(),
            "logger": record.name,
        }
        exc_info = record.exc_info
        if exc_info and exc_info[0]:
            fields["stackTrace"] = traceback.format_tb(exc_info[2])
            fields["errorType"] = exc_info[0].__name__
            fields["errorMessage"] = str(exc_info[1])
        fields["requestId"] = invocation.request_id
        if exc_info and exc_info[0]:
            fields["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        if invocation.tenant_id is not None:
            fields["tenantId"] = invocation.tenant_id
        for name, value in record.__dict__.items():
            if name not in _OWN and name not in fields and value is not None:
                fields[name] = value
        return _encode(fields)


_handler = LambdaLoggerHandler()
_LEVELS = {
    "TRACE": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "CRITICAL": logging.CRITICAL,
}


def install():
    """Puts the handler at the root, before any function is known."""
    logging.Formatter.converter = time.gmtime
    _handler.setFormatter(TextFormatter())
    logging.getLogger().addHandler(_handler)


def configure(as_json, level):
    """What a function's logging configuration says; levels count for JSON only, as in Lambda."""
    if as_json:
        _handler.setFormatter(JsonFormatter())
        logging.getLogger().setLevel(_LEVELS.get(level, logging.INFO))

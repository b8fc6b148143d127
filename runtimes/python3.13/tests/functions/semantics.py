"""What a handler can do, one function a case. The event names it."""

import decimal
import json
import logging
import os
import random
import sys
import time
from collections import namedtuple

logger = logging.getLogger()
Point = namedtuple("Point", "x y")


class Odd(Exception):
    """An error with words."""


def fields(_, context):
    """Every field of the context."""
    return {
        **{name: value for name, value in vars(context).items() if isinstance(value, (str, int, type(None)))},
        "left": context.get_remaining_time_in_millis(),
        "identity": repr(context.identity),
        "client": repr(context.client_context),
        "repr": repr(context),
    }


def log(_, context):
    """A line by each way to the log."""
    print("printed")
    print("to stderr", file=sys.stderr)
    logger.warning("two\nlines")
    logger.info("not at this level")
    logging.getLogger("a.b").error("with %s", "argument", extra={"order": 5})
    context.log("as it is")
    try:
        raise Odd("inner")
    except Odd:
        logger.exception("caught")


def fail(event, _):
    """An error of the user's own."""
    raise Odd(f"no {event['what']}")


def recurse(*_):
    """Too deep."""
    return recurse(*_)


def deep_json(*_):
    """Too deep in C."""
    return json.loads("[" * 100_000)


def leave(event, _):
    """The end."""
    sys.exit(event["code"])


def fill(*_):
    """More memory than there is."""
    return len([bytearray(1 << 20) for _ in range(4096)])


def values(*_):
    """Values that JSON does not have."""
    return {"decimal": decimal.Decimal("1.10"), "point": Point(1, 2), "text": "grüße 😀", "nan": float("nan"), "tuple": (1, 2)}


def unserialisable(*_):
    """No JSON of this."""
    return {"a": {1, 2}}


def raw(*_):
    """Bytes go as they are."""
    return b"<html>"


def where(*_):
    """Directories, paths, variables."""
    return {
        "cwd": os.getcwd(),
        "path": sys.path,
        "env": dict(os.environ),
        "relative": open("echo.py").readline(),
        "tmp": _tmp(),
    }


def _tmp():
    with open("/tmp/a", "w") as stream:
        stream.write("x")
    return os.listdir("/tmp")


def draw(*_):
    """Random numbers, by ways that a restored environment must not share."""
    return [random.random(), _unseeded.random(), _seeded.random(), os.urandom(4).hex()]


_unseeded = random.Random()
_seeded = random.Random(1)


def clock(*_):
    """Local time."""
    return [time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(1_720_000_000)), time.tzname, time.mktime((2024, 7, 3, 12, 0, 0, 0, 0, -1))]


def lambda_handler(event, context):
    return globals()[event["do"]](event, context)

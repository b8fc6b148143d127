"""JSON in and out of a function."""

import json
from json.decoder import JSONDecoder

_scan = JSONDecoder().scan_once


def loads(text):
    """Parses JSON; what `json.loads` does, less its two searches for white space around the value."""
    if type(text) is str:
        try:
            value, end = _scan(text, 0)
        except (StopIteration, ValueError):
            return json.loads(text)
        if end == len(text):
            return value
    return json.loads(text)


_encode = json.JSONEncoder(ensure_ascii=False).encode


def dumps(value):
    """JSON of a value, as a str."""
    return _encode(value)


def frame(value):
    """The frame of a response: tag 0 and the JSON of `value`; bytes go as they are."""
    if isinstance(value, bytes):
        return b"\0" + value
    return b"\0" + _encode(value).encode("utf-8", "surrogatepass")

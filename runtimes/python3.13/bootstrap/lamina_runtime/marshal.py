"""JSON in and out of a function. Lambda's runtime encodes with simplejson, and so does this one: named tuples are objects, say."""

import json.encoder
import math
from decimal import Decimal
from json.decoder import JSONDecoder

from .simplejson import encoder
from .simplejson.raw_json import RawJSON

_scan = JSONDecoder().scan_once
# Strings, without escapes for what is not ASCII: in C, where simplejson's is in Python.
encoder.encode_basestring = json.encoder.encode_basestring


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


class _Encoder(encoder.JSONEncoder):
    def __init__(self):
        super().__init__(use_decimal=False, ensure_ascii=False, allow_nan=True)

    def default(self, o):
        if isinstance(o, Decimal):
            # "-NaN" and "sNaN" are no numbers for any parser.
            return math.nan if o.is_nan() else RawJSON(str(o))
        return super().default(o)


_encode = _Encoder().encode


def dumps(value):
    """JSON of a value, as a str."""
    return _encode(value)


def frame(value):
    """The frame of a response: tag 0 and the JSON of `value`; bytes go as they are."""
    if isinstance(value, bytes):
        return b"\0" + value
    return b"\0" + _encode(value).encode("utf-8", "surrogatepass")

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


def _compiled():
    """The C encoder that simplejson makes anew for each value, made once."""
    made = []
    make = encoder.c_make_encoder

    def keep(*arguments):
        made.append(make(*arguments))
        return made[0]

    encoder.c_make_encoder = keep
    try:
        _Encoder().iterencode(None)
    finally:
        encoder.c_make_encoder = make
    return made[0]


_encode = _compiled()


def dumps(value):
    """JSON of a value, as a str."""
    global _encode
    try:
        return "".join(_encode(value, 0))
    except BaseException:
        # It remembers what it was in the middle of, to find circles.
        _encode = _compiled()
        raise


def frame(value):
    """The frame of a response: tag 0 and the JSON of `value`; bytes go as they are."""
    if isinstance(value, bytes):
        return b"\0" + value
    return b"\0" + dumps(value).encode("utf-8", "surrogatepass")

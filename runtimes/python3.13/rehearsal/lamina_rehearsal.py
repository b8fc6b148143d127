"""What rt_init loads again and again, as it will load functions."""

import json
import logging
import os

logger = logging.getLogger()
table = os.environ.get("TABLE", "")


class Store:
    """State between invocations."""

    def __init__(self):
        self.items = {}


store = Store()


def handler(event, context):
    """Answers the event."""
    store.items["last"] = json.dumps(event)
    return event

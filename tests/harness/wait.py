"""Waiting for something to become true, never for time to pass."""

import time


class NotInTime(AssertionError):
    """What was waited for did not come."""


def until(what, condition, seconds=10.0, every=0.02):
    """Asks `condition` until it answers something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise NotInTime(f"{what}: not within {seconds} s (last: {answer!r})")
        time.sleep(every)


def steadily(what, condition, seconds=1.0, every=0.05):
    """Checks that `condition` stays true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), what
        time.sleep(every)

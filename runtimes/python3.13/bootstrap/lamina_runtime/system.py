"""What programs expect of `os` and WASI does not have: one user without rights, no processes."""

import errno
import os
import time

UID, GID = 993, 990


def _refuse(what):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.ENOTSUP, f"{what}: the sandbox has no processes")

    return refuse


def _given(value):
    return lambda: value


_FUNCTIONS = {
    "getuid": _given(UID),
    "geteuid": _given(UID),
    "getgid": _given(GID),
    "getegid": _given(GID),
    "getgroups": _given([GID]),
    "getppid": _given(1),
    "getpgrp": _given(1),
    "umask": lambda mask: 0o022,
    "getloadavg": _given((0.0, 0.0, 0.0)),
    "fork": _refuse("fork"),
    "kill": _refuse("kill"),
    "system": _refuse("system"),
    "popen": _refuse("popen"),
}


def install():
    """Adds what is absent."""
    for name, function in _FUNCTIONS.items():
        if not hasattr(os, name):
            setattr(os, name, function)
    if not hasattr(time, "thread_time"):
        # There is one thread.
        time.thread_time = time.process_time
        time.thread_time_ns = time.process_time_ns

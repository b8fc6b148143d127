"""The one user that there is, as programs ask for their name and home."""

from collections import namedtuple

struct_passwd = namedtuple("struct_passwd", "pw_name pw_passwd pw_uid pw_gid pw_gecos pw_dir pw_shell")
_USER = struct_passwd("sandbox", "x", 993, 990, "", "/tmp", "/sbin/nologin")


def getpwall():
    """All users."""
    return [_USER]


def getpwuid(uid):
    """The user of that number."""
    if uid != _USER.pw_uid:
        raise KeyError(f"getpwuid(): uid not found: {uid}")
    return _USER


def getpwnam(name):
    """The user of that name."""
    if name != _USER.pw_name:
        raise KeyError(f"getpwnam(): name not found: {name!r}")
    return _USER

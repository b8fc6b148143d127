"""Lambda's hooks around snapshots, under the name and with the functions of AWS's module."""

from lamina_runtime import hooks

__all__ = ["register_after_restore", "register_before_snapshot"]


def register_before_snapshot(func, *args, **kwargs):
    """Has `func(*args, **kwargs)` called before the snapshot is made, the last registered first. Returns `func`: may decorate."""
    hooks.before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    """Has `func(*args, **kwargs)` called in each environment that starts from the snapshot. Returns `func`: may decorate."""
    hooks.after_restore.append((func, args, kwargs))
    return func

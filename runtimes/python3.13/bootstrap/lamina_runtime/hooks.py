"""The functions that a function registered for snapshots (`snapshot_restore_py`)."""

before_snapshot = []
after_restore = []


def run_before_snapshot():
    """Runs the hooks, the last registered first, and forgets them."""
    while before_snapshot:
        function, args, kwargs = before_snapshot.pop()
        function(*args, **kwargs)


def run_after_restore():
    """Runs the hooks in the order of their registration."""
    for function, args, kwargs in after_restore:
        function(*args, **kwargs)

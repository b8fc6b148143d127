"""Threads where there are none.

`ThreadPoolExecutor` and `Thread.start` run their work at once, in the caller. Work that is meant to go on beside the caller cannot:
daemon threads and timers wait until they are joined, and never run when they are not.
"""

import concurrent.futures
import concurrent.futures.thread
import itertools
import threading
from concurrent.futures import Executor, Future

_is_alive = threading.Thread.is_alive
_join = threading.Thread.join
_PENDING, _RUNNING, _DONE = "pending", "running", "done"


class InlineExecutor(Executor):
    """An executor with `ThreadPoolExecutor`'s arguments that has run what it was given when `submit` returns."""

    _counter = itertools.count().__next__

    def __init__(self, max_workers=None, thread_name_prefix="", initializer=None, initargs=()):
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._max_workers = max_workers or 1
        self._thread_name_prefix = thread_name_prefix or f"ThreadPoolExecutor-{InlineExecutor._counter()}"
        self._shutdown = False
        self._initializer = initializer
        self._initargs = initargs

    def submit(self, fn, /, *args, **kwargs):
        """Runs `fn` and returns its finished future."""
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if self._initializer is not None:
            initializer, self._initializer = self._initializer, None
            initializer(*self._initargs)
        future = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Takes no more work."""
        self._shutdown = True


InlineExecutor.__name__ = InlineExecutor.__qualname__ = "ThreadPoolExecutor"


def _run(thread):
    ident = threading.get_ident()
    outer = threading._active.get(ident)
    threading._active[ident] = thread
    thread._lamina = _RUNNING
    thread._ident = ident
    try:
        thread.run()
    except SystemExit:
        pass
    except Exception:
        thread._invoke_excepthook(thread)
    finally:
        thread._lamina = _DONE
        if outer is None:
            threading._active.pop(ident, None)
        else:
            threading._active[ident] = outer


def _start(self):
    if not self._initialized:
        raise RuntimeError("thread.__init__() not called")
    if self._started.is_set():
        raise RuntimeError("threads can only be started once")
    self._started.set()
    self._lamina = _PENDING
    if not self.daemon and not isinstance(self, threading.Timer):
        _run(self)


def _alive(self):
    state = getattr(self, "_lamina", None)
    return _is_alive(self) if state is None else state is not _DONE


def _joined(self, timeout=None):
    state = getattr(self, "_lamina", None)
    if state is None:
        return _join(self, timeout)
    if state is _RUNNING:
        raise RuntimeError("cannot join current thread")
    if state is _PENDING:
        _run(self)
    return None


def install():
    """Puts these in the places of the standard library's."""
    concurrent.futures.ThreadPoolExecutor = InlineExecutor
    concurrent.futures.thread.ThreadPoolExecutor = InlineExecutor
    threading.Thread.start = _start
    threading.Thread.is_alive = _alive
    threading.Thread.join = _joined

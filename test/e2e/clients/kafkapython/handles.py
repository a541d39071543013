"""The open producers and consumers of this process, by the handle that the harness knows them by."""

import itertools
import threading


class Handles:
    """A map from handle to object; safe for concurrent use. It grows only by what the harness opens and does not close."""

    def __init__(self, prefix):
        self._prefix, self._numbers, self._open, self._lock = prefix, itertools.count(1), {}, threading.Lock()

    def add(self, thing):
        with self._lock:
            handle = "%s%d" % (self._prefix, next(self._numbers))
            self._open[handle] = thing
        return handle

    def get(self, handle):
        with self._lock:
            return self._open[handle]

    def take(self, handle):
        with self._lock:
            return self._open.pop(handle)

    def take_all(self):
        with self._lock:
            things, self._open = list(self._open.values()), {}
        return things

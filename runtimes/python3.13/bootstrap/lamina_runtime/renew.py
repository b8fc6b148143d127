"""What must not be the same in two environments that began as one memory image."""

import logging
import random
import tempfile
import time
import uuid
import weakref

# Generators that were seeded from the system's randomness, by identity: a user's subclass need not be hashable.
_unseeded = {}
_seed = random.Random.seed


def _seed_and_note(self, a=None, version=2):
    _seed(self, a, version)
    key = id(self)
    if a is None:
        _unseeded[key] = weakref.ref(self, lambda _: _unseeded.pop(key, None))
    else:
        # A seed of the user's choice promises a sequence: a restored environment goes on with it.
        _unseeded.pop(key, None)


def install():
    """Watches how generators are seeded, from before the first of a function's."""
    random.Random.seed = _seed_and_note
    # The module's functions are methods of one hidden generator, bound before the change.
    random.seed = random._inst.seed
    random.seed()


def all_state():
    """Reseeds generators and forgets names, clocks and node numbers drawn before."""
    for reference in list(_unseeded.values()):
        generator = reference()
        if generator is not None and not isinstance(generator, random.SystemRandom):
            generator.seed()
    tempfile._name_sequence = None
    uuid._node = None
    uuid._last_timestamp = None
    logging._startTime = time.time_ns()

"""What must not be the same in two environments that began as one memory image."""

import _random
import logging
import os
import random
import time
import uuid
import weakref

# Generators that were seeded from the system's randomness, by identity: a user's subclass need not be hashable.
_unseeded = {}
_seed, _reseed, _urandom = random.Random.seed, _random.Random.seed, os.urandom
# In bytes: nobody guesses 256 bits.
SEED_SIZE = 32


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
    """Reseeds generators, that of `tempfile`'s names with them, and forgets node numbers and the time it was before.

    What is as it should be is not written to: it lies in memory that environments share.
    """
    for reference in list(_unseeded.values()):
        generator = reference()
        if type(generator) is random.Random:
            # Without an argument it asks for 2,496 bytes, in ten calls.
            _reseed(generator, int.from_bytes(_urandom(SEED_SIZE)))
            if generator.gauss_next is not None:
                generator.gauss_next = None
        elif generator is not None and not isinstance(generator, random.SystemRandom):
            generator.seed()
    if uuid._node is not None or uuid._last_timestamp is not None:
        uuid._node = uuid._last_timestamp = None
    logging._startTime = time.time_ns()

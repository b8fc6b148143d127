"""`hashlib.pbkdf2_hmac` (RFC 8018, 5.2), which the standard library has from OpenSSL only."""

import hashlib

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """A key of `dklen` bytes (by default as many as the digest has) from a password."""
    inner, outer = hashlib.new(hash_name), hashlib.new(hash_name)
    size = inner.digest_size
    length = size if dklen is None else dklen
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if length < 1:
        raise ValueError("key length must be greater than 0.")
    secret = bytes(memoryview(password))
    if len(secret) > inner.block_size:
        secret = hashlib.new(hash_name, secret).digest()
    secret = secret.ljust(inner.block_size, b"\0")
    inner.update(secret.translate(_INNER))
    outer.update(secret.translate(_OUTER))

    def keyed(message):
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    key, salted = b"", bytes(memoryview(salt))
    for number in range(1, -(-length // size) + 1):
        block = keyed(salted + number.to_bytes(4, "big"))
        mixed = int.from_bytes(block)
        for _ in range(iterations - 1):
            block = keyed(block)
            mixed ^= int.from_bytes(block)
        key += mixed.to_bytes(size)
    return key[:length]


def install():
    """Adds it where it is absent."""
    if not hasattr(hashlib, "pbkdf2_hmac"):
        hashlib.pbkdf2_hmac = pbkdf2_hmac

"""The keys of processes that serve one house: all made from the secret that they share.

A process that has a database for itself keeps its keys in files of its data folder instead.
"""

import hashlib
import hmac


def shared_key(secret: str, purpose: str) -> bytes:
    """32 bytes for one purpose, the same in every process that knows the secret."""
    return hmac.digest(secret.encode(), purpose.encode(), hashlib.sha256)

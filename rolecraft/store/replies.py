"""A reply as it lies in the database: canonical JSON, from which it comes back exactly.

Knows no table. The stored text is the very text that `Reply.sha256` hashes, so that the hash of an
old row can be checked even after `Reply` gained a field.
"""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from rolecraft.conversation import Identity, Message, Passage, Reply, Sampling
from rolecraft.errors import StoreUnavailable


def dump(reply: Reply) -> str:
    """The canonical JSON of a reply."""
    return json.dumps(asdict(reply), ensure_ascii=False, sort_keys=True)


def load(body: str | None, sha256: str | None, node: str) -> Reply:
    """The reply that `dump` wrote. Raises `StoreUnavailable` when it was changed since."""
    if body is None or hashlib.sha256(body.encode()).hexdigest() != sha256:
        raise StoreUnavailable(
            f"The stored reply {node} does not match its hash {sha256}: the database was damaged "
            "or changed by hand. Put a backup in its place, or delete this conversation."
        )
    fields: dict[str, Any] = json.loads(body)
    return Reply(
        **{
            **fields,
            "passages": tuple(Passage(**passage) for passage in fields["passages"]),
            "prompt": tuple(Message(**message) for message in fields["prompt"]),
            "identity": Identity(**fields["identity"]),
            "sampling": Sampling(**fields["sampling"]),
        }
    )

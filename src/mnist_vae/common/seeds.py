"""Seeds as a function of (seed, purpose, epoch), so that no result depends on what was drawn before."""

import hashlib


def derived_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A seed in [0, 2^63) of its own for each purpose and epoch, the same on every machine."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1

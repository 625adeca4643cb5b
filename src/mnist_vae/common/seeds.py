"""Seeds that depend only on (seed, purpose, epoch), so that no result depends on what was drawn before."""

import hashlib


def derived_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A different seed in [0, 2^63) for each purpose and epoch, the same on every machine."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1

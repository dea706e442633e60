"""Keys of clients: whose each is, what it allows, and how a given one is found among them."""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

# a key of at least this many characters is taken to be made at random; a shorter one may be a word somebody chose
_RANDOM_CHARS = 32
_KEY_BYTES = 32
SINGLE = "api_key"


class Scope(enum.IntEnum):
    """What a key allows; each includes the ones before it."""

    ANALYZE = 1  # send frames, and see what was found: the last frame, the page, the numbers
    OPERATE = 2  # and throw the Process switch
    ADMIN = 3  # and load the project anew


@dataclass(frozen=True, slots=True)
class Client:
    """A client that has a key. `guessable` keys were chosen by a person and must be guarded against being tried out."""

    name: str
    scope: Scope
    digest: bytes
    guessable: bool = False


def new_key() -> str:
    """Make a key: 32 random bytes behind a prefix by which scanners for leaked secrets can know it."""
    return f"fm_{secrets.token_urlsafe(_KEY_BYTES)}"


def digest_of(key: str) -> bytes:
    """Return what is stored of a key.

    One SHA-256 is right here, where a password would need a slow hash with a salt: those make the guessing of words
    costly, and nobody guesses 32 random bytes, however fast the hash. NIST SP 800-63B says the same of look-up secrets
    with 112 bits of entropy or more. A slow hash would have to be paid at each request.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def same_secret(given: str, expected: str) -> bool:
    """Compare two secrets in a time that tells neither their content nor their length."""
    return hmac.compare_digest(digest_of(given), digest_of(expected))


def is_guessable(key: str) -> bool:
    """Whether a key is so short that a person may have made it up."""
    return len(key) < _RANDOM_CHARS


def single_key(key: str) -> Client:
    """Return the client behind the one key of the setting `api_key`: it may do everything."""
    return Client(SINGLE, Scope.ADMIN, digest_of(key), is_guessable(key))


class Keyring:
    """The keys of a moment. Once others take their place it is `retired`, and what it allowed must be asked anew."""

    def __init__(self, clients: Iterable[Client]) -> None:
        self.clients = tuple(clients)
        self.retired = False

    def find(self, key: str) -> Client | None:
        """Return the client with this key; the time it takes tells nothing about keys that are not the given one."""
        digest = digest_of(key)
        # all are looked at, each in constant time, whether one fits or not
        found = [client for client in self.clients if hmac.compare_digest(digest, client.digest)]
        return found[0] if found else None

    def named(self, name: str) -> Client | None:
        """Return the client of this name."""
        return next((client for client in self.clients if client.name == name), None)

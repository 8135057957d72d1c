"""The provider's own books: SQLite, in WAL, synced to disk with every commit, so that kill -9 loses nothing it said."""

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS intent (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, amount INTEGER NOT NULL, captured INTEGER NOT NULL DEFAULT 0,
    refunded INTEGER NOT NULL DEFAULT 0, fee INTEGER NOT NULL DEFAULT 0, currency TEXT NOT NULL,
    metadata TEXT NOT NULL, decline_code TEXT, created INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS refund (
    id TEXT PRIMARY KEY, intent_id TEXT NOT NULL REFERENCES intent, amount INTEGER NOT NULL, metadata TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS kept_answer (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS callback (
    id TEXT PRIMARY KEY, body BLOB NOT NULL, due REAL NOT NULL, copies INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;
"""
_INTENT = "SELECT id, status, amount, captured, refunded, fee, currency, metadata, decline_code, created FROM intent"
_BUSY_SECONDS = 5.0


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as the provider has it."""

    id: str
    status: str
    amount: int
    captured: int
    refunded: int
    fee: int
    currency: str
    metadata: dict[str, str]
    decline_code: str | None
    created: int


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money that went back."""

    id: str
    intent_id: str
    amount: int
    metadata: dict[str, str]
    created: int


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered under a key, and to which request."""

    request: str
    status: int
    body: bytes


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told of our own accord."""

    id: str
    body: bytes
    copies: int
    tries: int


class Ledger:
    """Everything the provider knows."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Everything in the block, or nothing; on disk when it ends."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")  # allowed: stray-commit - the provider's own books, not the store's

    def intent(self, intent_id: str) -> Intent | None:
        """One payment."""
        row = self._database.execute(f"{_INTENT} WHERE id = ?", (intent_id,)).fetchone()
        return None if row is None else _intent(row)

    def intents(self) -> list[Intent]:
        """All of them, the oldest first."""
        return [_intent(row) for row in self._database.execute(f"{_INTENT} ORDER BY created, id")]

    def marked(self, name: str, value: str) -> list[Intent]:
        """Payments with this mark in their metadata."""
        rows = self._database.execute(f"{_INTENT} WHERE json_extract(metadata, '$.' || ?) = ?", (name, value))
        return [_intent(row) for row in rows]

    def keep_intent(self, intent: Intent) -> None:
        """Add it, or change what can change of it."""
        self._database.execute(
            "INSERT INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " status = excluded.status, captured = excluded.captured, refunded = excluded.refunded, fee = excluded.fee",
            (
                intent.id,
                intent.status,
                intent.amount,
                intent.captured,
                intent.refunded,
                intent.fee,
                intent.currency,
                msgspec.json.encode(intent.metadata).decode(),
                intent.decline_code,
                intent.created,
            ),
        )

    def refunds_of(self, intent_id: str) -> list[Refund]:
        """What went back of a payment."""
        rows = self._database.execute(
            "SELECT id, intent_id, amount, metadata, created FROM refund WHERE intent_id = ? ORDER BY created, id",
            (intent_id,),
        )
        return [
            Refund(
                id=row[0],
                intent_id=row[1],
                amount=row[2],
                metadata=msgspec.json.decode(row[3], type=dict[str, str]),
                created=row[4],
            )
            for row in rows
        ]

    def keep_refund(self, refund: Refund) -> None:
        """Add it."""
        marks = msgspec.json.encode(refund.metadata).decode()
        self._database.execute(
            "INSERT INTO refund VALUES (?, ?, ?, ?, ?)",
            (refund.id, refund.intent_id, refund.amount, marks, refund.created),
        )

    def answer(self, key: str) -> KeptAnswer | None:
        """What was answered under a key."""
        row = self._database.execute("SELECT request, status, body FROM kept_answer WHERE key = ?", (key,)).fetchone()
        return None if row is None else KeptAnswer(request=row[0], status=row[1], body=row[2])

    def keep_answer(self, key: str, answer: KeptAnswer) -> None:
        """It is answered like this from now on."""
        self._database.execute(
            "INSERT INTO kept_answer VALUES (?, ?, ?, ?)", (key, answer.request, answer.status, answer.body)
        )

    def keep_callback(self, event_id: str, body: bytes, *, due: float, copies: int) -> None:
        """It is to be told then, so often."""
        self._database.execute(
            "INSERT INTO callback (id, body, due, copies) VALUES (?, ?, ?, ?)", (event_id, body, due, copies)
        )

    def due_callbacks(self, at_most: int) -> list[Callback]:
        """What is to be told now."""
        rows = self._database.execute(
            "SELECT id, body, copies, tries FROM callback WHERE due <= ? ORDER BY due LIMIT ?", (time.time(), at_most)
        )
        return [Callback(id=row[0], body=row[1], copies=row[2], tries=row[3]) for row in rows]

    def tell_latest_first(self) -> None:
        """Everything that is yet to be told is due now, and what happened first is told last."""
        # Of what is due the earliest is told first; negative, all of them are past, and the order is turned round.
        self._database.execute("UPDATE callback SET due = -due WHERE due > 0")

    def untold(self) -> int:
        """How much is yet to be told."""
        count: int = self._database.execute("SELECT count(*) FROM callback").fetchone()[0]
        return count

    def told(self, callback: Callback, *, again_after_seconds: float | None) -> None:
        """It was heard, or is to be told again."""
        if again_after_seconds is None:
            self._database.execute("DELETE FROM callback WHERE id = ?", (callback.id,))
            return
        self._database.execute(
            "UPDATE callback SET tries = tries + 1, due = ? WHERE id = ?",
            (time.time() + again_after_seconds, callback.id),
        )


def make_id(kind: str) -> str:
    """An id as this provider makes them."""
    return f"{kind}_{secrets.token_hex(12)}"


def _intent(row: tuple[object, ...]) -> Intent:
    fields = dict(zip(Intent.__struct_fields__, row, strict=True))
    return msgspec.convert({**fields, "metadata": msgspec.json.decode(f"{fields['metadata']}")}, Intent)

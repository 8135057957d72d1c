"""Telling the store what happened: signed, again until it is heard, in no order anybody may count on."""

import asyncio
import time

import httpx
import structlog

from operations.sandbox_provider.ledger import Callback, Ledger
from write_side.payments.providers import signed_header

_AT_A_TIME = 20
_LOOK_SECONDS = 0.05
_MAX_TRIES = 10
_LONGEST_PAUSE_SECONDS = 60.0
_TIMEOUT_SECONDS = 5.0

log = structlog.get_logger()


async def keep_telling(ledger: Ledger, *, url: str, secret: str) -> None:
    """Until cancelled."""
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
        while True:
            due = ledger.due_callbacks(_AT_A_TIME)
            for callback in due:
                is_heard = await _tell(client, callback, url=url, secret=secret)
                given_up = callback.tries + 1 >= _MAX_TRIES
                pause = min(_LONGEST_PAUSE_SECONDS, 0.5 * 2.0**callback.tries)
                with ledger.changing():
                    ledger.told(callback, again_after_seconds=None if is_heard or given_up else pause)
            await asyncio.sleep(_LOOK_SECONDS)


async def _tell(client: httpx.AsyncClient, callback: Callback, *, url: str, secret: str) -> bool:
    name, value = signed_header(secret=secret, timestamp=int(time.time()), body=callback.body)
    heard = False
    for _ in range(callback.copies):
        try:
            headers = {name: value, "Content-Type": "application/json"}
            answer = await client.post(url, content=callback.body, headers=headers)
        except httpx.HTTPError as error:
            log.debug("callback_not_heard", reason=type(error).__name__)
            return False
        heard = answer.is_success
    return heard

"""Has each demo store's events told to the demo's receiver, by the commands that any owner would use."""

from uuid import UUID

import msgspec
import structlog

from operations.demo.keys import DemoStore
from operations.demo.receiver import Receiver
from operations.up.http import HttpAnswer, LocalClient
from shared_kernel.identifiers import new_id

_PATH = "/api/v1/webhooks"
_DESCRIPTION = "The demo's own receiver"
_TYPES = ("order.placed", "order.cancelled", "payment.captured", "payment.refunded")

log = structlog.get_logger()


class _Listed(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    url: str
    description: str | None


class _Created(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    secrets: tuple[str, ...]


class _RefusedError(Exception):
    def __init__(self, step: str, answer: HttpAnswer) -> None:
        super().__init__(step)
        self.step, self.answer = step, answer


async def tell_receiver(client: LocalClient, store: DemoStore, receiver: Receiver) -> None:
    """Register the receiver unless it is; one at another port is forgotten. What is refused is logged, and no more."""
    try:
        await _Owner(client, store).register(receiver)
    except _RefusedError as error:
        log.warning(
            "demo_webhook_failed",
            store=store.slug,
            step=error.step,
            status=error.answer.status,
            code=error.answer.code,
        )


class _Owner:
    def __init__(self, client: LocalClient, store: DemoStore) -> None:
        self._client = client
        self._store = store
        self._key = {"Authorization": f"Bearer {store.key}"}

    async def register(self, receiver: Receiver) -> None:
        url = receiver.url_of(self._store.slug)
        answer = _good("list", await self._client.get(f"{_PATH}?limit=100", self._key))
        ours = {one.url: one.id for one in answer.data(tuple[_Listed, ...]) if one.description == _DESCRIPTION}
        for gone in ours.keys() - {url}:
            _good("delete", await self._client.delete(f"{_PATH}/{ours[gone]}", self._command()))
        webhook_id = ours.get(url) or await self._create(url)
        shown = await self._client.post(f"{_PATH}/{webhook_id}/secret", {}, self._key)
        receiver.learn(self._store.slug, _good("secret", shown).data(_Shown).secrets[0])

    async def _create(self, url: str) -> UUID:
        wanted = {"url": url, "event_types": _TYPES, "description": _DESCRIPTION}
        return _good("create", await self._client.post(_PATH, wanted, self._command())).data(_Created).id

    def _command(self) -> dict[str, str]:
        return {**self._key, "Idempotency-Key": f"{new_id()}"}


def _good(step: str, answer: HttpAnswer) -> HttpAnswer:
    if not answer.ok:
        raise _RefusedError(step, answer)
    return answer

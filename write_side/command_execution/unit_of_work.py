"""What a handler gets beside what any decision gets: its connection, and ways to write on it."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from shared_kernel.database.pool import Connection
from shared_kernel.errors import PreconditionFailedError
from write_side.command_execution.recording import Recording
from write_side.command_execution.requests import CommandRequest
from write_side.command_execution.saving import Saving, alone


class UnitOfWork(Recording):
    """One attempt at one command, inside its transaction."""

    def __init__(
        self,
        *,
        connection: Connection,
        request: CommandRequest,
        now: datetime,
        make_id: Callable[[], UUID],
        saves_last: bool = False,
    ) -> None:
        """Begin.

        Args:
            saves_last: whether whoever runs this appends `saved_last` together with the events.
        """
        super().__init__(request=request, now=now, make_id=make_id)
        self.connection = connection
        self.saved_last: Saving | None = None
        self._saves_last = saves_last

    def check_version(self, current: int) -> None:
        """Hold the client's `If-Match` against the version of the row just locked.

        Raises:
            PreconditionFailedError: it names other versions.
        """
        expected = self._request.if_match
        if expected is None or expected in ("*", current):
            return
        message = f'the current version is "{current}"; read it again and decide anew'
        raise PreconditionFailedError(message)

    async def save(self, saving: Saving) -> None:
        """Write rows now."""
        await self.connection.execute(alone(saving.parts), *saving.arguments)

    async def save_last(self, saving: Saving) -> None:
        """Write rows that no other statement of this command builds on: with its events, or else now."""
        if self._saves_last and self.saved_last is None:
            self.saved_last = saving
        else:
            await self.save(saving)

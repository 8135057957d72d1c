"""Every reaction there is. A new one begins at the head of the logs that are there, unless it says otherwise."""

from typing import Final

from write_side.reactions.reaction import Reaction

REACTIONS: Final[tuple[Reaction, ...]] = ()

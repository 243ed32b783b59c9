"""How a branch ends: codes whose values are the sentences to read."""

from enum import Enum

__all__ = ["FARTHEST", "Status"]

FARTHEST = 1e9  # |z| beyond which a branch runs off


class Status(Enum):
    """How a branch ended; the value is the sentence to read."""

    REACHED = "The end of the range was reached."
    LEFT = "The state lost its stability here and went on along another branch."
    STRANDED = (
        "The state loses its stability here, and no branch was found to go on along: use switch='never' or sweep."
    )
    MERGED = "The branch ends in the one that it was born from; beyond is its mirror image."
    RETURNED = "The branch turned back and left the range at the end where it began."
    CLOSED = "The branch came back to where it began."
    STEPS = "The number of steps was used up: raise max_points, or lengthen max_step."
    UNDERFLOW = (
        "No state was found a step of 1e-9 further on: the loss may not be smooth here, or its derivatives not exact."
    )
    NOT_STATIONARY = "No stationary state was found near the start: give a better one (x=), or another control."
    NOT_FINITE = "The loss or a derivative of it is no finite number where the search began or led: begin elsewhere."
    BRANCHES = "The number of branches was used up, and some that were found were not followed: raise max_branches."
    UNBOUNDED = "The branch runs off to infinity, as it does where the loss has no minimum: stay farther from here."
    INTERRUPTED = "Interrupted; what was found until then is kept."

    @property
    def failed(self) -> bool:
        """Whether the branch ended short of where it should."""
        return self not in (Status.REACHED, Status.LEFT, Status.MERGED, Status.RETURNED, Status.CLOSED)

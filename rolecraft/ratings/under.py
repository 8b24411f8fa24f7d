"""What lies under a number of a board: the replies, and what each rater said of them.

Pure: the ratings that a board rests on go in. Raters are told apart by numbers made here; of those
who do not publish their single ratings there is only how many values they gave.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from rolecraft.ratings.published import Ratings
from rolecraft.ratings.selection import CRITERIA
from rolecraft.ratings.statistics import Codes, codes

AVERAGE = "average"
PREFERENCE = "preference"


@dataclass(frozen=True)
class Cell:
    """Which number: of an arm, on a criterion (or their average), perhaps for one character.

    What compares two arms names the other in `versus`; what rests on all arms names none.
    """

    arm: str = ""
    criterion: str = AVERAGE
    character: str = ""
    emotion: str | None = None
    versus: str = ""


@dataclass(frozen=True)
class Said:
    """What one rater said of one reply."""

    rater: int  # from 1, in the order in which they rated
    criterion: str
    value: int | None  # None: not applicable, or a preference
    outcome: str  # of a preference: won, lost, tie or both_bad
    hour: int  # since 1970


@dataclass(frozen=True)
class RatedReply:
    """A reply with all that was said of it."""

    generation: str
    arm: str
    character: str
    emotion: str
    finish: str
    user: str  # empty where the visitor's words are not public
    text: str
    leaks: str
    said: tuple[Said, ...]
    unpublished: int = 0  # values beside those of `said`, of raters who do not publish theirs


def under(
    ratings: Ratings, cell: Cell, withheld: Collection[str], publishing: Collection[str]
) -> tuple[RatedReply, ...]:
    """The replies below a cell without the `withheld`, in the order of their first rating.

    Only raters of `publishing` are heard one by one.
    """
    rows = ratings.chosen
    if cell.criterion == AVERAGE:
        wanted = np.isin(rows["criterion"], CRITERIA)
    else:
        wanted = np.asarray(rows["criterion"] == cell.criterion, dtype=bool)
    if cell.arm:
        arms = [ratings.arms[rev] in (cell.arm, cell.versus) for rev in rows["model_rev"]]
        wanted &= np.array(arms, dtype=bool)
    if cell.character:
        wanted &= np.asarray(rows["character"] == cell.character, dtype=bool)
    if cell.emotion is not None:
        wanted &= np.asarray(rows["emotion"] == cell.emotion, dtype=bool)
    raters = codes(rows["rater"])
    found: dict[str, list[int]] = {}
    for place in np.flatnonzero(wanted).tolist():
        found.setdefault(str(rows["generation"][place]), []).append(place)
    return tuple(
        _reply(ratings, generation, places, raters, publishing)
        for generation, places in found.items()
        if generation not in withheld
    )


def _reply(
    ratings: Ratings,
    generation: str,
    places: list[int],
    raters: Codes,
    publishing: Collection[str],
) -> RatedReply:
    rows, first = ratings.chosen, places[0]
    user, text = ratings.texts[generation]
    said = []
    for place in places:
        if rows["rater"][place] not in publishing:
            continue
        value = rows["value"][place]
        said.append(
            Said(
                int(raters[place]) + 1, str(rows["criterion"][place]),
                None if np.isnan(value) else int(value), str(rows["outcome"][place]),
                ratings.hours[int(rows["number"][place])],
            )
        )  # fmt: skip
    leaks = ",".join(filter(None, (rows["leak_models"][first], rows["leak_broken"][first])))
    return RatedReply(
        generation, ratings.arms[rows["model_rev"][first]],
        str(rows["character"][first]), str(rows["emotion"][first]),
        str(rows["finish"][first]), user, text, leaks, tuple(said),
        len(places) - len(said),
    )  # fmt: skip

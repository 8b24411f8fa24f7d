"""What was learnt, as training data: replies that were liked, and pairs of better and worse.

Knows no trainer. Replies that say the same to the same question are one example; every record of
the ratings is used in an example or refused with its reason, and the counts add up.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rolecraft.emotions import split_opening
from rolecraft.ratings import records
from rolecraft.ratings.material import Learner, Material, bare, unfit
from rolecraft.ratings.records import Accounts, Record
from rolecraft.ratings.selection import doubtful_raters

MODES = ("blind", "bank", "chat")
Key = tuple[str, ...]
Rows = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Rules:
    """From when on something counts as learnt."""

    threshold: float = 4.0  # mean of the values from which on a reply is liked
    gap: float = 1.0  # mean difference from which on the values prefer one of two replies
    margin: int = 1  # votes by which one of two replies is ahead
    raters: int = 1  # who rated or voted, at least
    modes: tuple[str, ...] = MODES  # in open comparisons the names were in sight


@dataclass(frozen=True)
class Harvest:
    """Examples for supervised and for preference training, and what became of every record."""

    liked: Rows
    preferred: Rows
    records: tuple[Record, ...]
    accounts: Accounts
    merged: int  # replies that say what another one said to the same question
    about: Mapping[str, Any]  # by which rules, for whose prompts


def harvest(
    table: Mapping[str, Sequence[Any]],
    prompts: Mapping[str, Sequence[Mapping[str, str]]],
    learner: Learner,
    rules: Rules | None = None,
    *,
    withheld: Collection[str] = (),
    better: Mapping[str, str] | None = None,
    erased: Mapping[str, int] | None = None,
) -> Harvest:
    """Examples from the rows of `rating_rows.read`; see `Material` and `records` for the rest."""
    rules = rules or Rules()
    rows = (dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True))
    found = records.read(rows, doubtful=doubtful_raters(table), modes=rules.modes, better=better)
    work = _Work(Material(table, prompts, learner, withheld), rules)
    preferred = work.votes(found)
    preferred |= work.ratings_of_pairs(found, set(preferred))
    liked = work.liked(found)
    for key, row in work.rewritten(found, liked).items():
        preferred.setdefault(key, row)
    return Harvest(
        tuple(liked.values()), tuple(preferred.values()), tuple(found),
        records.accounts(found, erased or {}), work.merged,
        {"rules": asdict(rules), "engine": learner.engine,
         "test_questions": learner.test_questions},
    )  # fmt: skip


class _Work:
    """Makes examples of records; rows by key, in the order of the first record of each."""

    def __init__(self, material: Material, rules: Rules) -> None:
        self.material = material
        self.rules = rules
        self.merged = 0

    def votes(self, every: Iterable[Record]) -> dict[Key, dict[str, Any]]:
        """Pairs of which one reply is ahead by votes."""
        made: dict[Key, dict[str, Any]] = {}
        for key, group in self._by_pair(every).items():
            first = self._bare(group[0].replies[0])
            ahead = [one for one in group if self._bare(one.replies[0]) == first]
            behind = [one for one in group if one not in ahead]
            if len(behind) > len(ahead):
                ahead, behind = behind, ahead
            margin = len(ahead) - len(behind)
            if margin < self.rules.margin:
                _refuse(group, "votes undecided")
            elif len({one.rater for one in group}) < self.rules.raters:
                _refuse(group, "too few raters")
            else:
                _refuse(behind, "outvoted")
                better, worse = ahead[0].replies
                made[key] = self._pair(better, worse, "votes", margin, ahead)
        return made

    def ratings_of_pairs(
        self, every: Iterable[Record], decided: set[Key]
    ) -> dict[Key, dict[str, Any]]:
        """Pairs that the same raters valued apart, where no votes have decided."""
        forms: dict[int, list[Record]] = {}
        for one in every:
            if one.kind == "rating" and not one.refusal and not self.material.unfit(one.replies[0]):
                forms.setdefault(one.number, []).append(one)
        pairs: dict[Key, list[tuple[Record, Record]]] = {}
        for both in forms.values():
            if len(both) == 2:
                one, other = sorted(both, key=lambda record: self._bare(record.replies[0]))
                pair = one.replies[0], other.replies[0]
                key = self._pair_key(*pair)
                if key not in decided and not self._unlike(*pair):
                    pairs.setdefault(key, []).append((one, other))
        made: dict[Key, dict[str, Any]] = {}
        for key, group in pairs.items():
            apart = [(one.value or 0) - (other.value or 0) for one, other in group]
            mean = sum(apart) / len(apart)
            enough = len({one.rater for one, _ in group}) >= self.rules.raters
            if enough and abs(mean) >= self.rules.gap:
                better, worse = group[0] if mean > 0 else group[0][::-1]
                used = [record for each in group for record in each]
                made[key] = self._pair(
                    better.replies[0], worse.replies[0], "ratings", round(abs(mean), 3), used
                )
        return made

    def liked(self, every: Iterable[Record]) -> dict[Key, dict[str, Any]]:
        """Replies that were valued highly."""
        groups: dict[Key, list[Record]] = {}
        for one in every:
            if one.kind == "rating" and not one.refusal:
                if why := self.material.unfit(one.replies[0]):
                    one.refuse(why)
                else:
                    groups.setdefault(self._key(one.replies[0]), []).append(one)
        made: dict[Key, dict[str, Any]] = {}
        for key, group in groups.items():
            mean = sum(one.value or 0 for one in group) / len(group)
            if len({one.rater for one in group}) < self.rules.raters:
                _refuse(group, "too few raters")
            elif mean < self.rules.threshold:
                _refuse(group, "not liked enough")
            else:
                replies = list(dict.fromkeys(one.replies[0] for one in group))
                self.merged += len(replies) - 1
                made[key] = self._example(self._best(replies), "ratings", group) | {
                    "mean": round(mean, 3)
                }
        return made

    def rewritten(
        self, every: Iterable[Record], liked: dict[Key, dict[str, Any]]
    ) -> dict[Key, dict[str, Any]]:
        """Better words of raters: into `liked`, and pairs of them with what was said first."""
        made: dict[Key, dict[str, Any]] = {}
        for one in every:
            if one.kind != "rewrite" or one.refusal:
                continue
            (reply,) = one.replies
            text = self.material.said(reply, one.text)
            why = self.material.no_prompt(reply) or unfit(one.text)
            if why or bare(text) == bare(self.material.said(reply)):
                one.refuse(why or "says what was said")
                continue
            key = (*self._key(reply)[:2], bare(text))
            liked.setdefault(key, self._example(reply, "rewrite", [one], text))
            if not self.material.unfit(reply):
                pair = self._pair(reply, reply, "rewrite", 1, [one])
                pair["chosen"] = [{"role": "assistant", "content": text}]
                made[(*key, self._bare(reply))] = pair
        return made

    def _by_pair(self, every: Iterable[Record]) -> dict[Key, list[Record]]:
        """Votes by what was asked and the two things that were said."""
        found: dict[Key, list[Record]] = {}
        for one in every:
            if one.kind != "vote" or one.refusal:
                continue
            better, worse = one.replies
            why = self.material.unfit(better) or self.material.unfit(worse)
            if why := why or self._unlike(better, worse):
                one.refuse(why)
            else:
                found.setdefault(self._pair_key(better, worse), []).append(one)
        for group in found.values():
            self.merged += len({frozenset(one.replies) for one in group}) - 1
        return found

    def _unlike(self, one: str, other: str) -> str:
        """Why two replies are no pair: what is preferred must be the replies, not their past."""
        if self._bare(one) == self._bare(other):
            return "both say the same"
        return "their talks differ" if self._past(one) != self._past(other) else ""

    def _past(self, reply: str) -> list[str]:
        """What was said from the visitor's first words on."""
        said = [one for one in self.material.prompt(reply) if one.role != "system"]
        while said[0].role == "assistant":
            said.pop(0)
        return [split_opening(one.content)[1] for one in said]

    def _pair(
        self, better: str, worse: str, by: str, margin: float, used: Sequence[Record]
    ) -> dict[str, Any]:
        chosen, rejected = self.material.facts(better), self.material.facts(worse)
        for one in used:
            one.use()
        return {
            "prompt": self._messages(self._best([better, worse])),
            "chosen": [{"role": "assistant", "content": self.material.said(better)}],
            "rejected": [{"role": "assistant", "content": self.material.said(worse)}],
            "character": chosen["character"], "by": by, "margin": margin,
            "raters": len({one.rater for one in used}),
            "arms": [chosen["arm"], rejected["arm"]],
            "replies": [chosen["reply_sha256"], rejected["reply_sha256"]],
        }  # fmt: skip

    def _example(
        self, reply: str, by: str, used: Sequence[Record], text: str = ""
    ) -> dict[str, Any]:
        facts = self.material.facts(reply)
        for one in used:
            one.use()
        said = {"role": "assistant", "content": text or self.material.said(reply)}
        return {
            "messages": [*self._messages(reply), said],
            "character": facts["character"], "by": by, "arm": facts["arm"],
            "reply": facts["reply_sha256"], "raters": len({one.rater for one in used}),
            "ratings": len(used),
        }  # fmt: skip

    def _best(self, replies: Sequence[str]) -> str:
        """Whose prompt is taken: the first that was made here, since the chat rendered it."""
        made_here = (one for one in replies if self.material.facts(one)["source"] == "live")
        return next(made_here, replies[0])

    def _messages(self, reply: str) -> list[dict[str, str]]:
        return [asdict(one) for one in self.material.prompt(reply)]

    def _key(self, reply: str) -> Key:
        """What was said to what by whom: the same for two replies that make one example."""
        question = self.material.prompt(reply)[-1].content
        return self.material.facts(reply)["character"], bare(question), self._bare(reply)

    def _pair_key(self, one: str, other: str) -> Key:
        return (*self._key(one)[:2], *sorted((self._bare(one), self._bare(other))))

    def _bare(self, reply: str) -> str:
        return bare(self.material.facts(reply)["reply_text"])


def _refuse(group: Iterable[Record], reason: str) -> None:
    for one in group:
        one.refuse(reason)

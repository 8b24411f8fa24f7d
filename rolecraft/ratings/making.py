"""How a study is made from the bank: its items, shared ones, degraded copies and lessons.

Knows no rater. Chance is an argument, so that the same bank and seed make the same study.
"""

import random
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from rolecraft.conversation import Message
from rolecraft.errors import ResultsError
from rolecraft.ratings import rubric
from rolecraft.ratings.bank import recorded
from rolecraft.ratings.desk import Desk
from rolecraft.ratings.study import Plan, shuffled
from rolecraft.store.chain import digest
from rolecraft.store.generations import Arm
from rolecraft.store.studies import BankReply, NewItem

Form = Literal["pairs", "singles"]


def make_study(
    desk: Desk,
    name: str,
    arms: Sequence[str],
    plan: Plan,
    form: Form,
    rng: random.Random,
    limit: int = 0,
) -> str:
    """Enter a study of these arms over the bank; its id. `limit` bounds the targets, 0 is all.

    Raises `ResultsError` when the bank has nothing that fits.
    """
    bank = desk.studies.bank(arms)
    targets = _pairs(bank) if form == "pairs" else _singles(bank)
    if not targets:
        raise ResultsError(
            f"The bank holds nothing for a study of {form} of {', '.join(arms) or 'any arm'}. "
            "A pair needs two arms that answered the same question."
        )
    rng.shuffle(targets)
    targets = targets[: limit or len(targets)]
    shared = round(plan.overlap * plan.quota)
    items = [
        NewItem(each.scope, each.kind, each.first, each.second, shared=place < shared)
        for place, each in enumerate(targets)
    ]
    items += _degraded(desk, items, bank, plan, rng)
    items += _lessons(desk)
    return desk.studies.create(name, plan.as_dict(), items)


def _pairs(bank: Sequence[BankReply]) -> list[NewItem]:
    by_turn: dict[str, list[BankReply]] = {}
    for reply in bank:
        by_turn.setdefault(reply.turn, []).append(reply)
    return [
        NewItem("conversation" if one.last else "reply", "target", one.generation, other.generation)
        for replies in by_turn.values()
        for one, other in combinations(replies, 2)
    ]


def _singles(bank: Sequence[BankReply]) -> list[NewItem]:
    """Every reply by itself, and every longer conversation by its last reply."""
    replies = [NewItem("reply", "target", one.generation) for one in bank]
    return replies + [NewItem("conversation", "target", r.generation) for r in bank if r.last]


def _degraded(
    desk: Desk, items: Sequence[NewItem], bank: Sequence[BankReply], plan: Plan, rng: random.Random
) -> list[NewItem]:
    """Copies that are plainly worse: another character's words, or the sentences in disorder."""
    if plan.degraded == 0:
        return []
    wanted = max(2, round(2 * plan.degraded * len(items)))
    by_id = {reply.generation: reply for reply in bank}
    found = []
    for place in rng.sample(range(len(items)), min(wanted, len(items))):
        item = items[place]
        origin = by_id[item.first]
        strangers = [one for one in bank if one.character != origin.character]
        text = shuffled(origin.text, rng)
        if strangers and (text == origin.text or rng.random() < 0.5):
            text = rng.choice(strangers).text
        if text == origin.text:
            continue  # one word cannot be put in disorder, and there is no other character
        copy = desk.generations.degrade(origin.generation, text)
        found.append(NewItem(item.scope, "degraded", copy, item.second, origin=place))
    return found


def _lessons(desk: Desk) -> list[NewItem]:
    found = []
    for number, lesson in enumerate(rubric.training(), start=1):
        for locale in rubric.LOCALES:
            user, text = lesson["user"][locale], lesson["reply"][locale]
            turn = desk.generations.turn(
                f"training-{locale}-{digest(user)[:12]}", 1, ("training", "{}"), user,
                source="gold", bank=f"training-{number}",
            )  # fmt: skip
            made = recorded(text, "training", [Message("user", user)], None)
            reply = desk.generations.record(turn, Arm("training"), made, source="recorded")
            answers = {"locale": locale, "values": lesson["values"], "why": lesson["why"]}
            found.append(NewItem("reply", "training", reply, answers=answers))
    return found

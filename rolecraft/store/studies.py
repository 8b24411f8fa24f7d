"""Studies: their items, and the facts from which it is decided what a rater sees next.

Knows no decision: `rolecraft.ratings.study` makes them from what is read here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, insert, or_, select
from sqlalchemy.orm import Session

from rolecraft.errors import ResultsError
from rolecraft.store.conversations import new_id, now_ms
from rolecraft.store.database import Database
from rolecraft.store.generations import FAILED
from rolecraft.store.rated_schema import EventRow, PresentationRow
from rolecraft.store.shown_schema import (
    CharacterRevRow,
    GenerationRow,
    ModelRevRow,
    StudyItemRow,
    StudyRow,
    TurnRow,
)


@dataclass(frozen=True)
class NewItem:
    """An item to be entered; `origin` is the place in the list of what it is a degraded copy of."""

    scope: str
    kind: str
    first: str
    second: str | None = None
    shared: bool = False
    origin: int | None = None
    answers: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class StudyItem:
    """An item of a study as it is stored."""

    id: str
    number: int
    scope: str
    kind: str
    shared: bool
    turn: str
    replies: tuple[str, ...]
    origin: str | None
    answers: Mapping[str, Any]


@dataclass(frozen=True)
class BankReply:
    """A frozen reply that a study may use; `last` marks the end of a longer conversation."""

    generation: str
    turn: str
    conversation: str
    character: str
    arm: str
    text: str
    last: bool


@dataclass(frozen=True)
class Facts:
    """What is known of a study and of one rater in it."""

    items: tuple[StudyItem, ...]
    raters: Mapping[str, int]  # item → how many others have rated it
    leased: Mapping[str, int]  # item → how many others have it open
    past: tuple[tuple[str, int, str, bool, str], ...]  # item, shown_ms, state, repeat, form
    active_ms: tuple[int, ...]
    elsewhere: frozenset[str] = frozenset()  # items whose replies the rater met outside the study


@dataclass(frozen=True)
class Stand:
    """How far a study is: who is through with it, and the forms that may still be sent in.

    `through` are the raters who have rated their quota, or for whom nothing is left of it.
    """

    name: str
    plan: Mapping[str, Any]
    closed_ms: int | None
    through: int
    open_forms: int


class Studies:
    """Reads and writes studies. Safe to use from several threads."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], int] = now_ms,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = make_id

    def create(self, name: str, plan: Mapping[str, Any], items: Sequence[NewItem]) -> str:
        """Enter a study; its items never change after. Raises `ResultsError` for a taken name."""
        ids = [self._new_id() for _ in items]
        with self._database.write() as session:
            if session.scalar(select(StudyRow.id).where(StudyRow.name == name)):
                raise ResultsError(f"There is a study {name!r} already. Choose another name.")
            study = self._new_id()
            body = json.dumps(plan, ensure_ascii=False, sort_keys=True)
            session.add(StudyRow(id=study, name=name, plan_json=body, created_ms=self._clock()))
            session.flush()
            rows = [
                {
                    "id": ids[number], "study_id": study, "number": number, "scope": item.scope,
                    "kind": item.kind, "shared": int(item.shared), "first_gen": item.first,
                    "second_gen": item.second,
                    "origin_id": None if item.origin is None else ids[item.origin],
                    "answers_json": json.dumps(item.answers or {}, ensure_ascii=False),
                }
                for number, item in enumerate(items)
            ]  # fmt: skip
            if rows:
                session.execute(insert(StudyItemRow), rows)
        return study

    def plan(self, name: str) -> tuple[str, dict[str, Any]]:
        """Id and plan of a study. Raises `ResultsError`, which names those that there are."""
        with self._database.read() as session:
            row = session.scalar(select(StudyRow).where(StudyRow.name == name))
            if row is None:
                known = session.scalars(select(StudyRow.name).order_by(StudyRow.name)).all()
                raise ResultsError(
                    f"There is no study {name!r}. Known: {', '.join(known) or 'none yet'}."
                )
            return row.id, json.loads(row.plan_json)

    def names(self) -> tuple[str, ...]:
        """The studies, the newest first."""
        with self._database.read() as session:
            return tuple(
                session.scalars(select(StudyRow.name).order_by(StudyRow.created_ms.desc()))
            )

    def close(self, name: str) -> int:
        """Deal nothing more of a study to anybody; when that was. Closed it stays closed.

        Raises `ResultsError` for an unknown name.
        """
        study, _ = self.plan(name)
        with self._database.write() as session:
            row = session.get_one(StudyRow, study)
            if row.closed_ms is None:
                row.closed_ms = self._clock()
            return row.closed_ms

    def stands(self, name: str = "") -> tuple[Stand, ...]:
        """How far every study is, the newest first; or only the one of this name."""
        rows = select(StudyRow).order_by(StudyRow.created_ms.desc())
        if name:
            rows = rows.where(StudyRow.name == name)
        form, item = PresentationRow, StudyItemRow
        open_ = (
            select(item.study_id, func.count())
            .join(form, form.item_id == item.id)
            .where(form.state == "open", form.expires_ms >= self._clock())
            .group_by(item.study_id)
        )
        with self._database.read() as session:
            opened = {study: count for study, count in session.execute(open_)}
            return tuple(
                Stand(
                    row.name, plan := json.loads(row.plan_json), row.closed_ms,
                    _through(session, row.id, plan), opened.get(row.id, 0),
                )
                for row in session.scalars(rows).all()
            )  # fmt: skip

    def stand_of(self, item: str) -> Stand:
        """How far the study of this item is."""
        query = select(StudyRow.name).join(StudyItemRow, StudyItemRow.study_id == StudyRow.id)
        with self._database.read() as session:
            name = session.scalars(query.where(StudyItemRow.id == item)).one()
        return self.stands(name)[0]

    def item(self, item: str) -> StudyItem:
        """One item by id. Raises `ResultsError` for an unknown one."""
        with self._database.read() as session:
            row = session.get(StudyItemRow, item)
            found = _items(session, row.study_id) if row else ()
        for one in found:
            if one.id == item:
                return one
        raise ResultsError(f"There is no study item {item!r}.")

    def facts(self, study: str, rater: str) -> Facts:
        """Everything that the decision needs."""
        now = self._clock()
        form = PresentationRow
        ours = (StudyItemRow.study_id == study, form.item_id == StudyItemRow.id)
        with self._database.read() as session:
            items = _items(session, study)
            others = (*ours, form.rater_id != rater)
            rated = select(form.item_id, func.count(func.distinct(form.rater_id))).where(
                *others, form.state == "rated"
            )
            open_ = select(form.item_id, func.count()).where(
                *others, form.state == "open", form.expires_ms >= now
            )
            past = (
                select(
                    form.item_id, form.shown_ms, form.state, form.repeat_of, form.id,
                    form.expires_ms,
                )
                .where(*ours, form.rater_id == rater)
                .order_by(form.shown_ms, form.id)
            )  # fmt: skip
            active = (
                select(EventRow.active_ms)
                .join(form, form.id == EventRow.presentation_id)
                .where(*ours, EventRow.rater_id == rater, EventRow.kind == "submit")
            )
            return Facts(
                items,
                {item or "": n for item, n in session.execute(rated.group_by(form.item_id))},
                {item or "": n for item, n in session.execute(open_.group_by(form.item_id))},
                tuple(
                    (item or "", shown, _state(state, expires, now), repeat is not None, id)
                    for item, shown, state, repeat, id, expires in session.execute(past)
                ),
                tuple(session.scalars(active)),
                _elsewhere(session, rater, items, now),
            )

    def bank(self, arms: Sequence[str] = ()) -> tuple[BankReply, ...]:
        """The frozen replies to bank questions, of these arms or of all."""
        longest = (
            select(TurnRow.conversation_id, func.max(TurnRow.turn_no).label("longest"))
            .group_by(TurnRow.conversation_id)
            .subquery()
        )
        query = (
            select(GenerationRow, TurnRow, ModelRevRow.public_name, CharacterRevRow.character_id,
                   longest.c.longest)
            .join(TurnRow, TurnRow.id == GenerationRow.turn_id)
            .join(ModelRevRow, ModelRevRow.id == GenerationRow.model_rev_id)
            .join(CharacterRevRow, CharacterRevRow.id == TurnRow.character_rev_id)
            .join(longest, longest.c.conversation_id == TurnRow.conversation_id)
            .where(
                TurnRow.prompt_source == "bank",
                GenerationRow.source != "degraded",
                GenerationRow.finish.not_in(FAILED),
            )
            .order_by(TurnRow.conversation_id, TurnRow.turn_no, ModelRevRow.public_name,
                      GenerationRow.attempt)
        )  # fmt: skip
        if arms:
            query = query.where(ModelRevRow.public_name.in_(arms))
        with self._database.read() as session:
            newest: dict[tuple[str, str], BankReply] = {}
            for row, turn, arm, character, last in session.execute(query):
                newest[turn.id, arm] = BankReply(
                    row.id, turn.id, turn.conversation_id, character, arm, row.reply_text,
                    turn.turn_no == last and last > 1,
                )  # fmt: skip
        if missing := sorted(set(arms) - {one.arm for one in newest.values()}):
            raise ResultsError(
                f"The bank holds no reply of {', '.join(missing)}. Fill it first: "
                "python -m rolecraft ratings answer, or ratings import-replies."
            )
        return tuple(newest.values())


def _items(session: Session, study: str) -> tuple[StudyItem, ...]:
    query = (
        select(StudyItemRow, GenerationRow.turn_id)
        .join(GenerationRow, GenerationRow.id == StudyItemRow.first_gen)
        .where(StudyItemRow.study_id == study)
        .order_by(StudyItemRow.number)
    )
    return tuple(
        StudyItem(
            row.id, row.number, row.scope, row.kind, bool(row.shared), turn,
            tuple(one for one in (row.first_gen, row.second_gen) if one), row.origin_id,
            json.loads(row.answers_json),
        )
        for row, turn in session.execute(query)
    )  # fmt: skip


def _through(session: Session, study: str, plan: Mapping[str, Any]) -> int:
    """How many raters have rated their quota, or have had every item that is to be dealt."""
    form, item = PresentationRow, StudyItemRow
    dealt = (item.study_id == study, item.kind != "training")
    items = session.scalar(select(func.count()).select_from(item).where(*dealt)) or 0
    had = (
        select(
            func.sum(case((form.state == "rated", 1), else_=0)).label("rated"),
            func.count(func.distinct(form.item_id)).label("had"),
        )
        .join(item, item.id == form.item_id)
        .where(*dealt, form.state.in_(("rated", "skipped")))
        .group_by(form.rater_id)
        .subquery()
    )
    enough = or_(had.c.rated >= int(plan["quota"]), had.c.had >= items)
    return session.scalar(select(func.count()).select_from(had).where(enough)) or 0


def _elsewhere(
    session: Session, rater: str, items: Sequence[StudyItem], now: int
) -> frozenset[str]:
    """The items that cannot be put before a rater, who has them from another study or a talk.

    A pair is dealt to a rater once (`uq_presentation_pair`), wherever that was.
    """
    form, own = PresentationRow, {item.id for item in items}
    query = select(
        form.item_id, form.turn_id, form.scope, form.pair_low, form.pair_high, form.state,
        form.expires_ms,
    ).where(form.rater_id == rater, form.repeat_of.is_(None), form.state != "void")  # fmt: skip
    met = {
        (turn, scope, low, high)
        for item, turn, scope, low, high, state, expires in session.execute(query)
        if item not in own and _state(state, expires, now) != "expired"
    }
    return frozenset(item.id for item in items if (item.turn, item.scope, *_pair(item)) in met)


def _pair(item: StudyItem) -> tuple[str, str]:
    """The replies as `PresentationRow` orders them."""
    low, *high = sorted(item.replies)
    return low, high[0] if high else ""


def _state(state: str, expires: int, now: int) -> str:
    return "expired" if state == "open" and expires < now else state

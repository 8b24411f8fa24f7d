"""What the telling of a comparison shows: in what the two arms differed, and what they shared.

Pure. It is made of replies whose names may be told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rolecraft import marks
from rolecraft.conversation import Reply
from rolecraft.ui.compare_ballot import LETTERS
from rolecraft.ui.markup import emotion_tag, escape, word
from rolecraft.ui.texts import Language

_ALWAYS = ("why_engine", "compare_length", "compare_time", "compare_label")


@dataclass(frozen=True)
class Told:
    """One side with all that may be told of it."""

    side: str
    arm: str
    conditions: str
    reply: Reply

    @property
    def name(self) -> str:
        """The arm with what sets it apart."""
        return f"{self.arm} ({self.conditions})" if self.conditions else self.arm

    @property
    def looks_up(self) -> bool:
        return "retrieval=off" not in self.conditions.split(",")


def differences(one: Told, other: Told, language: Language) -> str:
    """A table of what each had of its own, and a line of what both had alike."""

    def on(is_on: bool) -> str:
        return word(language, "compare_on" if is_on else "compare_off")

    rows: dict[str, Callable[[Told], str]] = {
        "why_engine": lambda it: escape(it.arm),
        "why_base": lambda it: _model(it.reply.identity.base, it.reply.identity.base_sha256),
        "why_adapter": lambda it: _adapter(it.reply, language),
        "compare_retrieval": lambda it: on(it.looks_up),
        "compare_emotion": lambda it: on("emotion=off" not in it.conditions.split(",")),
        "compare_sampling": lambda it: _sampling(it.reply),
        "compare_label": lambda it: (
            emotion_tag(it.reply.emotion, language) or word(language, "compare_no_label")
        ),
        "compare_length": lambda it: str(len(it.reply.text)),
        "compare_time": lambda it: f"{it.reply.total_ms / 1000:.1f} s",
    }
    cells = {key: (of(one), of(other)) for key, of in rows.items()}
    shown = "".join(
        f'<tr><th scope="row">{word(language, key)}</th><td>{a}</td><td>{b}</td></tr>'
        for key, (a, b) in cells.items()
        if key in _ALWAYS or a != b
    )
    return (
        f'<h2 class="differs-title" id="cmp-differs">{word(language, "compare_differs")}</h2>'
        '<table class="differs" aria-labelledby="cmp-differs">'
        '<thead><tr><td></td><th scope="col">A</th><th scope="col">B</th></tr></thead>'
        f"<tbody>{shown}</tbody></table>{_flags((one, other), language)}"
        f'<p class="alike">{_alike(one, other, language)}</p>'
    )


def _alike(one: Told, other: Told, language: Language) -> str:
    if one.looks_up != other.looks_up:
        return word(language, "compare_alike_else", seed=one.reply.seed)
    count = sum(passage.used for passage in one.reply.passages)
    return word(language, "compare_alike", count=count, seed=one.reply.seed)


def _model(name: str, sha256: str) -> str:
    if not sha256:
        return escape(name)
    return f'{escape(name)} <code title="{escape(sha256)}">{escape(sha256[:8])}</code>'


def _adapter(reply: Reply, language: Language) -> str:
    who = reply.identity
    return _model(who.adapter, who.adapter_sha256) if who.adapter else word(language, "why_none")


def _sampling(reply: Reply) -> str:
    return f"T {reply.sampling.temperature:g} · top-p {reply.sampling.top_p:g}"


def _flags(both: Sequence[Told], language: Language) -> str:
    """What gave a reply away: a model's name in it, or words that leave the role."""
    said = []
    for it in both:
        found = marks.leaks(it.reply.text)
        for kind, words in (("models", found.models), ("broken", found.broken)):
            if words:
                flag = word(language, f"compare_flag_{kind}")
                said.append(f"<li>{LETTERS[it.side]}: {flag}（{escape('、'.join(words))}）</li>")
    return f'<ul class="flags">{"".join(said)}</ul>' if said else ""

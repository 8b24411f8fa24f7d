"""Checks a shelf: each character by itself, then the cast as a whole.

What `python -m rolecraft characters check` prints. Knows no page and no model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rolecraft.characters.boundary import check_boundary
from rolecraft.characters.corpus import lines_below
from rolecraft.characters.counts import check_counts, check_everyday, counts_of
from rolecraft.characters.facts import check_facts
from rolecraft.characters.findings import Findings
from rolecraft.characters.marked import Problem
from rolecraft.characters.model import Character
from rolecraft.characters.overlap import bare, sentences, shared_runs
from rolecraft.characters.shelf import Shelf, read_shelf, trait_counts
from rolecraft.characters.spoken import Text, texts_of
from rolecraft.characters.writing import check_writing

CAST = 28  # characters of the whole cast, and
CAST_TRAITS = 45  # the different traits that they have together (Table 1 of the paper)
SHARED_SENTENCE = 12  # bare characters from which a sentence of two characters is a copy
COPIED_RUN = 20  # bare characters from which a run of another collection is a copy

_SHOWN = {  # the counts that people are shown, and their names
    "characters": "characters",
    "profile_han": "characters of profile",
    "dialogues": "dialogues",
    "utterances": "utterances",
    "questions": "questions",
    "mean_answer": "characters an answer",
    "everyday_answers": "everyday answers",
    "traits": "traits",
    "contradictions": "contradictions",
}


@dataclass(frozen=True)
class Checked:
    """What was found in one character folder."""

    id: str
    problems: tuple[Problem, ...]
    counts: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


@dataclass(frozen=True)
class Report:
    """What was found on a shelf."""

    characters: tuple[Checked, ...]
    cast: Checked

    @property
    def ok(self) -> bool:
        """Whether nothing was found anywhere."""
        return self.cast.ok and all(one.ok for one in self.characters)

    def as_json(self) -> dict[str, Any]:
        """The report as `characters check --json` prints it."""
        return {
            "characters": [_as_json(one) for one in self.characters],
            "cast": {key: value for key, value in _as_json(self.cast).items() if key != "id"},
            "ok": self.ok,
        }


def check_shelf(shelf: Shelf, corpus_texts: Iterable[str] | None = None) -> Report:
    """Check every character folder, whole or faulty.

    With `corpus_texts`, no text may share a run of `COPIED_RUN` characters with them.
    """
    cast = {one.id: one for one in shelf.characters}
    all_findings = {identity: Findings(one) for identity, one in cast.items()}
    contradictions: dict[str, int] = {}
    for identity, character in cast.items():
        findings = all_findings[identity]
        check_counts(character, findings)
        check_everyday(character, shelf.topics, findings)
        before = len(findings.problems)
        check_facts(character, cast, findings)
        contradictions[identity] = len(findings.problems) - before
        check_boundary(character, findings)
        check_writing(character, findings)
    _shared(shelf.characters, all_findings)
    if corpus_texts is not None:
        _copied(shelf.characters, corpus_texts, all_findings)
    checked = [
        Checked(
            identity,
            tuple(all_findings[identity].problems),
            {**counts_of(character), "contradictions": contradictions[identity]},
        )
        for identity, character in cast.items()
    ]
    faulty: dict[str, list[Problem]] = {}
    for problem in shelf.problems:
        if Path(problem.path).parent == shelf.folder:
            continue  # a file of the whole cast
        faulty.setdefault(Path(problem.path).parent.name, []).append(problem)
    checked += [Checked(name, tuple(problems), {}) for name, problems in faulty.items()]
    return Report(tuple(sorted(checked, key=lambda one: one.id)), _cast(shelf))


def check_folder(folder: Path | str, against: Path | None = None) -> dict[str, Any]:
    """The report on a folder of character folders, as `characters check --json` prints it.

    With `against`, a folder of other texts, runs that stand there too are found.
    """
    corpus = lines_below(against) if against else None
    return check_shelf(read_shelf(folder), corpus).as_json()


def report_text(report: dict[str, Any]) -> str:
    """The same report for people: a line for each character, and its problems under it."""
    lines = []
    for one in [*report["characters"], {"id": "the cast", **report["cast"]}]:
        counts = one["counts"]
        numbers = ", ".join(
            f"{counts[key]} {name}" for key, name in _SHOWN.items() if counts.get(key) is not None
        )
        lines.append(f"{'ok ' if one['ok'] else 'NO '} {one['id']:<16} {numbers}".rstrip())
        lines += [f"     {Problem(**problem)}" for problem in one["problems"]]
    found = sum(len(one["problems"]) for one in [*report["characters"], report["cast"]])
    lines.append("Nothing to mend." if report["ok"] else f"{found} problems to mend.")
    return "\n".join(lines)


def _cast(shelf: Shelf) -> Checked:
    traits = trait_counts(shelf)
    found = len(shelf.characters)
    problems = [one for one in shelf.problems if Path(one.path).parent == shelf.folder]
    if found >= CAST and len(traits) != CAST_TRAITS:
        remedy = f"A cast of {CAST} has exactly {CAST_TRAITS} different traits."
        problems.append(Problem(str(shelf.folder), 0, "traits", str(len(traits)), remedy))
    return Checked("", tuple(problems), {"characters": found, "traits": len(traits)})


def _shared(characters: Sequence[Character], all_findings: dict[str, Findings]) -> None:
    """Sentences, and whole greetings, starters and answers, that two characters have."""
    seen: dict[str, tuple[str, Text]] = {}
    for character in characters:
        for text in texts_of(character):
            long = sentences(text.text, SHARED_SENTENCE)
            whole = [] if text.kind == "script" else [bare(text.text)]
            for sentence in dict.fromkeys([*long, *whole]):
                owner, first = seen.setdefault(sentence, (character.id, text))
                if owner != character.id:
                    place = f"{owner}/{first.file}" + (f":{first.line}" if first.line else "")
                    remedy = f"{place} ({first.field}) says the same; give each their own words."
                    findings = all_findings[character.id]
                    findings.at(text.file, text.line, text.field, text.text, remedy)
                    break


def _copied(
    characters: Sequence[Character], corpus: Iterable[str], all_findings: dict[str, Findings]
) -> None:
    places = [(one.id, text) for one in characters for text in texts_of(one)]
    places += [
        (one.id, Text("card.yaml", 0, f"profile.{field}", value, "profile"))
        for one in characters
        for field, value in one.profile.items()
    ]
    places += [
        (one.id, Text("questions.jsonl", question.line, "question", question.question, "asked"))
        for one in characters
        for question in one.questions
    ]
    places += [
        (one.id, Text("script.jsonl", dialogue.line, "scene", dialogue.scene, "scene"))
        for one in characters
        for dialogue in one.script
    ]
    for position, run in shared_runs([text.text for _, text in places], corpus, COPIED_RUN):
        identity, text = places[position]
        remedy = "Another collection has these words; write your own."
        all_findings[identity].at(text.file, text.line, text.field, run, remedy)


def _as_json(checked: Checked) -> dict[str, Any]:
    return {
        "id": checked.id,
        "ok": checked.ok,
        "problems": [asdict(problem) for problem in checked.problems],
        "counts": checked.counts,
    }

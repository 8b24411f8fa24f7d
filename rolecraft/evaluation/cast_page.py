"""docs/cast.md: what the cast consists of, in numbers, tables and pictures.

Made by `python -m rolecraft results data --docs docs`; the same data gives the same text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rolecraft.characters.check import check_shelf
from rolecraft.characters.model import Character
from rolecraft.characters.shelf import Shelf
from rolecraft.emotions import BY_ZH
from rolecraft.errors import ResultsError
from rolecraft.evaluation.dataset import PAPER_TABLE, Dataset, read_dataset
from rolecraft.evaluation.pictures import Picture, pictures_of, save_images, stale_images
from rolecraft.evaluation.style import LEAST_ACCURACY, StyleTest, style_test

COMMAND = "python -m rolecraft results data --docs docs"
PAGE = "cast.md"
IMAGES = "images"
ROWS = {  # the rows of Table 1, as people read them
    "dialogues": "dialogues",
    "rounds": "rounds a dialogue (here: utterances)",
    "characters": "characters",
    "traits": "personality traits",
    "profile_length": "length of a profile",
    "instructions": "instructions",
    "specific_instructions": "· specific",
    "general_instructions": "· general",
    "instruction_length": "length of an instruction",
    "responses": "responses",
    "specific_responses": "· specific",
    "general_responses": "· general",
    "response_length": "length of a response",
}


@dataclass(frozen=True)
class Results:
    """The data of a shelf, counted and tested."""

    shelf: Shelf
    dataset: Dataset
    style: StyleTest

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """What is drawn of it."""
        return pictures_of(self.shelf.characters, self.dataset, self.style)


def read_results(shelf: Shelf) -> Results:
    """Count a shelf and run the style test; `ResultsError` when it is too small for one.

    Faulty folders would make every number wrong, so they are refused too.
    """
    if shelf.problems:
        raise ResultsError(f"A character cannot be read: {shelf.problems[0]}")
    return Results(shelf, read_dataset(shelf.characters), style_test(shelf.characters))


def table_text(results: Results) -> str:
    """Table 1 and the style test, for people at a terminal."""
    style = results.style
    lines = [f"{'':<40}{'paper':>12}{'here':>12}"]
    lines += [
        f"{name:<40}{_number(PAPER_TABLE[key]):>12}{_number(results.dataset.table[key]):>12}"
        for key, name in ROWS.items()
    ]
    lines.append(
        f"style test: {style.accuracy:.1%} of {len(style.named)} held-out answers named, "
        f"{style.accuracy_without_facts:.1%} without facts; guessing {style.chance:.1%}"
    )
    return "\n".join(lines)


def cast_page(results: Results) -> str:
    """The text of docs/cast.md."""
    shelf, dataset, style = results.shelf, results.dataset, results.style
    people = shelf.characters
    report = check_shelf(shelf)
    mended = "finds nothing to mend" if report.ok else "still finds something to mend"
    contradictions = sum(one.counts.get("contradictions", 0) for one in report.characters)
    parts = [
        "# The cast",
        f"<!-- Written by `{COMMAND}`; change the characters, not this page. -->",
        f"{len(people)} everyday people, written for this project. `python -m rolecraft characters "
        f"check` {mended}. Lengths are in characters.",
        "Contradictions found between what they say, their own cards and the cards of the others "
        f"(age, birthday, size, home, kin, work, likes, quoted facts, relations): "
        f"**{contradictions:,}**. Plain claims in the first person are compared; hints are not.",
        "## Beside the paper",
        "Table 1 of RoleCraft-GLM (Tao et al., 2023) and the same numbers for this cast.",
        _table(
            ["", "paper", "here"],
            [
                [name, _number(PAPER_TABLE[key]), _number(dataset.table[key])]
                for key, name in ROWS.items()
            ],
        ),
        *_everyday(people),
        "## Everyone",
        _everyone(people, dataset),
        "*profile*: Chinese characters in the profile · *lines*: utterances of the script, their "
        "own in brackets · *neutral*: share of 中立 among all utterances · *questions*: with a "
        "written answer, held out for tests in brackets · *boundary*: questions they cannot answer "
        "and turn aside.",
        *_traits(people, dataset),
        *_emotions(people, dataset),
        *_questions(dataset),
        *_style(people, style),
    ]
    return "\n\n".join(parts) + "\n"


def write_docs(results: Results, docs: Path) -> list[str]:
    """Write docs/cast.md and its images. Returns, in words, what was left out."""
    notes = save_images(results.pictures, docs / IMAGES)
    (docs / PAGE).write_text(cast_page(results), "utf-8")
    return notes


def stale(results: Results, docs: Path) -> list[str]:
    """What in `docs` no longer says what the characters say, in words; empty when all is fresh."""
    path = docs / PAGE
    found = []
    if not path.is_file():
        found.append(f"{path} is missing.")
    elif path.read_text("utf-8") != cast_page(results):
        found.append(f"{path} does not agree with the characters.")
    return found + stale_images(results.pictures, docs / IMAGES)


def _everyone(people: Sequence[Character], dataset: Dataset) -> str:
    rows = []
    for one in people:
        counts = dataset.counts[one.id]
        rows.append(
            [
                f"{one.name['zh']} {one.name['en']}",
                one.profile.get("age", ""),
                one.profile.get("occupation", ""),
                one.profile.get("residence", ""),
                counts["profile_han"],
                counts["dialogues"],
                f"{counts['utterances']} ({counts['own_utterances']})",
                f"{counts['neutral_share']:.0%}",
                f"{counts['questions']} ({len(one.questions_of('test'))})",
                counts["kinds"].get("out_of_knowledge", 0),
                f"{counts['mean_answer']:.1f}",
            ]
        )
    head = ["character", "age", "work", "home", "profile", "dialogues", "lines", "neutral"]
    return _table([*head, "questions", "boundary", "mean answer"], rows)


def _everyday(people: Sequence[Character]) -> list[str]:
    """How answers to what everybody says are counted; nothing where there are none."""
    topics = {row.topic for one in people for row in one.everyday}
    answers = sum(len(one.everyday) for one in people)
    if not answers:
        return []
    return [
        f"Among the general ones are {answers:,} answers to what everybody says, such as a "
        f"greeting: one a character to each of {len(topics):,} topics, which count as instructions "
        "here. The length of an instruction is that of the specific ones."
    ]


def _traits(people: Sequence[Character], dataset: Dataset) -> list[str]:
    holders = {
        trait: "、".join(one.name["zh"] for one in people if trait in one.traits)
        for trait in dataset.traits
    }
    return [
        f"## {len(dataset.traits)} traits",
        _image("cast-traits", "Word cloud of the personality traits"),
        _table(["trait", "characters"], [[trait, who] for trait, who in holders.items()]),
    ]


def _emotions(people: Sequence[Character], dataset: Dataset) -> list[str]:
    total = max(sum(dataset.emotions.values()), 1)
    rows = [
        [f"{BY_ZH[label].en} {label}", f"{count:,}", f"{count / total:.1%}"]
        for label, count in sorted(dataset.emotions.items(), key=lambda item: -item[1])
    ]
    signatures = [
        [one.name["zh"], one.mood, "、".join(f"{e.emotion} {e.share:.0%}" for e in one.emotions)]
        for one in people
    ]
    return [
        "## Emotions",
        _image("cast-emotions", "Emotions of the script utterances"),
        _table(["emotion", "utterances", "share"], rows),
        "What each card promises; the check holds the script to it within eight points. The "
        "picture shows what their own lines really have.",
        _table(["character", "mood", "signature"], signatures),
        _image("cast-signatures", "Emotions of each character's own lines"),
    ]


def _questions(dataset: Dataset) -> list[str]:
    rows = [
        [
            verb,
            sum(objects.values()),
            "、".join(f"{noun} {n}" for noun, n in list(objects.items())[:6]),
        ]
        for verb, objects in dataset.verbs.items()
    ]
    return [
        "## What is asked",
        "The most frequent verbs of the questions and the objects they take (parts of speech by "
        "jieba; copulas and modals left aside).",
        _image("cast-verbs", "Verbs of the questions inside, their objects outside"),
        _table(["verb", "with an object", "objects"], rows),
    ]


def _style(people: Sequence[Character], style: StyleTest) -> list[str]:
    names = {one.id: one.name["zh"] for one in people}
    rows = []
    for speaker, guesses in style.table.items():
        wrong = sorted(
            ((guess, n) for guess, n in guesses.items() if guess != speaker),
            key=lambda item: (-item[1], item[0]),
        )
        taken = "、".join(f"{names[guess]} {n}" for guess, n in wrong)
        own = f"{guesses.get(speaker, 0)} of {sum(guesses.values())}"
        rows.append([names[speaker], own, f"{style.recall[speaker]:.0%}", taken])
    kinds = " · ".join(f"{kind} {share:.1%}" for kind, share in style.by_kind.items())
    pairs = "、".join(f"{names[a]}–{names[b]} {n}" for a, b, n in style.blurred(8))
    return [
        "## Who speaks?",
        f"A linear classifier over character n-grams learns from {style.learnt_from:,} texts of "
        "the train split (answers, own script lines, general and everyday answers) and names the "
        f"speaker of {len(style.named)} held-out answers among {len(style.speakers)}. It is right "
        f"in **{style.accuracy:.1%}** (at least {LEAST_ACCURACY:.0%} is asked, guessing finds "
        f"{style.chance:.1%}). Answers that quote facts give people away by what they say; in "
        f"opinions, small talk and evasions, where only the voice can, it is right in "
        f"**{style.accuracy_without_facts:.1%}**.",
        f"By kind: {kinds}. Most often taken for each other: {pairs}.",
        _table(["who spoke", "named", "share", "taken for"], rows),
        _image("cast-confusions", "Confusion table of the style test"),
    ]


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    columns = [str(cell) for cell in head]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _image(name: str, about: str) -> str:
    return f"![{about}]({IMAGES}/{name}.png)"


def _number(value: float) -> str:
    return f"{value:,.2f}" if value % 1 else f"{value:,.0f}"

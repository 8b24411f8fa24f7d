"""Measures whether the mini speaks like its characters and knows where their knowledge ends.

    python -m benchmarks.voices [--engine rolecraft-mini] [--replies 280]

The speaker of each sampled reply is named by the classifier of the style test, which learnt the
voices from the train split. Whether a boundary question was evaded is judged by a second one,
which learnt evasions from written train answers; its own accuracy on held-out written answers is
printed beside. The replies to 100 everyday openings are written out to be read by people.
"""

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.mini import Measurement
from rolecraft.characters.model import Character
from rolecraft.conversation import Conversation
from rolecraft.evaluation.style import reader_of_letters, training_texts
from rolecraft.settings import Settings
from train.topics import material

RESULT = Path(__file__).parent / "results" / "voices.json"
OPENINGS = Path(__file__).with_name("openings.txt")
BOUNDARY = "out_of_knowledge"


class Judge:
    """The style test's reader, to whom rare labels weigh as much as common ones."""

    def __init__(self, labelled: Sequence[tuple[str, str]]) -> None:
        self.reader = reader_of_letters(class_weight="balanced")
        self.reader.fit([text for _, text in labelled], [label for label, _ in labelled])

    def share(self, said: Sequence[tuple[str, str]]) -> float:
        """The share of (label, text) whose label is found."""
        guesses = self.reader.predict([text for _, text in said])
        pairs = zip(guesses, said, strict=True)
        return statistics.mean(guess == label for guess, (label, _) in pairs)


def evasions(people: Sequence[Character], split: str) -> Iterator[tuple[str, str]]:
    """Written answers of a split, labelled by whether they are evasions."""
    for person in people:
        for one in person.questions_of(split):
            yield ("evades" if one.kind == BOUNDARY else "answers"), one.answer
    if split == "train":
        for bank, label in (("evasions", "evades"), ("small_talk", "answers")):
            for group in material(bank):
                for voice in group["replies"].values():
                    yield from ((label, reply["text"]) for reply in voice)


def measure(measured: Measurement, count: int, seed: int) -> dict[str, Any]:
    """Asks and judges; the openings' replies come back whole."""
    rng = random.Random(seed)
    people = measured.shelf.characters
    openings = OPENINGS.read_text(encoding="utf-8").split("\n")[:100]
    voices = Judge([(p.id, text) for p in people for text in training_texts(p)])
    evading = Judge(list(evasions(people, "train")))
    asked: list[tuple[Character, str]] = []
    for place in range(count):
        person = people[place % len(people)]
        kinds = [q.question for q in person.questions_of("test") if q.kind != "profile"]
        asked.append((person, rng.choice(kinds)))
    said = [(p.id, measured.ask(p, fresh(p), q, seed).text) for p, q in asked]
    limits = [(p, q.question) for p in people for q in p.questions_of("test") if q.kind == BOUNDARY]
    beyond = [[p.name["zh"], q, measured.ask(p, fresh(p), q, seed).text] for p, q in limits]
    evaded = [("evades", reply) for *_, reply in beyond]
    read = []
    for place, opening in enumerate(openings):
        person = people[place % len(people)]
        read.append(
            [person.name["zh"], opening, measured.ask(person, fresh(person), opening, seed).text]
        )
    return {
        "replies": len(said),
        "speaker_found": round(voices.share(said), 3),
        "chance": round(1 / len(people), 3),
        "boundary_questions": len(evaded),
        "evaded": round(evading.share(evaded), 3),
        "judge_of_evasions": round(evading.share(list(evasions(people, "test"))), 3),
        "openings": read,
        "boundary": beyond,
    }


def fresh(person: Character) -> Conversation:
    """A talk that has only begun."""
    return Conversation(person.id, person.greeting["zh"])


def main() -> None:
    """Measure, print the figures and keep them in `benchmarks/results/voices.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="rolecraft-mini")
    parser.add_argument("--replies", type=int, default=280)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = Measurement(Settings.from_environment(), args.engine, Path(folder))
        result = measure(measured, args.replies, args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    for name, said, reply in [*result.pop("openings"), *result.pop("boundary")]:
        print(f"{name}｜{said}｜{reply}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()

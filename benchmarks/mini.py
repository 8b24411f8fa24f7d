"""Measures the mini model on what it was not trained with and prints the table of the README.

    python -m benchmarks.mini [--engine rolecraft-mini] [--facts 400] [--turns 500] [--people 40]

Facts are asked in held-out wordings through the whole chat: retrieval, prompt, engine. A fact
counts as told when the reply holds the profile's value. People "never trained on" are imagined
from held-out values. Speed is the first token's, measured by the chat itself.
"""

import argparse
import dataclasses
import json
import random
import re
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rolecraft import chat
from rolecraft.characters.model import Character
from rolecraft.conversation import Conversation, Reply
from rolecraft.marks import leaks
from rolecraft.services import open_catalog, open_knowledge
from rolecraft.settings import Settings
from train.imagine import Imagination
from train.topics import material

RESULT = Path(__file__).parent / "results" / "mini.json"
# Stricter than what the page flags. A programmer (程序员) and a boy's helper (助手) are people.
MACHINE = re.compile(
    r"\bAI\b|人工智能|模型|机器人|程序(?!员|媛)|(?:智能|虚拟|是(?:个|一个)?)助手|GPT|清华|OpenAI",
    re.I,
)
_SIGNS = re.compile(r"[\s，。！？、；：“”‘’《》（）()\"',.!?·—…~-]")
SHORT_VALUE = 16  # characters; longer fields are told, not quoted


def plain(text: str) -> str:
    """Without blanks and punctuation, for comparing."""
    return _SIGNS.sub("", text)


def tells(reply: str, value: str) -> bool:
    """Whether a reply holds a value of the profile."""
    return plain(value) in plain(reply)


def repeats(text: str, size: int = 6) -> bool:
    """Whether a run of `size` characters occurs twice in a reply."""
    runs = [text[start : start + size] for start in range(len(text) - size + 1)]
    return len(runs) != len(set(runs))


def names_a_machine(text: str) -> bool:
    """Whether a reply names a model or an AI, or leaves its role."""
    return bool(leaks(text) or MACHINE.search(text))


class Measurement:
    """Asks one engine through the chat and keeps the replies."""

    def __init__(self, settings: Settings, engine: str, folder: Path) -> None:
        self.shelf, encoder, self.index = open_knowledge(settings, folder)
        catalog = open_catalog(settings, self.shelf, encoder)
        self.engine, self.budget = catalog.open(engine), catalog.budget(engine)
        self.sampling = catalog.entry(engine).sampling
        self.replies: list[Reply] = []

    def ask(self, character: Character, conversation: Conversation, text: str, seed: int) -> Reply:
        """One turn, kept for the counts over all replies."""
        request = chat.Request(
            character,
            conversation.ask(text),
            self.engine,
            self.budget,
            dataclasses.replace(self.sampling, seed=seed),
        )
        answering = chat.start(request, self.index)
        for _ in answering:
            pass
        self.replies.append(answering.reply)
        return answering.reply

    def facts(
        self, people: Sequence[Character], count: int, seed: int, marked: bool = True
    ) -> dict[str, Any]:
        """The share of short facts told, over and by field; unmarked: without the last sign."""
        rng = random.Random(seed)
        wordings = material("questions")
        told: dict[str, list[bool]] = {}
        wrong = []
        for number in range(count):
            person = people[number % len(people)]
            fields = [
                f for f, v in person.profile.items() if f in wordings and len(v) <= SHORT_VALUE
            ]
            field = rng.choice(fields)
            name = person.name["zh"]
            question = rng.choice(wordings[field]).replace("{name}", name)
            question = question if marked else question.rstrip("？。！")
            greeting = Conversation(person.id, person.greeting["zh"])
            reply = self.ask(person, greeting, question, seed + number)
            right = tells(reply.text, person.profile[field])
            told.setdefault(field, []).append(right)
            if not right:
                found = any(p.used and p.field == f"profile.{field}" for p in reply.passages)
                wrong.append([name, question, person.profile[field], reply.text, found])
        every = [right for rights in told.values() for right in rights]
        by_field = {f: round(statistics.mean(r), 3) for f, r in sorted(told.items())}
        return {
            "asked": len(every),
            "told": round(statistics.mean(every), 3),
            "by_field": by_field,
            "wrong": wrong[:60],
        }

    def turns(self, count: int, seed: int) -> None:
        """Talks of four turns over everything that visitors ask, with held-out wordings."""
        rng = random.Random(seed)
        asked = list(visitor_questions(rng))
        number = 0
        while number < count:
            person = rng.choice(self.shelf.characters)
            conversation = Conversation(person.id, person.greeting["zh"])
            for _ in range(min(4, count - number)):
                text = rng.choice(asked)
                if rng.random() < 0.4:
                    text = rng.choice(person.questions_of("test")).question
                reply = self.ask(person, conversation, text, seed + number)
                conversation = conversation.ask(text).answer(reply)
                number += 1


def visitor_questions(rng: random.Random) -> Iterator[str]:
    """Held-out small talk and evasions, and wordings of facts."""
    for bank in ("small_talk", "evasions"):
        for group in material(bank):
            yield from group.get("heldout", ())
    for fields in material("questions").values():
        yield from (text for text in fields if "{name}" not in text)


def main() -> None:
    """Measure, print the table and keep the figures in `benchmarks/results/mini.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="rolecraft-mini")
    parser.add_argument("--facts", type=int, default=400)
    parser.add_argument("--turns", type=int, default=500)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_environment()
        measured = Measurement(settings, args.engine, Path(folder))
        shipped = measured.facts(measured.shelf.characters, args.facts, args.seed)
        unmarked = measured.facts(measured.shelf.characters, args.facts, args.seed, marked=False)
        imagination = Imagination(random.Random(args.seed), heldout=True)
        strangers = []
        for number in range(args.people):
            person, _ = imagination.person()
            asked = measured.shelf.asked  # as of everybody who is put on the shelf
            strangers.append(
                dataclasses.replace(person, id=f"imagined-{number}", asked_commonly=asked)
            )
        unknown = measured.facts(strangers, args.facts, args.seed)
        measured.replies.clear()
        measured.turns(args.turns, args.seed)
    replies = measured.replies
    named = [reply.text for reply in replies if names_a_machine(reply.text)]
    first = sorted(reply.first_token_ms for reply in replies)
    result = {
        "engine": args.engine,
        "facts_shipped": shipped,
        "facts_shipped_unmarked": unmarked,
        "facts_never_trained": unknown,
        "turns": len(replies),
        "empty": sum(not reply.text for reply in replies),
        "repeating": sum(repeats(reply.text) for reply in replies),
        "naming_a_machine": len(named),
        "named": named,
        "without_emotion": sum(reply.emotion is None for reply in replies),
        "cut_by_length": sum(reply.finish == "length" for reply in replies),
        "first_token_ms_median": statistics.median(first),
        "first_token_ms_p95": first[int(len(first) * 0.95)],
        "reply_characters_mean": round(statistics.mean(len(r.text) for r in replies), 1),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    for key, value in result.items():
        if isinstance(value, dict):
            print(f"{key}: {value['told']:.1%} of {value['asked']}  {value['by_field']}")
        else:
            print(f"{key}: {value}")


if __name__ == "__main__":
    main()

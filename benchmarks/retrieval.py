"""Recall@3 of retrieval on the cast's test questions that have a source passage.

    python -m benchmarks.retrieval [--encoder FOLDER_OR_HUB_ID …]

A question counts as found when one of the three best passages tells of its source: the field or
scene itself, or an answered train question about it. Test questions are in no passage.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from rolecraft.characters import Shelf, read_shelf
from rolecraft.knowledge.chroma import open_chroma
from rolecraft.knowledge.encoder import load_encoder
from rolecraft.knowledge.index import Index
from rolecraft.knowledge.passages import passages_of
from rolecraft.knowledge.vectors import VectorStore
from rolecraft.settings import Settings

RESULT = Path(__file__).parent / "results" / "retrieval.json"


def measure(shelf: Shelf, encoder_name: str, k: int = 3) -> dict[str, Any]:
    """Recall@k over all and by kind, with the misses and the milliseconds of a question."""
    encoder = load_encoder(encoder_name)
    found: dict[str, list[bool]] = {}
    misses, times = [], []
    with tempfile.TemporaryDirectory() as folder:
        index = Index(VectorStore(open_chroma(Path(folder)), encoder), encoder)
        index.refresh(shelf.characters)
        for character in shelf.characters:
            origins = {source.field: source.origin for source in passages_of(character)}
            for one in character.questions_of("test"):
                if not one.source:
                    continue
                begun = time.perf_counter()
                passages = index.retrieve(character, one.question, k=k, everyday=False)
                times.append((time.perf_counter() - begun) * 1000)
                right = any(origins.get(p.field) == one.source for p in passages)
                found.setdefault(one.kind, []).append(right)
                if not right:
                    misses.append([character.id, one.question, one.source])
    every = [right for rights in found.values() for right in rights]
    return {
        "encoder": "mini" if Path(encoder_name).is_dir() else encoder_name,
        "questions": len(every),
        "recall_at_3": round(statistics.mean(every), 4),
        "by_kind": {kind: round(statistics.mean(rights), 4) for kind, rights in found.items()},
        "median_ms": round(statistics.median(times), 1),
        "misses": misses,
    }


def main() -> None:
    """Measure each encoder and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", action="append")
    args = parser.parse_args()
    settings = Settings.from_environment()
    names = args.encoder or [str(settings.models_dir / "mini" / "encoder")]
    shelf = read_shelf(settings.characters)
    results = [measure(shelf, name) for name in names]
    for result in results:
        line = {key: value for key, value in result.items() if key != "misses"}
        print(json.dumps(line, ensure_ascii=False))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Writes the marked blocks of README.md from what they tell of.

    python -m benchmarks.readme [--check]

A block stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->`; nothing else in the file is
touched. Measured tables come from the JSON files in `benchmarks/results/`, which the benchmarks
write. With --check nothing is written and a stale block is an error.
"""

import argparse
import dataclasses
import json
import math
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rolecraft.characters import read_shelf
from rolecraft.engines.catalog import Catalog
from rolecraft.settings import VARIABLES, Settings

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
_BLOCK = re.compile(r"<!-- begin: (?P<name>[\w-]+) -->\n(?P<body>.*?)<!-- end: (?P=name) -->", re.S)
_MARK = re.compile(r"<!-- (?:begin|end): ([\w-]+) -->")


class ReadmeError(Exception):
    """A marker without its other half, or of a block that nobody writes."""


@dataclasses.dataclass(frozen=True)
class Bar:
    """A measured number, how it is shown, and the bar it was meant to reach."""

    label: str
    shown: str
    bar: str = ""
    reached: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of its row."""
        verdict = {True: "reached", False: "missed", None: ""}[self.reached]
        return self.label, self.shown, self.bar, verdict


def environment() -> str:
    """Every variable that is read, as `rolecraft.settings` declares it."""
    fallback = Settings()
    rows = []
    for variable in VARIABLES:
        value = getattr(fallback, variable.field)
        if isinstance(value, Path) and value.is_relative_to(ROOT):
            value = value.relative_to(ROOT)
        default = "" if value is None else f"`{value}`"
        rows.append((f"`{variable.name}`", default, variable.allowed, variable.about))
    return table(("variable", "default", "allowed", "what it sets"), rows)


def engines() -> str:
    """The catalogue's engines, whatever is installed here."""
    nowhere = Catalog(Settings(models_dir=ROOT / "models" / ".none"))
    cards = [entry.card for entry in nowhere.entries.values() if not entry.hidden]
    rows = [
        (f"`{card.name}`", card.summary["en"], card.memory or "no weights", card.licence)
        for card in cards
    ]
    return table(("engine", "what it is", "needs", "licence"), rows)


def cast() -> str:
    """Who is on the shelf."""
    shelf = read_shelf(ROOT / "characters")
    people = [f"{one.name['zh']} {one.name['en']} (`{one.id}`)" for one in shelf.characters]
    return f"{len(people)} characters: {', '.join(people)}.\n"


def recipe() -> str:
    """The training stages of the mini in the order in which they need each other."""
    folder = ROOT / "train" / "configs"
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.toml"))}
    configs = {path: tomllib.loads(text) for path, text in texts.items()}
    stages = {path: path.stem.split("_")[0] for path in configs}
    order = ("tokenizer", "pretrain", "adapter", "encoder")
    chosen = [path for path in configs if stages[path] in order and _ships(configs[path])]

    def place(path: Path) -> tuple[int, int, str]:
        return order.index(stages[path]), _depth(configs[path], list(configs.values())), path.name

    rows = []
    for path in sorted(chosen, key=place):
        name = path.relative_to(ROOT).as_posix()
        about = texts[path].splitlines()[0].removeprefix("#").strip()
        rows.append((f"`python -m train {stages[path]} --config {name}`", about))
    return table(("command", "what it does"), rows)


def _ships(config: Mapping[str, Any]) -> bool:
    """Whether what it makes, or what is made from that, is part of the repository."""
    return not str(config["output_dir"]).startswith("runs/smoke") and "characters" not in config


def release() -> str:
    """The way from a raw release to a talk, as `benchmarks.recipe` runs it."""
    from benchmarks.recipe import block

    return block()


def _depth(config: Mapping[str, Any], every: Sequence[Mapping[str, Any]]) -> int:
    """How many stages come before this one by `init_from`."""
    before = [one for one in every if one.get("output_dir") == config.get("init_from")]
    return 1 + _depth(before[0], every) if before and before[0] is not config else 0


def mini() -> str:
    """What `benchmarks.mini` measured, against the bars that were set before."""
    result = measured("mini")
    if result is None:
        return missing("mini")
    shipped, strangers = result["facts_shipped"], result["facts_never_trained"]
    unmarked = result["facts_shipped_unmarked"]
    told_unmarked = f"{percent(unmarked['told'])} of {unmarked['asked']}"
    turns, median = result["turns"], result["first_token_ms_median"]
    bars = [
        _share("profile facts told, shipped characters", shipped["told"], shipped["asked"], 0.90),
        Bar("the same, asked without a question mark", told_unmarked),
        _share(
            "profile facts told, characters never trained on",
            strangers["told"], strangers["asked"], 0.80,
        ),
        _none("empty replies", result["empty"], turns),
        _none("replies that repeat six characters in a row", result["repeating"], turns),
        _none("replies that name a model or an AI", result["naming_a_machine"], turns),
        Bar("first token, median", f"{median:.0f} ms", "≤ 300 ms on two cores", median <= 300),
        Bar("first token, 95th percentile", f"{result['first_token_ms_p95']:.0f} ms"),
        Bar("replies without an emotion label", f"{result['without_emotion']} of {turns}"),
        Bar("replies cut at the length limit", f"{result['cut_by_length']} of {turns}"),
        Bar("length of a reply, mean", f"{result['reply_characters_mean']} characters"),
    ]  # fmt: skip
    rows = [bar.cells for bar in bars]
    caption = f"`{result['engine']}`, measured by `python -m benchmarks.mini`"
    return f"{caption}:\n\n{table(('measure', 'result', 'bar', ''), rows)}"


def _share(label: str, told: float, asked: int, bar: float) -> Bar:
    return Bar(label, f"{percent(told)} of {asked}", f"≥ {bar:.0%}", told >= bar)


def _none(label: str, count: int, turns: int) -> Bar:
    return Bar(label, f"{count} of {turns}", "0", count == 0)


def retrieval() -> str:
    """What `benchmarks.retrieval` measured of each encoder."""
    results = measured("retrieval")
    if results is None:
        return missing("retrieval")
    rows = [
        (
            f"`{one['encoder']}`",
            f"{percent(one['recall_at_3'])} of {one['questions']}",
            "≥ 90%",
            "reached" if one["recall_at_3"] >= 0.90 else "missed",
            f"{one['median_ms']} ms",
        )
        for one in results
    ]
    return table(("encoder", "recall@3", "bar", "", "a question, median"), rows)


def serving() -> str:
    """The ratios of the local engine, or that nobody measured them yet."""
    result = measured("serving")
    if result is None:
        return missing("serving")
    from benchmarks.serving import HEAD, rows

    told = f"`{result['command']}`, {result['measured']}, {result['cores']} cores, small GLM:\n\n"
    return told + table(HEAD, rows(result["cases"]))


def ratings() -> str:
    """What is stored of ratings under load and kills, and what their intervals cover."""
    from benchmarks.ratings import block

    return block()


def measured(name: str) -> Any:
    """The figures a benchmark left, or None when it was not run yet."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def missing(name: str) -> str:
    """What stands where a table would be."""
    return f"Not measured yet: `python -m benchmarks.{name}` writes the figures.\n"


def percent(share: float) -> str:
    """A share rounded down, so that a missed bar never looks reached."""
    return f"{math.floor(round(share * 1000, 6)) / 10:.1f}%"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *escaped]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "environment": environment,
    "engines": engines,
    "cast": cast,
    "recipe": recipe,
    "release": release,
    "mini": mini,
    "retrieval": retrieval,
    "serving": serving,
    "ratings": ratings,
}


def regenerated(text: str, blocks: Mapping[str, Callable[[], str]] = BLOCKS) -> str:
    """The text with every block written anew. Raises ReadmeError for markers that do not fit."""
    paired = [match["name"] for match in _BLOCK.finditer(text)]
    marks = _MARK.findall(text)
    odd = sorted(name for name in set(marks) if marks.count(name) != 2 or name not in paired)
    if odd:
        raise ReadmeError(f"The block {odd[0]!r} needs one begin and one end marker, in order.")
    unknown = sorted(set(paired) - set(blocks))
    if unknown:
        raise ReadmeError(f"Nobody writes the block {unknown[0]!r}. Known: {', '.join(blocks)}.")

    def written(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- begin: {name} -->\n{blocks[name]()}<!-- end: {name} -->"

    return _BLOCK.sub(written, text)


def block_of(path: Path, name: str) -> str:
    """What stands between the marks of one block of a page. Raises ReadmeError."""
    for match in _BLOCK.finditer(path.read_text(encoding="utf-8")):
        if match["name"] == name:
            return match["body"]
    raise ReadmeError(f"{path} has no place between the begin and end markers of {name!r}.")


def write_block(path: Path, name: str, body: str) -> None:
    """Put a benchmark's table between the marks of its block of a page. Raises ReadmeError."""
    block_of(path, name)
    text = path.read_text(encoding="utf-8")

    def written(match: re.Match[str]) -> str:
        whole = f"<!-- begin: {name} -->\n{body}<!-- end: {name} -->"
        return whole if match["name"] == name else match[0]

    path.write_text(_BLOCK.sub(written, text), encoding="utf-8")


def stale(text: str, fresh: str) -> list[str]:
    """The names of the blocks that differ."""
    new = {match["name"]: match["body"] for match in _BLOCK.finditer(fresh)}
    return [m["name"] for m in _BLOCK.finditer(text) if m["body"] != new[m["name"]]]


def main(argv: Sequence[str] | None = None, readme: Path = README) -> int:
    """Write the blocks, or with --check say which are stale (exit 1)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    args = parser.parse_args(argv)
    text = readme.read_text(encoding="utf-8")
    try:
        fresh = regenerated(text)
    except ReadmeError as error:
        print(f"{readme.name}: {error}", file=sys.stderr)
        return 1
    old = stale(text, fresh)
    if args.check and old:
        print(
            f"{readme.name} is stale: {', '.join(old)}. Run: python -m benchmarks.readme",
            file=sys.stderr,
        )
        return 1
    if not args.check and old:
        readme.write_text(fresh, encoding="utf-8")
        print(f"{readme.name}: wrote {', '.join(old)}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

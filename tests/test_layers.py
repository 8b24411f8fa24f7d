"""The rows of the house: who may import whom, and what is heavy enough to be kept out of a start.

Imports are read from the syntax tree, also those inside functions and under TYPE_CHECKING: a type
taken from an upper row is a dependency like any other.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

# Room -> row. A module belongs to the longest prefix that names it.
ROWS = {
    "rolecraft": 0,  # the package itself: its version
    "rolecraft.errors": 0,
    "rolecraft.privacy": 0,
    "rolecraft.conversation": 1,
    "rolecraft.emotions": 1,
    "rolecraft.marks": 1,
    "rolecraft.moderation": 1,
    "rolecraft.settings": 2,
    "rolecraft.characters": 2,
    "rolecraft.store": 2,
    "rolecraft.prompts": 3,
    "rolecraft.knowledge": 3,
    "rolecraft.engines": 3,
    "rolecraft.admission": 4,
    "rolecraft.chat": 4,
    "rolecraft.ratings": 4,
    "rolecraft.services": 5,
    "rolecraft.comparison": 5,
    "rolecraft.evaluation": 5,
    "rolecraft.ratings.agreement": 5,
    "rolecraft.ratings.board": 5,
    "rolecraft.ratings.exports": 5,
    "rolecraft.ratings.means": 5,
    "rolecraft.ratings.harvested": 5,
    "rolecraft.ratings.keeping": 5,
    "rolecraft.ratings.material": 5,
    "rolecraft.ratings.preference": 5,
    "rolecraft.ratings.published": 5,
    "rolecraft.ratings.rater_quality": 5,
    "rolecraft.ratings.records": 5,
    "rolecraft.ratings.report": 5,
    "rolecraft.ratings.selection": 5,
    "rolecraft.ratings.statistics": 5,
    "rolecraft.ratings.training": 5,
    "rolecraft.ratings.under": 5,
    "rolecraft.ui": 6,
    "rolecraft.api": 6,
    "rolecraft.hosting": 7,
    "rolecraft.cli": 7,
    "rolecraft.__main__": 7,
    "app": 7,
}
# Rooms of several modules that share no folder of their own.
TOGETHER = (
    {"rolecraft.hosting", "rolecraft.cli", "rolecraft.__main__", "app"},
    {room for room in ROWS if room.startswith("rolecraft.ratings.")},
    {"rolecraft.services", "rolecraft.comparison"},
    {"rolecraft.marks", "rolecraft.moderation"},
)
HEAVY = (
    "torch", "transformers", "peft", "FlagEmbedding", "chromadb", "openai", "gradio",
    "bitsandbytes", "accelerate", "sentencepiece",
)  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, Path]:
    paths = [REPOSITORY / "app.py", *(REPOSITORY / "rolecraft").rglob("*.py")]
    return {module_name(path): path for path in paths}


MODULES = sources()


def imported(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """The modules that a syntax tree imports; `from package import module` names the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            package = node.module or ""
            for alias in node.names:
                inner = f"{package}.{alias.name}"
                yield inner if inner in known else package


def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


GRAPH = {module: set(imported(tree_of(module), set(MODULES))) for module in MODULES}


def room_of(module: str) -> str:
    parts = module.split(".")
    prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((prefix for prefix in prefixes if prefix in ROWS), "")


def may_import(importer: str, target: str) -> bool:
    own, other = room_of(importer), room_of(target)
    if own == other or any({own, other} <= room for room in TOGETHER):
        return True
    return ROWS[other] < ROWS[own]


def roomless(modules: set[str]) -> list[str]:
    """Modules that no row names: the package's own entry stands for `rolecraft` alone."""
    return sorted(m for m in modules if room_of(m) in ("", "rolecraft") and m != "rolecraft")


def upward(graph: dict[str, set[str]]) -> list[str]:
    return [
        f"{importer} (row {ROWS[room_of(importer)]}) imports {target} (row {ROWS[room_of(target)]})"
        for importer, targets in sorted(graph.items())
        for target in sorted(targets)
        if target.split(".")[0] in ("rolecraft", "app") and not may_import(importer, target)
    ]


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle of imports, first module repeated at the end; [] when there is none."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(graph.get(module, set()) & set(graph)):
            if found := walk(target, [*path, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := walk(module, []))), [])


def test_every_module_has_a_row() -> None:
    assert roomless(set(MODULES)) == []


def test_the_page_on_the_architecture_has_the_same_rows() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = {int(row): rooms for row, rooms in re.findall(r"^\| (\d) \| (.+?) \|", page, re.M)}
    rooms = {room_of(module) for module in MODULES} - {"rolecraft"}
    assert [r for r in sorted(rooms) if r.split(".")[-1] not in told[ROWS[r]]] == []


def test_imports_go_down_or_stay_in_the_room() -> None:
    assert upward(GRAPH) == []


def test_imports_make_no_circle() -> None:
    assert circle(GRAPH) == []


def test_only_the_pages_import_gradio() -> None:
    users = {m for m, targets in GRAPH.items() if any(t.split(".")[0] == "gradio" for t in targets)}
    assert {room_of(module) for module in users} <= {"rolecraft.ui"}


def test_the_house_never_imports_what_trains_measures_or_tests_it() -> None:
    outside = {"train", "benchmarks", "tests"}
    assert [m for m, targets in GRAPH.items() if {t.split(".")[0] for t in targets} & outside] == []


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"rolecraft.chat": {"rolecraft.ui.app"}}, "rolecraft.chat (row 4) imports"),
        ({"rolecraft.prompts": {"rolecraft.knowledge.index"}}, "rolecraft.prompts (row 3) imports"),
        ({"rolecraft.ui.app": {"rolecraft.__main__"}}, "rolecraft.ui.app (row 6) imports"),
    ],
)
def test_an_upward_or_sideways_import_is_seen(graph: dict[str, set[str]], said: str) -> None:
    assert [line[: len(said)] for line in upward(graph)] == [said]


def test_the_reader_of_imports_sees_the_hidden_ones() -> None:
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from rolecraft.chat import Reply\n"
        "def f():\n    from rolecraft.ui import app\n    import gradio as gr\n"
    )
    assert set(imported(tree, {"rolecraft.ui.app"})) == {
        "typing", "rolecraft.chat", "rolecraft.ui.app", "gradio",
    }  # fmt: skip
    assert roomless({"rolecraft.utils", "rolecraft.store.tree"}) == ["rolecraft.utils"]
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


STARTS = (
    "import rolecraft",
    "import rolecraft.__main__ as m; m.make_parser().format_help()",
    "m.main(['engines'])",
    "m.main(['space', 'check'])",
    "import rolecraft.services, rolecraft.chat",
)


def test_a_start_loads_nothing_heavy() -> None:
    report = f"print('loaded:', *(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + "".join(f"{s}\n{report}\n" for s in STARTS)],
        capture_output=True, text=True, cwd=REPOSITORY, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = [line.strip() for line in done.stdout.splitlines() if line.startswith("loaded:")]
    assert dict(zip(STARTS, loaded, strict=True)) == dict.fromkeys(STARTS, "loaded:")

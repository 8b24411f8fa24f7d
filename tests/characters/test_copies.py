"""Nothing in the cast is taken from the published RoleInstruct data.

Runs where a copy of the release lies beside the repository; only letters are compared.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rolecraft.characters import read_shelf
from rolecraft.characters.check import COPIED_RUN, check_shelf
from rolecraft.characters.overlap import shared_runs

CAST = Path(__file__).parents[2] / "characters"
RELEASE = Path(__file__).parents[3] / "shared" / "data" / "roleinstruct"


def lines(release: Path) -> Iterator[str]:
    """Every different line of the release; its keys and braces do no harm."""
    seen: set[int] = set()
    for path in sorted(release.rglob("*")):
        if path.suffix not in (".txt", ".json", ".jsonl"):
            continue
        for line in path.read_text("utf-8", errors="replace").splitlines():
            if hash(line) not in seen:
                seen.add(hash(line))
                yield line.replace("\\n", "")


@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not RELEASE.is_dir(), reason=f"no copy of the RoleInstruct release at {RELEASE}"
)
def test_no_run_is_copied() -> None:
    report = check_shelf(read_shelf(CAST), lines(RELEASE))
    copied = [str(one) for checked in report.characters for one in checked.problems]
    assert copied == []


def test_a_copied_run_is_found_wherever_it_starts() -> None:
    ours = "窗台上那盆仙人掌已经四百天没有任何变化了，我照样每天写一行"
    for before in range(COPIED_RUN + 1):
        corpus = ["，".join("甲乙丙丁戊己庚辛壬癸" * 3)[: 2 * before], "别的话"]
        corpus[0] += ours[3 : 3 + COPIED_RUN + 1]
        assert [position for position, _ in shared_runs(["无关", ours], corpus)] == [1], before
    assert shared_runs([ours], [ours[: COPIED_RUN - 1]], COPIED_RUN) == []

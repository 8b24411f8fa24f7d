"""Nothing in the cast is taken from the published RoleInstruct data.

Runs where a copy of the release lies beside the repository; only letters are compared.
"""

import shutil
from pathlib import Path

import pytest

from rolecraft import __main__ as cli
from rolecraft.characters import read_shelf
from rolecraft.characters.check import COPIED_RUN, check_shelf
from rolecraft.characters.corpus import lines_below
from rolecraft.characters.overlap import shared_runs
from rolecraft.errors import CharacterInvalid

CAST = Path(__file__).parents[2] / "characters"
RELEASE = Path(__file__).parents[3] / "shared" / "data" / "roleinstruct"


@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not RELEASE.is_dir(), reason=f"no copy of the RoleInstruct release at {RELEASE}"
)
def test_no_run_is_copied() -> None:
    report = check_shelf(read_shelf(CAST), lines_below(RELEASE))
    copied = [str(one) for checked in report.characters for one in checked.problems]
    assert copied == []


def test_a_copied_run_is_found_wherever_it_starts() -> None:
    ours = "窗台上那盆仙人掌已经四百天没有任何变化了，我照样每天写一行"
    for before in range(COPIED_RUN + 1):
        corpus = ["，".join("甲乙丙丁戊己庚辛壬癸" * 3)[: 2 * before], "别的话"]
        corpus[0] += ours[3 : 3 + COPIED_RUN + 1]
        assert [position for position, _ in shared_runs(["无关", ours], corpus)] == [1], before
    assert shared_runs([ours], [ours[: COPIED_RUN - 1]], COPIED_RUN) == []


def test_the_command_compares_with_another_collection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = Path(shutil.copytree(CAST / "tao-zi", tmp_path / "shelf" / "tao-zi")).parent
    question = read_shelf(shelf).get("tao-zi").questions[-1]
    other = tmp_path / "other" / "deep"
    other.mkdir(parents=True)
    with pytest.raises(CharacterInvalid, match="holds no file that ends in"):
        lines_below(other)
    (other / "talk.jsonl").write_text(f'{{"said": "他讲：{question.answer}"}}\n', "utf-8")
    assert cli.main(["characters", "check", str(shelf), "--against", str(other.parent)]) == 1
    assert f"questions.jsonl:{question.line}" in capsys.readouterr().out

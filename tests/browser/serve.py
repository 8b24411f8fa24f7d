"""Serves the page for the browser tests: `python serve.py FOLDER MODELS PORT [FLAG]`.

With `two-arms` exactly two engines can answer, `rolecraft-mini` and `second`. With `voices` those
of `tests.tiny.make_voices` can too, eight at once, and `narrow`, the same base one at a time.
With `cast` everybody who ships is there, with card and portrait alone.
"""

import logging
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rolecraft.ui.app import serve_services  # noqa: E402
from tests.tiny import SHELF, VOICES, make_services, voice_arms  # noqa: E402

CAST = Path(__file__).parents[2] / "characters"

REPLIES = (
    "（快乐）你来啦，快进来坐，外面风大得很哩，茶是热的，我刚把灯丝擦了一遍，正想找个人说说话。",
    "（悲伤）雨下了一整天，海上什么也看不见，我数了三遍浪头，心里空落落的，好在灯还亮着。",
    "（兴奋）船来了，船来了，你快看那边，桅杆上还挂着红灯笼哩，走，跟我下去接信。",
)


def cards_of_the_cast(folder: Path) -> Path:
    """A shelf of everybody's card and portrait, which opens without indexing what they say."""
    for card in CAST.glob("*/card.yaml"):
        place = folder / card.parent.name
        place.mkdir(parents=True)
        shutil.copy(card, place)
        shutil.copy(card.with_name("portrait.svg"), place)
    return folder


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    folder, models, port, *more = sys.argv[1:]
    hidden = {"hidden": True}
    arms = {"second": {}, "written": hidden, "broken": hidden} if "two-arms" in more else {}
    bases = {}
    if "voices" in more:
        adapters = sorted(path.name for path in Path(models).glob("voices/adapters/*"))
        bases = {"voices": {**VOICES, "slots": 8}, "narrow": {**VOICES, "slots": 1}}
        arms = {**voice_arms(adapters), "narrow": {"kind": "local", "base": "narrow"}}
    replies = (
        {"second": REPLIES[::-1], "rolecraft-mini": REPLIES} if "two-arms" in more else REPLIES
    )
    shelf = cards_of_the_cast(Path(folder).parent / "cast") if "cast" in more else SHELF
    services = make_services(
        Path(folder), Path(models), replies, pause_s=0.03, shelf=shelf, port=int(port),
        arms=arms, bases=bases, max_queue=3 if bases else 32, rate_per_minute=5000,
        rate_per_hour=50_000,
    )  # fmt: skip
    try:
        serve_services(services)
    finally:
        services.close()

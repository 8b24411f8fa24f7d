"""How many replies a second one app process can show, whatever writes them.

    python -m benchmarks.page_rate [--visitors 32] [--rounds 3] [--json OUT]

The page is the real one, with retrieval and database; the engine says 80 signs, 20 a second, and
costs nothing. A process has one interpreter, so that it shows at most as many replies a second as
fit into a second of CPU time: that is what is told, since other programs disturb it least.
"""

import argparse
import datetime
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "page_rate.json"
TOKENS, A_SECOND = 80, 20


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=TOKENS, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    import torch

    from benchmarks.serving_page import scripted_page

    torch.set_num_threads(1)
    spent = []
    with (
        tempfile.TemporaryDirectory() as folder,
        scripted_page(Path(folder), options.tokens, 1 / A_SECOND, options.visitors) as page,
    ):
        page.say(1)
        page.told.clear()
        for _ in range(options.rounds):
            begun = time.process_time()
            page.say(options.visitors)
            spent.append((time.process_time() - begun) / options.visitors)
        told = [turn for one in page.told for turn in one]
    result = {
        "measured": datetime.date.today().isoformat(),
        "command": f"python -m benchmarks.page_rate --visitors {options.visitors} "
        f"--rounds {options.rounds}",
        "cpu_ms_a_reply": round(statistics.median(spent) * 1000, 1),
        "replies_a_second": round(1 / statistics.median(spent), 1),
        "steps_a_reply": statistics.median(turn["steps"] for turn in told),
    }
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

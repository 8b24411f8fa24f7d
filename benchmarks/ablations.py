"""Puts what `python -m train ablate` found into docs/tuning.md.

    python -m train ablate --config train/configs/ablate_cast.toml
    python -m benchmarks.ablations runs/ablate/cast

Keeps the numbers in `benchmarks/results/`, without the paths of the machine. Measures nothing.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.readme import RESULTS, ROOT, write_block
from train.ablate import page

DOCS = ROOT / "docs" / "tuning.md"


def block(result: Mapping[str, Any]) -> str:
    """The tables, and how large the runs were."""
    config = result["config"]
    tuning = config["tuning"]
    return (
        f"{len(config['seeds'])} seeds, {tuning['max_steps']} steps of "
        f"{tuning['rows_per_step']} rows with {tuning['row_tokens']} tokens; "
        f"{result['held_instructions']} general instructions that no adapter saw.\n\n"
        + page(result)
    )


def main() -> None:
    """Keep the numbers and write the block of the folder's name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="of an ablation that has ended")
    folder = parser.parse_args().folder
    result = json.loads((folder / "results.json").read_text("utf-8"))
    name = f"ablate-{folder.name}"
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(text, "utf-8")
    write_block(DOCS, name, block(result))
    print(block(result))


if __name__ == "__main__":
    main()

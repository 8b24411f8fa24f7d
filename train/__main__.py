"""`python -m train STAGE --config F [--set key=value …]`: runs one stage.

Knows the names of the stages only; each stage's module says what it needs.
"""

import argparse
import importlib
import sys

from rolecraft.errors import RoleCraftError

STAGES = ("tokenizer", "pretrain", "adapter", "encoder")


def main(argv: list[str] | None = None) -> int:
    """Run the named stage; exit 1 with the reason when it cannot."""
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--config", required=True, help="a file of train/configs")
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="overrides")
    args = parser.parse_args(argv)
    stage = importlib.import_module(f"train.{args.stage}")
    try:
        stage.run(stage.Config.read(args.config, args.overrides))
    except RoleCraftError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

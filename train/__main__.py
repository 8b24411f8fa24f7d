"""`python -m train STAGE …`: runs one stage; `python -m train STAGE --help` tells its arguments.

Knows the names of the stages only. A stage that is a recipe has `Config` and `run(config)` and
takes `--config F [--set key=value …]`; any other has `make_parser()` and `main(args)`.
"""

import argparse
import importlib
import sys
from types import ModuleType

from rolecraft.errors import RoleCraftError

STAGES = (
    "importers", "lint", "annotate", "profile", "instruct", "respond", "emotions",
    "tokenizer", "pretrain", "adapter", "preference", "encoder", "ablate", "export",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run the named stage; exit 1 with the reason when it cannot."""
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the stage's own arguments")
    chosen = parser.parse_args(argv)
    stage = importlib.import_module(f"train.{chosen.stage}")
    try:
        if hasattr(stage, "make_parser"):
            return int(stage.main(stage.make_parser().parse_args(chosen.arguments)))
        args = recipe_parser(chosen.stage, stage).parse_args(chosen.arguments)
        stage.run(stage.Config.read(args.config, args.overrides))
    except RoleCraftError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def recipe_parser(name: str, stage: ModuleType) -> argparse.ArgumentParser:
    """The arguments of every stage that is configured by a file."""
    parser = argparse.ArgumentParser(prog=f"python -m train {name}", description=stage.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", required=True, help="a file of train/configs")
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="overrides")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

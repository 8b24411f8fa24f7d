"""One job from the command line: estimate, ask with a progress bar or exchange batch files, report.

The options are the same for every stage that asks. Progress and estimate go to stderr.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rolecraft.conversation import Sampling
from rolecraft.engines.base import Engine
from rolecraft.engines.catalog import CATALOGUE, Catalog, Entry
from rolecraft.engines.openai_compatible import OPENAI
from rolecraft.errors import EngineUnavailable, TrainingError
from rolecraft.settings import Settings
from train.asking import batch
from train.asking.answers import Answers
from train.asking.asker import Asker, Spent
from train.asking.estimate import Estimate, Rates, estimate, open_requests
from train.asking.tasks import OUTCOMES, Model, Settled, Task, settle

SHOWN = 200  # unscored tasks that a report lists with their reasons


@dataclass(frozen=True)
class Done:
    """A finished job: what came of every task, and the counts."""

    settled: tuple[Settled, ...]
    report: dict[str, Any]


def add_options(parser: argparse.ArgumentParser, temperature: float, top_p: float) -> None:
    """The options of every stage that asks; the sampling is the stage's own default."""
    asked = parser.add_argument_group("who is asked, and how")
    asked.add_argument("--engine", default="gpt-4", help="a name from `rolecraft engines`")
    asked.add_argument("--model", metavar="NAME", help="another model of the same server")
    asked.add_argument("--catalogue", type=Path, default=CATALOGUE, help=argparse.SUPPRESS)
    asked.add_argument("--temperature", type=float, default=temperature)
    asked.add_argument("--top-p", type=float, default=top_p)
    asked.add_argument("--max-new-tokens", type=int, default=1500, help="longest answer")
    asked.add_argument("--seed", type=int, default=20261)
    asked.add_argument("--at-once", type=int, default=4, help="requests at the same time")
    asked.add_argument("--retries", type=int, default=4, help="after a failure, with jitter")
    asked.add_argument(
        "--answers", type=Path, default=Path("runs/answers"), metavar="DIR",
        help="where answers are kept, so that none is paid for twice",
    )  # fmt: skip
    before = parser.add_argument_group("before it starts")
    before.add_argument("--estimate", action="store_true", help="only say what it would take")
    before.add_argument(
        "--pilot", type=int, metavar="N", help="ask N tasks, then estimate the rest"
    )
    before.add_argument("--price-in", type=float, help="of a million prompt tokens")
    before.add_argument("--price-out", type=float, help="of a million answer tokens")
    before.add_argument("--tokens-per-character", type=float)
    before.add_argument("--reply-tokens", type=float, help="of a typical answer")
    before.add_argument("--seconds-per-answer", type=float)
    before.add_argument("--max-cost", type=float, help="stop before this much is spent")
    large = parser.add_argument_group("large jobs, by the OpenAI Batch API")
    large.add_argument("--batch-export", type=Path, metavar="FILE", help="write the requests")
    large.add_argument(
        "--batch-import", type=Path, nargs="+", metavar="FILE", help="read the answers; ask nothing"
    )


def sampling_of(args: argparse.Namespace, seed: int | None = None) -> Sampling:
    """The sampling that the options state."""
    try:
        return Sampling(
            args.temperature, args.top_p, args.max_new_tokens,
            seed=args.seed if seed is None else seed,
        )  # fmt: skip
    except ValueError as error:
        raise TrainingError(f"The sampling cannot be used: {error}") from error


def work(tasks: Sequence[Task], args: argparse.Namespace) -> Done | None:
    """Carry the tasks out; None when only an estimate, a pilot or a batch's file was wanted.

    Raises TrainingError when tasks were left or failed: nothing of the stage is written then, and
    the same command goes on from the answers that are kept.
    """
    job = Job(args)
    found = job.estimate(tasks)
    _tell(found, job.rates)
    if args.estimate:
        return None
    if args.batch_import:
        requests = open_requests(tasks, job.model, job.answers)
        counts = batch.take_in(args.batch_import, requests, job.answers)
        _say(", ".join(f"{count:,} {what}" for what, count in counts.items()) or "empty files")
    if args.batch_export:
        job.export(tasks, args.batch_export)
        return None
    if args.batch_import:
        settled = [_without_asking(task, job) for task in tasks]
        spent = Spent()
    else:
        chosen = tasks if args.pilot is None else _spread(tasks, args.pilot)
        settled, spent = job.ask(chosen, found)
        if args.pilot is not None:
            _tell(job.estimate(tasks), job.rates)
            return None
    report = job.report(settled, spent)
    _complete(report, settled, args.answers)
    return Done(tuple(settled), report)


class Job:
    """The engine, the model's name and the answers that the options name."""

    def __init__(self, args: argparse.Namespace) -> None:
        if args.at_once < 1 or args.retries < 0:
            raise TrainingError("--at-once is at least 1 and --retries at least 0.")
        self.args = args
        self.settings = Settings.from_environment()
        self.catalog = Catalog(self.settings, args.catalogue)
        self.entry: Entry = self.catalog.entry(args.engine)
        self.answers = Answers(args.answers)
        self.rates = Rates(
            args.price_in, args.price_out, args.tokens_per_character, args.reply_tokens,
            args.seconds_per_answer, args.at_once,
        )  # fmt: skip
        if args.max_cost is not None and None in (args.price_in, args.price_out):
            raise TrainingError("--max-cost needs --price-in and --price-out to count by.")
        self.model = self._model()

    def _model(self) -> Model:
        entry, args = self.entry, self.args
        if entry.card.kind == "openai_compatible":
            server = self.settings.openai_base_url or OPENAI
            return Model(args.engine, args.model or entry.model, server)
        if args.model:
            raise TrainingError(f"--model is for servers; {args.engine} is no server.")
        if entry.card.kind != "local":
            return Model(args.engine, args.engine)
        if not entry.card.available:
            raise EngineUnavailable(f"{args.engine} cannot answer here: {entry.card.remedy}")
        from rolecraft.engines.chatglm3 import weights_sha256

        weights = " ".join(map(weights_sha256, self.catalog.folders(args.engine)))
        return Model(args.engine, args.engine, weights=weights)

    def engine(self) -> Engine:
        """The engine, opened."""
        return self.catalog.open(self.args.engine)

    def estimate(self, tasks: Sequence[Task]) -> Estimate:
        """What is left to do."""
        count = None
        if self.entry.card.kind == "local":
            count = getattr(self.engine(), "count", None)
        return estimate(tasks, self.model, self.answers, self.rates, count)

    def export(self, tasks: Sequence[Task], path: Path) -> None:
        """Write what is to be asked as files for a batch."""
        if self.entry.card.kind != "openai_compatible":
            raise TrainingError(
                f"Batches are for OpenAI-compatible servers, not {self.args.engine}"
            )
        requests = open_requests(tasks, self.model, self.answers)
        if not requests:
            _say("Nothing to ask: every task has its answer. Run without --batch-export.")
            return
        for file in batch.export(requests, path):
            _say(f"{file}: upload it as a batch, then come back with --batch-import OUTPUT")

    def ask(self, tasks: Sequence[Task], before: Estimate) -> tuple[list[Settled], Spent]:
        """Ask with a progress bar."""
        if not before.requests:
            return [_without_asking(task, self) for task in tasks], Spent()
        args = self.args
        counts: Counter[str] = Counter()
        with tqdm(total=len(tasks), unit="task", file=sys.stderr, mininterval=0.5) as bar:

            def progress(settled: Settled, spent: Spent) -> None:
                counts[settled.outcome] += 1
                cost = self.cost(spent)
                shown: dict[str, object] = {n: counts[n] for n in OUTCOMES[1:] if counts[n]}
                shown |= {"retries": spent.retries} if spent.retries else {}
                bar.set_postfix(shown | ({} if cost is None else {"cost": f"{cost:.2f}"}))
                bar.update()

            asker = Asker(
                self.engine(), self.model, self.answers,
                at_once=min(args.at_once, max(len(tasks), 1)), retries=args.retries,
                adapter=args.model, stop=self._spent_enough, progress=progress,
                rng=random.Random(),
            )  # fmt: skip
            try:
                return asker.ask(tasks), asker.spent
            except KeyboardInterrupt:
                raise TrainingError(
                    f"Stopped. {asker.spent.requests} answers came and are kept in {args.answers}; "
                    "the same command goes on."
                ) from None

    def cost(self, spent: Spent) -> float | None:
        """The price of what was answered, as stated."""
        return self.rates.cost(spent.prompt_tokens, spent.reply_tokens)

    def _spent_enough(self, spent: Spent) -> bool:
        cost, most = self.cost(spent), self.args.max_cost
        return most is not None and cost is not None and cost >= most

    def report(self, settled: Sequence[Settled], spent: Spent) -> dict[str, Any]:
        """Counts that add up: tasks = valid + repaired + unscored + failed + left."""
        outcomes = Counter(one.outcome for one in settled)
        given = [answer for one in settled for answer in one.answers]
        unscored = [one for one in settled if one.outcome == "unscored"]
        return {
            "engine": self.args.engine,
            "model": self.model.name,
            "sampling": asdict(sampling_of(self.args)),
            "tasks": {"in": len(settled), **{name: outcomes[name] for name in OUTCOMES}},
            "answers": {
                "used": len(given),
                "prompt_tokens": sum(one.prompt_tokens for one in given),
                "reply_tokens": sum(one.reply_tokens for one in given),
                "asked_in_this_run": spent.requests,
                "retries": spent.retries,
                "cost_of_this_run": self.cost(spent),
            },
            "unscored": [{"task": one.task.id, "reason": one.reason} for one in unscored[:SHOWN]],
        }


def _without_asking(task: Task, job: Job) -> Settled:
    found = settle(task, job.model, job.answers)
    return found if isinstance(found, Settled) else Settled(task, "left")


def _spread(tasks: Sequence[Task], number: int) -> list[Task]:
    """So many tasks, evenly from the whole job."""
    if number < 1:
        raise TrainingError(f"--pilot {number}: ask at least 1.")
    step = max(len(tasks) / number, 1)
    return [tasks[int(n * step)] for n in range(min(number, len(tasks)))]


def _complete(report: dict[str, Any], settled: Sequence[Settled], folder: Path) -> None:
    """Raise when a task has no outcome yet."""
    missing = report["tasks"]["left"] + report["tasks"]["failed"]
    if not missing:
        return
    reason = next((one.reason for one in settled if one.outcome == "failed"), "")
    raise TrainingError(
        f"{missing} of {len(settled)} tasks have no answer yet; nothing was written. The answers "
        f"that came are kept in {folder}: the same command goes on from there."
        + (f" The engine said: {reason}" if reason else "")
    )


def _tell(found: Estimate, rates: Rates) -> None:
    for line in found.lines(rates):
        _say(line)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

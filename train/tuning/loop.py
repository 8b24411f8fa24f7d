"""The loop of a tuning: rows in, matrices out, with checkpoints, validation and a live line.

A loop of our own: transformers' Trainer knows neither rows that share a persona nor the place in a
composed stream, and `benchmarks/tuning.py` measures what it costs beside this.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train.documents import IGNORED, Rows
from train.pretrain import Gradients, rate_scale, summed_loss
from train.tuning import checkpoint, memory
from train.tuning.checkpoint import Progress
from train.tuning.config import Config
from train.tuning.feed import Feed
from train.tuning.processes import Processes


class Loop:
    """Tunes the adapter that is injected into `model`."""

    def __init__(
        self,
        config: Config,
        model: Any,
        feed: Feed,
        processes: Processes,
        origin: dict[str, Any],
    ) -> None:
        self.config, self.model, self.feed = config, model, feed
        self.processes, self.origin = processes, origin
        self.learnt = [one for one in model.parameters() if one.requires_grad]
        betas = (config.adam_beta1, config.adam_beta2)
        self.optimizer = torch.optim.AdamW(
            self.learnt, config.learning_rate, betas=betas, weight_decay=0.0
        )
        self.work = Path(config.work_dir)
        self.work.mkdir(parents=True, exist_ok=True)
        self.progress = checkpoint.load(self.work, model, self.optimizer, feed, origin)
        if config.shard:
            processes.shard(model)
        self.gradients = Gradients(model, config.workers, config.bf16)
        self.validation = feed.validation() if config.validation_every else []

    def run(self) -> Progress:
        """Tune to the end, or until validation says so; the best matrices are then in place."""
        self.begun = time.monotonic() - self.progress.seconds
        saved = time.monotonic()
        with memory.named(self.config), self._reports() as report:
            while self.progress.step < self.config.max_steps and not self.progress.stopped:
                report(self._step())
                due = time.monotonic() - saved > self.config.save_seconds
                if due or (self.config.save_steps and not self._left(self.config.save_steps)):
                    self._save()
                    saved = time.monotonic()
        self._save()
        if self.progress.best:
            from peft import set_peft_model_state_dict

            set_peft_model_state_dict(self.model, self.progress.best)
        return self.progress

    def _step(self) -> dict[str, float]:
        config, progress, begun = self.config, self.progress, time.monotonic()
        batches = self.processes.share(self.feed.step())
        loss, learnt = self.processes.sum(*self.gradients.add(batches))
        self.processes.sum_gradients(self.learnt)
        for one in self.learnt:
            if one.grad is not None:
                one.grad.mul_(1 / max(1.0, learnt))
        norm = torch.nn.utils.clip_grad_norm_(self.learnt, 1.0)
        scale = rate_scale(progress.step, config.max_steps, config.warmup_steps, config.decay_share)
        self.optimizer.param_groups[0]["lr"] = config.learning_rate * scale
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        progress.losses = [*progress.losses, loss / max(1.0, learnt)][-20:]
        (read,) = self.processes.sum(sum(real_tokens(rows) for rows in batches))
        progress.tokens += int(read)
        told = {
            "train/loss": loss / max(1.0, learnt),
            "train/gradient_norm": float(norm),
            "train/learning_rate": config.learning_rate * scale,
            "train/tokens_per_second": read / (time.monotonic() - begun),
        }
        if config.validation_every and not self._left(config.validation_every):
            told["validation/loss"] = self._validate()
        return told

    def _left(self, every: int) -> int:
        return self.progress.step % every

    @torch.no_grad()
    def _validate(self) -> float:
        self.model.eval()
        total = learnt = 0.0
        for rows in self.validation:
            total += float(summed_loss(self.model, rows))
            learnt += int((rows.labels != IGNORED).sum())
        self.model.train()
        loss, progress = total / max(1.0, learnt), self.progress
        if loss < progress.best_loss:
            progress.best_loss, progress.best_step, progress.bad = loss, progress.step, 0
            progress.best = checkpoint.matrices(self.model)
        else:
            progress.bad += 1
            progress.stopped = progress.bad >= self.config.patience
        return loss

    def _save(self) -> None:
        self.progress.seconds = time.monotonic() - self.begun
        if self.processes.first:
            checkpoint.save(
                self.work, self.model, self.optimizer, self.progress, self.feed.state(), self.origin
            )
        self.processes.wait()

    @contextmanager
    def _reports(self) -> Iterator[Any]:
        """A line in the terminal and curves for TensorBoard, by the first process alone."""
        if not self.processes.first:
            yield lambda told: None
            return
        from tensorboardX import SummaryWriter
        from tqdm import tqdm

        start = self.progress.step
        bar = tqdm(initial=start, total=self.config.max_steps, unit="step", mininterval=1)
        folder = str(self.work / "tensorboard")
        with SummaryWriter(folder, purge_step=start + 1 if start else None) as curves, bar:

            def report(told: dict[str, float]) -> None:
                for name, value in told.items():
                    curves.add_scalar(name, value, self.progress.step)
                bar.set_postfix_str(self._line(told), refresh=False)
                bar.update()

            yield report

    def _line(self, told: dict[str, float]) -> str:
        recent = self.progress.losses
        parts = [
            f"loss {sum(recent) / len(recent):.3f}",
            f"{told['train/tokens_per_second']:.0f} tokens/s",
        ]
        if self.progress.best:
            parts.append(f"validation {self.progress.best_loss:.3f} at {self.progress.best_step}")
        return ", ".join(parts)


def real_tokens(rows: Rows) -> int:
    """Tokens of samples, without the padding at the ends of rows."""
    return int(np.count_nonzero(rows.input_ids))

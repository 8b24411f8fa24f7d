"""Pretrains the mini GLM from scratch, in phases, resumable at any step.

    python -m train pretrain --config train/configs/pretrain_language.toml
    python -m train pretrain --config train/configs/pretrain_dialogue.toml

The architecture is ChatGLM3's (transformers' native Glm). Checkpoints lie in `output_dir` outside
git; a finished phase is what the next one starts from (`init_from`), or a folder of finished
weights. The next one may share one table between embedding and head, or have more key-value heads.

A phase that was killed and is started again reads the very rows that it would have read: weights,
optimizers, random numbers, the place in every source and the documents that wait to be packed are
in the checkpoint. With `workers = 1` its weights are then bit by bit those of a phase in one piece
(one machine, CPU). With more, whichever thread is free takes the next micro-batch, so gradients
are added up in another order and the last bits differ from run to run, killed or not. From a
checkpoint that holds no place, or one of other sources, the weights go on and the reading begins
anew. `seconds` is the time of the runs as far as they were saved.
"""

import dataclasses
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from train.config import StageConfig
from train.documents import IGNORED, Rows
from train.feed import Feed
from train.sources import Sources


@dataclasses.dataclass(frozen=True)
class Config(StageConfig):
    """`sources` maps a corpus name (or "imagined", "cast", "recall") to its share of documents."""

    tokenizer: str = "models/mini/tokenizer.model"
    corpora_dir: str = "corpora"
    sources: dict[str, float] = dataclasses.field(default_factory=dict)
    init_from: str = ""
    hidden_size: int = 320
    num_hidden_layers: int = 6
    intermediate_size: int = 896
    num_attention_heads: int = 5
    num_key_value_heads: int = 1
    tie_word_embeddings: bool = False
    vocab_size: int = 8064
    total_tokens: int = 4_000_000
    row_tokens: int = 512
    rows_per_step: int = 16
    rows_per_microbatch: int = 4
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 0.02
    warmup_steps: int = 30
    decay_share: float = 0.0
    max_reply: int = 80
    workers: int = 2
    bf16: bool = False  # autocast: twice as fast where the processor multiplies it (AVX-512 BF16)
    save_seconds: int = 300
    save_steps: int = 0
    publish: str = ""  # folder for the finished weights, fp16, with the tokeniser


def build_model(config: Config) -> Any:
    """A freshly initialised GlmForCausalLM of the configured size, float32."""
    import torch
    from transformers import GlmConfig, GlmForCausalLM

    torch.manual_seed(config.seed)
    glm = GlmConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=config.hidden_size // config.num_attention_heads,
        max_position_embeddings=2048,
        rms_norm_eps=1e-5,
        attention_bias=True,
        tie_word_embeddings=config.tie_word_embeddings,
        pad_token_id=0,
        eos_token_id=2,
    )
    return GlmForCausalLM(glm)


class Optimizers:
    """Muon for the matrices inside the layers, AdamW for embeddings, head and vectors."""

    def __init__(self, model: Any, config: Config) -> None:
        import torch

        from train.muon import Muon

        matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and ".layers." in n]
        others = [p for n, p in model.named_parameters() if p.ndim != 2 or ".layers." not in n]
        self.parts = [
            Muon(matrices, config.matrix_learning_rate, weight_decay=0.01, threads=config.workers),
            torch.optim.AdamW(others, config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.rates = [part.param_groups[0]["lr"] for part in self.parts]

    def step(self, scale: float) -> None:
        """One update at `scale` times the configured rates."""
        for part, rate in zip(self.parts, self.rates, strict=True):
            part.param_groups[0]["lr"] = rate * scale
            part.step()
            part.zero_grad(set_to_none=True)


class Gradients:
    """Accumulates gradients of micro-batches on several threads, each with one core.

    Replicas share the parameters' memory and keep gradients of their own; micro-batches go to
    whichever thread is free, so that a busy core slows the step instead of stalling it.
    """

    def __init__(self, model: Any, workers: int, bf16: bool = False) -> None:
        import copy

        self.model, self.bf16 = model, bf16
        self.replicas = [model]
        for _ in range(workers - 1):
            replica = copy.deepcopy(model)
            for mine, theirs in zip(replica.parameters(), model.parameters(), strict=True):
                mine.data = theirs.data
            self.replicas.append(replica)
        self.pool = ThreadPoolExecutor(workers)

    def accumulate(self, batches: list[Rows]) -> tuple[float, int]:
        """Mean loss over the learnt tokens of all batches, and their number."""
        total, learnt = self.add(batches)
        self.scale(1 / max(1, learnt))
        return total / max(1, learnt), learnt

    def add(self, batches: list[Rows]) -> tuple[float, int]:
        """Gradients of the summed loss; returns that loss and the number of learnt tokens.

        They are scaled afterwards: a 16-bit base would lose the small ones on the way.
        """
        learnt = sum(int((rows.labels != IGNORED).sum()) for rows in batches)
        waiting = iter(batches)
        losses = self.pool.map(lambda replica: self._work(replica, waiting), self.replicas)
        total = sum(losses)
        for replica in self.replicas[1:]:
            for mine, theirs in zip(replica.parameters(), self.model.parameters(), strict=True):
                if mine.grad is not None:
                    theirs.grad = mine.grad if theirs.grad is None else theirs.grad + mine.grad
                    mine.grad = None
        return total, learnt

    def scale(self, factor: float) -> None:
        """Multiply every gradient."""
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(factor)

    def _work(self, replica: Any, waiting: Iterator[Rows]) -> float:
        import torch

        total = 0.0
        for rows in waiting:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                loss = summed_loss(replica, rows)
            loss.backward()
            total += loss.item()
        return total


def summed_loss(model: Any, rows: Rows) -> Any:
    """Cross entropy summed over learnt tokens; the head runs on those alone.

    Positions that restart keep packed samples apart; rows that share personas bring a mask.
    """
    import torch

    from train.tuning import attention

    device = model.lm_head.weight.device
    labels = torch.from_numpy(rows.labels).to(device)
    if attention.serves(model, rows):
        given, labels = attention.inputs(rows), labels.reshape(1, -1)
    else:
        given = {
            "input_ids": torch.from_numpy(rows.input_ids),
            "position_ids": torch.from_numpy(rows.position_ids),
            "attention_mask": None if rows.mask is None else torch.from_numpy(rows.mask),
        }
    given = {k: v.to(device) if torch.is_tensor(v) else v for k, v in given.items()}
    keep = labels != IGNORED
    hidden = model.model(**given, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[keep]).float()
    return torch.nn.functional.cross_entropy(logits, labels[keep], reduction="sum")


def rate_scale(step: int, steps: int, warmup: int, decay_share: float) -> float:
    """Warm-up, plateau, then linear decay to zero over the last `decay_share` of the steps."""
    rising = min(1.0, (step + 1) / max(1, warmup))
    decay_steps = steps * decay_share
    falling = min(1.0, (steps - step) / decay_steps) if decay_steps else 1.0
    return rising * falling


def run(config: Config) -> Path:
    """Train to `total_tokens`; returns the folder of the finished weights."""
    import torch
    from tqdm import tqdm

    from train.tuning import attention

    torch.set_num_threads(1)
    output = Path(config.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    model = build_model(config)
    attention.use(model)
    optimizers = Optimizers(model, config)
    start, spent, place = _resume(output, config, model, optimizers)
    feed = _feed(config, start, place)
    _forget_metrics(output, start)
    gradients = Gradients(model, config.workers, config.bf16)
    per_step = config.rows_per_step * config.row_tokens
    steps = config.total_tokens // per_step
    warmup = 5 if config.init_from else config.warmup_steps
    saved, begun = time.monotonic(), time.monotonic()
    bar = tqdm(range(start, steps), initial=start, total=steps, unit="step", mininterval=5)
    for step in bar:
        loss, learnt = gradients.accumulate(feed.step())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizers.step(rate_scale(step, steps, warmup, config.decay_share))
        bar.set_postfix(loss=f"{loss:.3f}", learnt=learnt)
        with (output / "metrics.jsonl").open("a") as log:
            entry = {"step": step, "loss": round(loss, 4), "tokens": (step + 1) * per_step}
            log.write(
                json.dumps(entry | {"seconds": round(spent + time.monotonic() - begun, 1)}) + "\n"
            )
        due = time.monotonic() - saved > config.save_seconds
        if due or (config.save_steps and (step + 1) % config.save_steps == 0):
            _save(output, model, optimizers, feed, step + 1, spent + time.monotonic() - begun)
            saved = time.monotonic()
    _save(output, model, optimizers, feed, max(start, steps), spent + time.monotonic() - begun)
    if config.publish:
        from rolecraft.engines.chatglm3 import save_native

        save_native(model, config.tokenizer, config.publish, "fp16")
    return output


def _feed(config: Config, start: int, place: dict[str, Any] | None) -> Feed:
    """The rows from `place` on; from a beginning of their own where it does not fit."""
    sources = Sources(
        config.sources, Path(config.corpora_dir), config.tokenizer, config.max_reply, config.seed,
        begin=str(start) if start else "",
    )  # fmt: skip
    feed = Feed(sources, config.row_tokens, config.rows_per_step, config.rows_per_microbatch)
    if place is not None and sources.is_of_these(place["mix"]):
        feed.restore(place)
    return feed


def _forget_metrics(output: Path, start: int) -> None:
    """Take out the steps behind the checkpoint, which are made once more."""
    path = output / "metrics.jsonl"
    if not path.exists():
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] < start]
    path.with_suffix(".new").write_text("".join(kept), "utf-8")
    path.with_suffix(".new").replace(path)


def _save(
    output: Path, model: Any, optimizers: Optimizers, feed: Feed, step: int, seconds: float
) -> None:
    import torch

    state = {
        "model": model.state_dict(),
        "optimizers": [part.state_dict() for part in optimizers.parts],
        "step": step,
        "seconds": seconds,
        "place": feed.state(),
    }
    with (output / "checkpoint.new").open("wb") as file:
        torch.save(state, file)
    (output / "checkpoint.new").replace(output / "checkpoint.pt")


def _resume(
    output: Path, config: Config, model: Any, optimizers: Optimizers
) -> tuple[int, float, dict[str, Any] | None]:
    """Load this phase's checkpoint, else the previous phase's weights and optimizer state.

    Returns the step, the seconds spent and the place in the data, where the checkpoint holds it.
    """
    import torch

    own, previous = output / "checkpoint.pt", Path(config.init_from) / "checkpoint.pt"
    if not own.exists() and not config.init_from:
        return 0, 0.0, None
    if not own.exists() and not previous.exists():
        from safetensors.torch import load_file

        weights = load_file(Path(config.init_from) / "model.safetensors")
        model.load_state_dict(grown(weights, model))
        return 0, 0.0, None
    state = torch.load(own if own.exists() else previous, weights_only=True)
    fitting = grown(state["model"], model)
    model.load_state_dict(fitting)
    if all(state["model"][name] is tensor for name, tensor in fitting.items()):
        for part, saved in zip(optimizers.parts, state["optimizers"], strict=True):
            part.load_state_dict(saved)
    if not own.exists():
        return 0, 0.0, None
    return state["step"], state["seconds"], state.get("place")


def grown(weights: dict[str, Any], model: Any) -> dict[str, Any]:
    """`weights` as `model` takes them: key-value heads repeated, one table for words if it ties.

    Repeated heads compute what they did. Of the two tables the head's stays: what the layers write
    is read by it, and what they read they learn anew within a million tokens.
    """
    wanted, found = model.state_dict(), dict(weights)
    if model.config.tie_word_embeddings:
        found.setdefault("lm_head.weight", found["model.embed_tokens.weight"])
        found["model.embed_tokens.weight"] = found["lm_head.weight"]
    width = model.config.head_dim
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            heads = tensor.unflatten(0, (-1, width))
            more = wanted[name].shape[0] // tensor.shape[0]
            found[name] = heads.repeat_interleave(more, 0).flatten(0, 1)
    return found

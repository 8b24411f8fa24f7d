"""Measures an adapter's tuning on one core and prints ratios: packing, sharing, our loop, resuming.

    python -m benchmarks.tuning [--repeats 5] [--without-importers]

Variants take turns in one run and work on the same samples; a figure is the ratio of the medians
of their processor seconds, so that another program on the machine does not count. The model has
random weights: what it computes does not depend on them.
"""

import argparse
import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from train.documents import IGNORED, Document, Rows, pack

RESULT = Path(__file__).parent / "results" / "tuning.json"
BARS = {"packed": 2.0, "shared": 3.5}
BATCH = 8  # samples of a padded batch
PACK, SHARED_PACK = 384, 1024  # tokens of a row; more pays on a GPU only
QUANTILES = ((0, 24), (0.01, 33), (0.05, 41), (0.25, 54), (0.5, 71), (0.75, 115), (0.95, 203),
             (0.99, 365))  # fmt: skip
PERSONA = 260  # tokens
ROWS = 4  # of a batch
STEP_ROWS = 4


def lengths(rng: random.Random, count: int) -> list[int]:
    """Lengths like those of the published general questions with their replies.

    Drawn between the quantiles that the mini's tokeniser finds there; the longest percent is left
    out, which the limits of a tuning cut anyway.
    """
    shares, tokens = zip(*QUANTILES, strict=True)
    return [
        round(float(np.interp(rng.random() * shares[-1], shares, tokens))) for _ in range(count)
    ]


def sample(rng: random.Random, length: int, persona: Sequence[int] = ()) -> Document:
    """A sample of random ids, the last half of which is learnt.

    Published questions have 27.7 characters, their replies 33.3, and the format eleven tokens.
    """
    own = [rng.randrange(10, 8000) for _ in range(length)]
    learnt = [False] * (len(persona) + length - length // 2) + [True] * (length // 2)
    ids = np.array([*persona, *own], np.int32)
    return Document(ids, np.array(learnt), len(persona))


def tuned_model() -> Any:
    """A GLM of nine million parameters with LoRA r 8 on its queries, keys and values.

    As `train.adapter.prepared` makes it; only rows that are packed are attended to by sample.
    """
    from peft import LoraConfig, inject_adapter_in_model

    from train.pretrain import Config, build_model
    from train.tuning import attention

    sizes = Config(
        output_dir="", hidden_size=256, num_hidden_layers=6, intermediate_size=768,
        num_attention_heads=4, vocab_size=8064,
    )  # fmt: skip
    model = build_model(sizes)
    model.requires_grad_(False)
    targets = ["q_proj", "k_proj", "v_proj"]
    inject_adapter_in_model(LoraConfig(r=8, lora_alpha=32, target_modules=targets), model)
    attention.use(model)
    return model.train()


def plain_loss(model: Any, rows: Rows) -> Any:
    """The plain way: an attention mask for the padding, logits at every position."""
    import torch

    ids, labels = torch.from_numpy(rows.input_ids), torch.from_numpy(rows.labels)
    logits = model(input_ids=ids, attention_mask=(ids != 0).long(), use_cache=False).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def seconds(model: Any, batches: Sequence[Rows], loss: Callable[[Any, Rows], Any]) -> float:
    """Processor seconds of forward and backward over all batches."""
    begun = time.process_time()
    for rows in batches:
        loss(model, rows).backward()
    model.zero_grad(set_to_none=True)
    return time.process_time() - begun


def medians(
    model: Any, variants: Mapping[str, tuple[Sequence[Rows], Callable[..., Any]]], repeats: int
) -> dict[str, float]:
    """Median seconds of each variant; they take turns."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(repeats + 1):
        for name, (batches, loss) in variants.items():
            took = seconds(model, batches if turn else batches[:1], loss)
            if turn:  # the first one warms up
                found[name].append(took)
    return {name: statistics.median(times) for name, times in found.items()}


def in_batches(documents: Sequence[Document]) -> Iterator[Rows]:
    """Padded batches in the order of the samples."""
    from train.tuning.packing import padded

    for start in range(0, len(documents), BATCH):
        yield padded(documents[start : start + BATCH])


def together(rows: Iterator[Rows]) -> Iterator[Rows]:
    """Rows in batches of `ROWS`."""
    from train.documents import join_rows

    while first := next(rows, None):
        yield join_rows(itertools.chain([first], rows), ROWS)


def packing(model: Any, repeats: int, count: int = 96) -> dict[str, Any]:
    """Real tokens a second, packed against padded."""
    from train.pretrain import summed_loss

    rng = random.Random(1)
    documents = [sample(rng, length) for length in lengths(rng, count)]
    packed = list(together(pack(iter(documents), PACK, rng)))
    padded = list(in_batches(documents))
    took = medians(
        model,
        {
            "padded": (padded, plain_loss),
            "packed": (packed, summed_loss),
        },
        repeats,
    )
    tokens = sum(map(len, documents))
    return {
        "tokens": tokens,
        "slots": {
            "padded": sum(rows.input_ids.size for rows in padded),
            "packed": sum(rows.input_ids.size for rows in packed),
        },
        "tokens_per_second": {name: round(tokens / time) for name, time in took.items()},
        "ratio": round(took["padded"] / took["packed"], 2),
    }


def sharing(model: Any, repeats: int, count: int = 64) -> dict[str, Any]:
    """Samples a second with one persona, shared against padded and against ordinary packing."""
    from train.pretrain import summed_loss
    from train.tuning.packing import pack_shared

    rng = random.Random(2)
    persona = [rng.randrange(10, 8000) for _ in range(PERSONA)]
    documents = [sample(rng, rng.randint(30, 60), persona) for _ in range(count)]
    shared = list(pack_shared(iter(documents), SHARED_PACK))
    took = medians(
        model,
        {
            "padded": (list(in_batches(documents)), plain_loss),
            "packed": (list(together(pack(iter(documents), PACK, rng))), summed_loss),
            "shared": (shared, summed_loss),
        },
        repeats,
    )
    return {
        "samples_per_second": {name: round(count / time, 1) for name, time in took.items()},
        "ratio": round(took["padded"] / took["shared"], 2),
        "ratio_to_packed": round(took["packed"] / took["shared"], 2),
    }


def against_trainer(repeats: int, steps: int = 6) -> dict[str, Any]:
    """The same packed rows, in our loop and in transformers' Trainer."""
    rng = random.Random(3)
    endless = (sample(rng, length) for length in lengths(rng, 10_000))
    rows = pack(endless, PACK, rng)
    batches = [next(rows) for _ in range(steps * STEP_ROWS)]
    found: dict[str, list[float]] = {"ours": [], "trainer": []}
    for _ in range(repeats):
        found["ours"].append(_our_loop(batches))
        found["trainer"].append(_trainer(batches))
    took = {name: statistics.median(times) for name, times in found.items()}
    return {
        "tokens_per_second": {
            name: round((len(batches) - STEP_ROWS) * PACK / time) for name, time in took.items()
        },
        "ratio": round(took["trainer"] / took["ours"], 2),
    }


def _our_loop(batches: Sequence[Rows]) -> float:
    """Processor seconds of all steps but the first."""
    import torch

    from train.pretrain import Gradients

    model = tuned_model()
    learnt = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(learnt, 2e-4, weight_decay=0.0)
    gradients = Gradients(model, 1)
    begun = 0.0
    for start in range(0, len(batches), STEP_ROWS):
        gradients.accumulate(list(batches[start : start + STEP_ROWS]))
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        begun = begun or time.process_time()
    return time.process_time() - begun


def _trainer(batches: Sequence[Rows]) -> float:
    """The same by transformers' Trainer: rows with positions, labels not yet shifted."""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):  # type: ignore[misc]
        begun = 0.0

        def on_step_end(self, *args: Any, **more: Any) -> None:
            self.begun = self.begun or time.process_time()

    def example(rows: Rows) -> dict[str, Any]:
        labels = np.full_like(rows.labels[0], IGNORED)
        labels[1:] = rows.labels[0][:-1]
        held = {
            "input_ids": rows.input_ids[0],
            "labels": labels,
            "position_ids": rows.position_ids[0],
        }
        return {name: torch.from_numpy(value) for name, value in held.items()}

    clock, model = Clock(), tuned_model()
    model.config._attn_implementation = "sdpa"  # what the Trainer has of its own
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder, max_steps=len(batches) // STEP_ROWS, per_device_train_batch_size=1,
            gradient_accumulation_steps=STEP_ROWS, learning_rate=2e-4, use_cpu=True,
            report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
            remove_unused_columns=False,
        )  # fmt: skip
        trainer = Trainer(
            model, settings, train_dataset=[example(rows) for rows in batches],
            callbacks=[clock],
        )  # fmt: skip
        trainer.train()
    return time.process_time() - clock.begun


def resumed() -> float:
    """The largest difference between a run in two parts and one without a pause."""
    from safetensors.torch import load_file

    from rolecraft.engines.chatglm3 import save_native
    from train import adapter
    from train.pretrain import Config as BaseConfig
    from train.pretrain import build_model
    from train.tuning.config import Config

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sizes = BaseConfig(
            output_dir="", hidden_size=64, num_hidden_layers=2, intermediate_size=128,
            num_attention_heads=2,
        )  # fmt: skip
        base = save_native(build_model(sizes), sizes.tokenizer, root / "base", "fp32")

        def run(name: str, steps: int) -> Path:
            return adapter.run(
                Config(
                    output_dir=str(root / name / "adapter"),
                    work_dir=str(root / name / "work"),
                    base=str(base),
                    sources={"general": 0.5, "specific": 0.5},
                    lora_dropout=0.1,
                    max_steps=steps,
                    decay_share=0.0,
                    packing="shared",
                    pool=64,
                    probe_characters=0,
                )  # fmt: skip
            )

        run("parts", 3)
        one, two = (
            load_file(run(name, 6) / "adapter_model.safetensors") for name in ("parts", "whole")
        )
        return max(float((one[name] - two[name]).abs().max()) for name in one)


def importing() -> dict[str, Any]:
    """Import and lint of a release of sixteen characters, in processes of their own."""
    from benchmarks.importers import invent, measured

    with tempfile.TemporaryDirectory() as place:
        invent(Path(place) / "release", random.Random(20261))
        result = measured(Path(place) / "release", Path(place) / "out")
    return {"seconds": result["seconds"], "megabytes": result["megabytes"], "bars": result["bars"]}


def table(result: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The lines to print, and whether every bar was reached."""
    lines, reached = [f"{'':52}{'measured':>10}{'bar':>10}"], True

    def line(label: str, value: float, shown: str, bar: float, least: bool) -> None:
        nonlocal reached
        kept = value >= bar if least else value <= bar
        reached = reached and kept
        sign = ">=" if least else "<="
        lines.append(f"{label:52}{shown:>10}{f'{sign} {bar:g}':>10}{'' if kept else '  missed'}")

    ratio = result["packing"]["ratio"]
    line("real tokens a second, packed / padded", ratio, f"x{ratio}", BARS["packed"], True)
    ratio = result["sharing"]["ratio"]
    label = f"samples a second, persona of {PERSONA} shared / padded"
    line(label, ratio, f"x{ratio}", BARS["shared"], True)
    ratio = result["trainer"]["ratio"]
    lines.append(f"{'tokens a second, our loop / transformers Trainer':52}{f'x{ratio}':>10}")
    gap = result["resumed"]
    line("largest difference, resumed - uninterrupted", gap, f"{gap:g}", 0, False)
    if "importers" in result:
        told = result["importers"]
        for key, unit in (("seconds", "s"), ("megabytes", "MB")):
            shown = f"{told[key]:g} {unit}"
            line("import and lint of 16 characters", told[key], shown, told["bars"][key], False)
    return lines, reached


def main() -> int:
    """Measure, print, write the result; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--without-importers", action="store_true")
    args = parser.parse_args()
    result: dict[str, Any] = {}
    if not args.without_importers:
        result["importers"] = importing()  # first: a child's peak begins with its parent's size
    import torch

    torch.set_num_threads(1)
    model = tuned_model()
    result |= {
        "packing": packing(model, args.repeats),
        "sharing": sharing(model, args.repeats),
        "trainer": against_trainer(max(1, args.repeats // 2)),
        "resumed": resumed(),
    }
    lines, reached = table(result)
    print("\n".join(lines))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(not reached)


if __name__ == "__main__":
    raise SystemExit(main())

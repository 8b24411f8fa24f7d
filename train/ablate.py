"""What the mix and the emotions are worth: adapters that differ in one thing, on unseen questions.

    python -m train ablate --config train/configs/ablate_cast.toml

Tables 5 and 6 of the paper on a small base: general, specific and hybrid data, with and without
emotions, several seeds each. Runs long, may be stopped at any time and goes on where it was.
Writes results.json and results.md with intervals over seeds and over items.
"""

import dataclasses
import json
import random
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rolecraft.errors import TrainingError
from train.config import StageConfig

HYBRID = {"general": 0.5, "specific": 0.5}
ARMS: dict[str, dict[str, Any]] = {
    "general": {"sources": {"general": 1.0}},
    "specific": {"sources": {"specific": 1.0}},
    "hybrid": {"sources": HYBRID},
    "general, no emotion": {"sources": {"general": 1.0}, "emotions": False},
    "specific, no emotion": {"sources": {"specific": 1.0}, "emotions": False},
    "hybrid, no emotion": {"sources": HYBRID, "emotions": False},
}
# What the paper's tables say: in this set the first arm is above the second.
CLAIMS = (
    ("hybrid", "general", "SPE"),
    ("hybrid", "specific", "SPE"),
    ("hybrid", "specific", "CUS"),
    ("hybrid", "specific", "RAW"),
    ("general", "hybrid", "CUS"),
    ("specific", "general", "SPE"),
    ("hybrid", "hybrid, no emotion", "SPE"),
    ("hybrid", "hybrid, no emotion", "CUS"),
    ("hybrid", "hybrid, no emotion", "RAW"),
)
MEASURES = ("f1", "recall")
VERDICTS = ("holds", "reversed", "undecided")
DRAWS = 2000
_T_95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}


@dataclasses.dataclass(frozen=True)
class Config(StageConfig):
    """`tuning` holds keys of an adapter's configuration that all arms have in common."""

    base: str = "models/mini"
    characters: str = "characters"
    seeds: tuple[int, ...] = (1, 2, 3)
    held_share: float = 0.2  # of the general instructions, trained on by no arm
    per_character: int = 4  # questions of each set
    max_new_tokens: int = 64
    batch: int = 16
    tuning: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.seeds:
            raise TrainingError("seeds is empty. Give at least one, three for intervals.")


def run(config: Config) -> Path:
    """Train and score every arm that is not done yet; returns the folder of the results."""
    output = Path(config.output_dir)
    held = _held(config)
    scores = {
        arm: [_scores(config, output, arm, seed, held) for seed in config.seeds] for arm in ARMS
    }
    scores["base"] = [_scores(config, output, "base", config.seeds[0], held)]
    result = {
        "config": dataclasses.asdict(config),
        "held_instructions": len(held),
        "arms": {arm: _summary(runs) for arm, runs in scores.items()},
        "claims": [_claim(scores, *claim) for claim in CLAIMS],
    }
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    (output / "results.json").write_text(text, encoding="utf-8")
    (output / "results.md").write_text(page(result), encoding="utf-8")
    print(page(result))
    return output


def _held(config: Config) -> tuple[str, ...]:
    """The instructions that no arm is trained on, the same for all seeds."""
    from train.shelves import INSTRUCTIONS, read_instructions

    names = sorted(read_instructions(Path(config.characters) / INSTRUCTIONS))
    count = max(1, round(len(names) * config.held_share))
    return tuple(sorted(random.Random(config.seed).sample(names, count)))


Scores = dict[str, list[list[float]]]  # by set: F1 and recall of each item


def _scores(config: Config, output: Path, arm: str, seed: int, held: Sequence[str]) -> Scores:
    """The scores of one arm and seed, from its folder when it is done."""
    done = output / f"{_slug(arm)}-{seed}.json"
    wanted = json.loads(json.dumps(_origin(config)))
    if done.exists():
        told = json.loads(done.read_text("utf-8"))
        if told["origin"] != wanted:
            raise TrainingError(
                f"{done} is of another configuration, base or data. Delete {output} or move it."
            )
        found: Scores = told["scores"]
        return found
    found = _score(config, output, arm, seed, held)
    output.mkdir(parents=True, exist_ok=True)
    new = done.with_suffix(".new")
    new.write_text(json.dumps({"origin": wanted, "scores": found}), encoding="utf-8")
    new.replace(done)
    return found


def _origin(config: Config) -> dict[str, Any]:
    from rolecraft.engines.chatglm3 import weights_sha256
    from train import adapter
    from train.tuning.mix import data_sha256

    kept = {k: v for k, v in dataclasses.asdict(config).items() if k not in ("output_dir", "seeds")}
    data = adapter.Config(output_dir="", characters=config.characters, sources=HYBRID)
    return {
        **kept,
        "base_sha256": weights_sha256(config.base),
        "data_sha256": data_sha256(data),
    }


def _score(config: Config, output: Path, arm: str, seed: int, held: Sequence[str]) -> Scores:
    from rolecraft.engines import chatglm3
    from train import adapter
    from train.tuning.mix import Mix
    from train.tuning.scoring import asked, replies, scored

    tuning = adapter.Config.from_mapping(
        {
            "base": config.base,
            "characters": config.characters,
            "probe_characters": 0,
            **config.tuning,
            **ARMS.get(arm, ARMS["hybrid"]),
            "held_instructions": tuple(held),
            "output_dir": str(output / f"{_slug(arm)}-{seed}" / "adapter"),
            "work_dir": str(output / f"{_slug(arm)}-{seed}"),
            "seed": seed,
        },
        "tuning",
    )
    made = None if arm == "base" else adapter.run(tuning)
    model = chatglm3.load_model(config.base, made, tuning.dtype, tuning.device)
    tokenizer = chatglm3.load_tokenizer(config.base)
    budget = Mix(tuning, tokenizer.path).budget
    items = asked(Path(config.characters), budget, held, config.per_character, config.seed)
    prompts = [item.prompt for item in items]
    said = replies(model, tokenizer, prompts, config.batch, config.max_new_tokens)
    return {name: [list(one) for one in found] for name, found in scored(items, said).items()}


def _slug(arm: str) -> str:
    return arm.replace(", ", "-").replace(" ", "-")


def _summary(runs: Sequence[Scores]) -> dict[str, dict[str, dict[str, float]]]:
    """Mean, and intervals of 95 % over seeds and over items, by set and measure."""
    return {
        name: {measure: _interval(runs, name, place) for place, measure in enumerate(MEASURES)}
        for name in runs[0]
        if runs[0][name]
    }


def _interval(runs: Sequence[Scores], name: str, place: int) -> dict[str, float]:
    means = [statistics.fmean(item[place] for item in run[name]) for run in runs]
    items = [
        statistics.fmean(run[name][i][place] for run in runs) for i in range(len(runs[0][name]))
    ]
    told = {"mean": statistics.fmean(means), "items": len(items)}
    if len(means) > 1:
        spread = statistics.stdev(means) / len(means) ** 0.5
        told["seeds_half_width"] = _T_95.get(len(means) - 1, 1.96) * spread
    low, high = _drawn(items)
    return {**told, "items_low": low, "items_high": high}


def _drawn(values: Sequence[float]) -> tuple[float, float]:
    """Bootstrap percentiles of a mean."""
    rng = random.Random(0)
    means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(DRAWS))
    return means[round(DRAWS * 0.025)], means[round(DRAWS * 0.975) - 1]


def _claim(
    scores: Mapping[str, Sequence[Scores]], first: str, second: str, name: str
) -> dict[str, Any]:
    """Whether the paper's ordering holds, by the paired differences of F1 over items."""
    pairs = [
        [one[name][i][0] - two[name][i][0] for i in range(len(one[name]))]
        for one, two in zip(scores[first], scores[second], strict=True)
    ]
    items = [statistics.fmean(differences) for differences in zip(*pairs, strict=True)]
    if not items:
        return {"claim": f"{first} > {second}", "set": name, "verdict": "not measured"}
    low, high = _drawn(items)
    verdict = "holds" if low > 0 else "reversed" if high < 0 else "undecided"
    return {
        "claim": f"{first} > {second}", "set": name, "difference": statistics.fmean(items),
        "low": low, "high": high, "verdict": verdict,
    }  # fmt: skip


def page(result: Mapping[str, Any]) -> str:
    """The tables as Markdown."""
    lines = [
        "ROUGE-L by characters, best over the references; ± over seeds, [ ] over items, both 95 %.",
        "",
        "| arm | set | items | F1 | recall |",
        "|---|---|--:|---|---|",
    ]
    for arm, sets in result["arms"].items():
        for name, told in sets.items():
            cells = [_cell(told[measure]) for measure in MEASURES]
            lines.append(f"| {arm} | {name} | {told['f1']['items']} | {' | '.join(cells)} |")
    lines += ["", "| the paper's ordering | set | difference of F1 | here |", "|---|---|---|---|"]
    for one in result["claims"]:
        gap = ""
        if "difference" in one:
            gap = f"{one['difference']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]"
        lines.append(f"| {one['claim']} | {one['set']} | {gap} | {one['verdict']} |")
    return "\n".join([*lines, "", verdict(result["claims"])]) + "\n"


def verdict(claims: Sequence[Mapping[str, Any]]) -> str:
    """In a sentence: where the paper's ordering holds and where not."""
    told = []
    for word in VERDICTS:
        those = [f"{one['claim']} in {one['set']}" for one in claims if one["verdict"] == word]
        told.append(f"{word}: {len(those)}" + (f" ({'; '.join(those)})" if those else ""))
    count = sum(one["verdict"] in VERDICTS for one in claims)
    return f"Of {count} orderings of the paper that were measured, {', '.join(told)}."


def _cell(told: Mapping[str, float]) -> str:
    seeds = f" ± {told['seeds_half_width']:.3f}" if "seeds_half_width" in told else ""
    return f"{told['mean']:.3f}{seeds} [{told['items_low']:.3f}, {told['items_high']:.3f}]"

"""Writes what others load: the native GLM, adapters for vLLM, the merged model, Hub model cards.

    python -m train export OUT --base models/mini --adapter models/mini/adapters/rolecraft
    python -m train export OUT --base models/chatglm3-6b --dtype bf16 --form base

OUT gets base/, adapters/NAME/ and merged/NAME/, each complete with its card; a folder is written
beside its place first and takes it when it is whole, so an export that was killed is given again
and writes what is missing. Prints the commands that serve them.
"""

import argparse
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rolecraft.errors import TrainingError

MARK = "export.json"  # what a folder was made from
FORMS = ("base", "adapters", "merged")
DTYPES = ("fp32", "bf16", "fp16")


def make_parser() -> argparse.ArgumentParser:
    """The arguments of the stage."""
    parser = argparse.ArgumentParser(prog="python -m train export", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("--base", required=True, help="a checkpoint folder or Hugging Face id")
    parser.add_argument("--adapter", type=Path, action="append", default=[], dest="adapters")
    parser.add_argument("--form", choices=FORMS, action="append", default=[], dest="forms")
    parser.add_argument("--dtype", choices=DTYPES, help="of the weights; as loaded by default")
    parser.add_argument("--name", help="what the base is called where it is served")
    return parser


def main(args: argparse.Namespace) -> int:
    """Write the wanted forms; all of them by default."""
    from rolecraft.engines import chatglm3

    forms = args.forms or [form for form in FORMS if form == "base" or args.adapters]
    name = args.name or Path(args.base).name
    if not args.adapters and set(forms) - {"base"}:
        raise TrainingError(f"{forms[0]} needs an adapter. Give one with --adapter FOLDER.")
    tokenizer = chatglm3.load_tokenizer(args.base).path
    written = Written(args, name, tokenizer)
    if "base" in forms:
        written.base()
    for adapter in args.adapters:
        if "adapters" in forms:
            written.adapter(adapter)
        if "merged" in forms:
            written.merged(adapter)
    print(written.commands(forms))
    return 0


class Written:
    """The folders of one export."""

    def __init__(self, args: argparse.Namespace, name: str, tokenizer: Path) -> None:
        self.args, self.name, self.tokenizer = args, name, tokenizer

    def base(self) -> Path:
        """The native checkpoint with its fast tokeniser and chat template."""
        return self._whole(Path("base"), lambda folder: self._native(self._load(), folder), None)

    def adapter(self, source: Path) -> Path:
        """An adapter whose modules are named as vLLM names them."""
        from rolecraft.engines.merging import write_split

        model = self._load()
        place = Path("adapters") / source.name
        return self._whole(place, lambda to: write_split(model, source, to, self.name), source)

    def merged(self, source: Path) -> Path:
        """The base with an adapter added for good."""
        from rolecraft.engines.chatglm3 import attach
        from rolecraft.engines.merging import merge

        def write(folder: Path) -> None:
            self._native(merge(attach(self._load(), source, "merged")), folder)

        return self._whole(Path("merged") / source.name, write, source)

    def commands(self, forms: list[str]) -> str:
        """How vLLM serves what was written."""
        lines = []
        if "base" in forms or "adapters" in forms:
            lora = ""
            if "adapters" in forms:
                ranks = [self._rank(source) for source in self.args.adapters]
                room = next(size for size in (8, 16, 32, 64, 128, 256) if size >= max(ranks))
                names = " ".join(
                    f"{one.name}={self.args.output / 'adapters' / one.name}"
                    for one in self.args.adapters
                )
                lora = f" --enable-lora --max-lora-rank {room} --lora-modules {names}"
            lines.append(
                f"vllm serve {self.args.output / 'base'} --served-model-name {self.name}{lora}"
            )
        if "merged" in forms:
            lines += [
                f"vllm serve {self.args.output / 'merged' / one.name} "
                f"--served-model-name {self.name}-{one.name}"
                for one in self.args.adapters
            ]
        return "\n".join(lines)

    def _rank(self, source: Path) -> int:
        return int(json.loads((source / "adapter_config.json").read_text("utf-8"))["r"])

    def _load(self) -> Any:
        from rolecraft.engines.chatglm3 import load_model

        return load_model(self.args.base, dtype=self.args.dtype, device="cpu")

    def _native(self, model: Any, folder: Path) -> None:
        from rolecraft.engines.chatglm3 import save_native
        from rolecraft.engines.fast_tokenizer import export_fast_tokenizer

        save_native(model, self.tokenizer, folder, self.args.dtype)
        export_fast_tokenizer(self.tokenizer, folder)

    def _whole(self, place: Path, write: Callable[[Path], Any], source: Path | None) -> Path:
        target: Path = self.args.output / place
        mark = self._mark(source)
        if target.exists():
            if (target / MARK).exists() and json.loads((target / MARK).read_text("utf-8")) == mark:
                return target
            raise TrainingError(
                f"{target} is there already, made from something else. Delete it, or choose "
                "another folder."
            )
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write(partial)
        if source is not None and (source / "rolecraft.json").exists():
            shutil.copyfile(source / "rolecraft.json", partial / "rolecraft.json")
        (partial / "README.md").write_text(card(self.name, place, partial), "utf-8")
        (partial / MARK).write_text(json.dumps(mark, indent=2) + "\n", "utf-8")
        return partial.rename(target)

    def _mark(self, source: Path | None) -> dict[str, str | None]:
        """All that decides what is written: the same again is not written again."""
        from rolecraft.engines.chatglm3 import weights_sha256

        told: dict[str, str | None] = {
            "name": self.name,
            "dtype": self.args.dtype,
            "base_sha256": weights_sha256(self.args.base),
            "tokenizer_sha256": hashlib.sha256(self.tokenizer.read_bytes()).hexdigest(),
        }
        if source is not None:
            told["adapter"] = source.name
            told["adapter_sha256"] = weights_sha256(source)
            for name in ("adapter_config.json", "rolecraft.json"):
                if (source / name).exists():
                    told[name] = hashlib.sha256((source / name).read_bytes()).hexdigest()
        return told


def card(base: str, place: Path, folder: Path) -> str:
    """A Hub model card: metadata, what it is, how it was made, how it is served."""
    from huggingface_hub import ModelCardData

    kind = place.parts[0]
    name = base if kind == "base" else f"{base}-{place.name}"
    data = ModelCardData(
        language="zh",
        library_name="peft" if kind == "adapters" else "transformers",
        pipeline_tag="text-generation",
        base_model=None if kind == "base" else base,
        license="other",
        license_name="as-the-base-model",
        tags=["glm", "role-play", "rolecraft", *(["lora"] if kind == "adapters" else [])],
    )
    parts = [f"---\n{data.to_yaml()}\n---", f"# {name}", _WHAT[kind].format(base=base)]
    record = folder / "rolecraft.json"
    if record.exists():
        parts.append(_made(json.loads(record.read_text("utf-8"))))
    parts.append(_SERVED[kind].format(base=base, name=place.name))
    return "\n\n".join(parts) + "\n"


_WHAT = {
    "base": "A native GLM checkpoint (`GlmForCausalLM`) with a fast tokenizer and ChatGLM3's chat "
    "format as its template. No code of its own is run.",
    "adapters": "A LoRA adapter for {base} that lets everyday characters speak. Replies open with "
    "their emotion in brackets, such as （快乐）. The fused `gate_up_proj` is written as "
    "`gate_proj` and `up_proj`, exactly, so that vLLM loads it.",
    "merged": "{base} with a LoRA adapter added to its weights, for servers without adapters. "
    "Replies open with their emotion in brackets, such as （快乐）.",
}
_SERVED = {
    "base": "## Serve\n\n```\nvllm serve FOLDER --served-model-name {base}\n```",
    "adapters": "## Serve\n\n```\nvllm serve BASE --served-model-name {base} --enable-lora "
    "--lora-modules {name}=FOLDER\n```\n\nAsk for the model `{name}`.",
    "merged": "## Serve\n\n```\nvllm serve FOLDER --served-model-name {base}-{name}\n```",
}


def _made(record: dict[str, Any]) -> str:
    """How an adapter was trained, from its rolecraft.json."""
    config = record["config"]
    mix = ", ".join(f"{source} {share:g}" for source, share in config["sources"].items())
    rows = {
        "rank, alpha": f"{config['lora_r']}, {config['lora_alpha']}",
        "modules": ", ".join(config["target_modules"]),
        "learning rate": f"{config['learning_rate']:g}",
        "steps": f"{record['steps']:,}",
        "examples": mix,
        "seed": str(config["seed"]),
        **{k.replace("_", " "): f"{v:g}" for k, v in record.get("scores", {}).items()},
        "base weights (SHA-256)": f"`{record['base_sha256']}`",
    }
    lines = [f"| {key} | {value} |" for key, value in rows.items()]
    return "\n".join(["## How it was trained", "", "| | |", "|---|---|", *lines])

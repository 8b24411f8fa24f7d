"""The catalogue: which engines there are, what each needs, and whether it can answer here.

Reads `catalog.yaml` and looks for weights and keys; loads nothing before an engine is opened.
An adapter that training leaves in `<models>/<base>/adapters/` is listed by itself.
"""

import difflib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from rolecraft.conversation import Budget, Sampling
from rolecraft.engines.base import Engine, EngineCard
from rolecraft.engines.zero_gpu import borrow
from rolecraft.errors import ConfigurationError, EngineNotFound, EngineUnavailable
from rolecraft.settings import Settings

DEFAULT = {"mini": "rolecraft-mini", "chatglm3": "rolecraft-glm"}
CATALOGUE = Path(__file__).with_name("catalog.yaml")
SLOTS = 16  # requests that a local base answers at once, where the catalogue does not say

_ADAPTER_NAME = re.compile(r"[A-Za-z0-9_-]+")
_BASE_KEYS = {
    "folder", "hub", "dtype", "device", "quantization", "threads", "block", "cached_tokens",
    "slots", "memory_gb", "inline",
}  # fmt: skip
_ENGINE_KEYS = {
    "kind", "base", "adapter", "model", "budget", "profile", "memory", "licence",
    "emotion_in_prompt", "sampling", "stop", "summary", "hidden",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One engine of the catalogue with the prompt budget and sampling that suit it."""

    card: EngineCard
    budget: Budget
    sampling: Sampling
    adapter: str | None = None
    base: str = ""
    model: str = ""
    hidden: bool = False
    stop: tuple[str, ...] = ()  # texts before which a reply ends


class Catalog:
    """Engines by name; opened ones are kept, and engines of one base share its weights.

    Read from `path`, or where the settings say. `makers` build the kinds of engine that need more
    than settings, such as the cast.
    """

    def __init__(
        self,
        settings: Settings,
        path: Path | None = None,
        makers: Mapping[str, Callable[[EngineCard], Engine]] | None = None,
    ) -> None:
        self._settings = settings
        self._path = path or settings.catalogue or CATALOGUE
        self._facts = _read_facts(self._path)
        self._opened: dict[str, Engine] = {}
        self._makers = dict(makers or {})
        self._workers: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.entries = {entry.card.name: entry for entry in self._read()}

    @property
    def default(self) -> str:
        """The engine a visitor meets first: the profile's own, or the first that can answer."""
        wanted = DEFAULT[self._settings.profile]
        shown = [e.card for e in self.entries.values() if e.card.available and not e.hidden]
        of_profile = [card for card in shown if card.profile == self._settings.profile]
        names = [card.name for card in (*of_profile, *shown)]
        return wanted if wanted in names or not names else names[0]

    @property
    def slots(self) -> int:
        """Requests that are answered at once by the local base that answers the most."""
        return max((base.get("slots", SLOTS) for base in self._facts["bases"].values()), default=0)

    def entry(self, name: str) -> Entry:
        """The entry of this name, or EngineNotFound with the nearest ones."""
        if name not in self.entries:
            known = difflib.get_close_matches(name, self.entries, 3, 0.4) or list(self.entries)
            raise EngineNotFound(f"No engine named {name!r}. Known: {', '.join(known)}.")
        return self.entries[name]

    def open(self, name: str) -> Engine:
        """The engine of this name, ready to stream. Raises EngineNotFound or EngineUnavailable."""
        entry = self.entry(name)
        if not entry.card.available:
            raise EngineUnavailable(f"{name} cannot answer here: {entry.card.remedy}")
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._make(entry)
            return self._opened[name]

    def load_lent(self) -> None:
        """Load every model whose GPU is lent: ZeroGPU takes only what is there when it starts."""
        for entry in self.entries.values():
            if entry.card.kind == "local" and entry.card.available and self._lent(entry.base):
                self._worker(entry.base).start()

    def _lent(self, base: str) -> bool:
        """Whether the GPU of this base is there only during a call."""
        device = str(self._facts["bases"][base].get("device", "cpu"))
        return self._settings.zero_gpu and not device.startswith("cpu")

    def budget(self, name: str) -> Budget:
        """The prompt budget of an engine, counted in its own tokens where that is possible."""
        entry = self.entry(name)
        count = getattr(self.open(name), "count", None)
        return replace(entry.budget, count=count) if count else entry.budget

    def folders(self, name: str) -> tuple[Path, ...]:
        """Where a local engine's weights lie: the base and, where it has one, its adapter."""
        entry = self.entry(name)
        adapter = [self._adapters(entry.base) / entry.adapter] if entry.adapter else []
        return (self._base(entry.base), *adapter)

    def _read(self) -> Iterator[Entry]:
        engines = self._facts["engines"]
        for name, facts in engines.items():
            yield self._entry(name, facts)
        for base in self._facts["bases"]:
            ours = [facts for facts in engines.values() if facts.get("base") == base]
            plain = [facts for facts in ours if "adapter" not in facts]
            listed = {facts.get("adapter") for facts in ours}
            for adapter in self._trained(base):
                if adapter not in listed and ours:
                    name = adapter if adapter.startswith(f"{base}-") else f"{base}-{adapter}"
                    name = f"{name}-adapter" if name in engines else name
                    yield self._entry(name, _with_adapter((plain or ours)[0], base, adapter))

    def _entry(self, name: str, facts: Mapping[str, Any]) -> Entry:
        emotion = bool(facts.get("emotion_in_prompt"))
        try:
            budget = Budget(**self._facts["budgets"][facts.get("budget", "large")])
            sampling = Sampling(**facts.get("sampling", {}))
            stop = tuple(facts.get("stop", ()))
            if isinstance(facts.get("stop"), str) or not all(
                isinstance(s, str) and s for s in stop
            ):
                raise ValueError(f"stop is {facts['stop']!r}; write a list of texts")
            summary, kind = facts["summary"], facts["kind"]
            remedy = self._remedy(facts)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{self._path}: the engine {name} cannot be used ({error!r}). Compare it with the "
                f"others; its keys are {', '.join(sorted(_ENGINE_KEYS))}."
            ) from error
        card = EngineCard(
            name=name,
            kind=kind,
            summary=summary,
            profile=facts.get("profile", ""),
            memory=facts.get("memory", ""),
            licence=facts.get("licence", ""),
            available=not remedy,
            remedy=remedy,
            emotion_in_prompt=emotion,
        )
        return Entry(
            card,
            replace(budget, emotion_rule=emotion),
            sampling,
            facts.get("adapter"),
            facts.get("base", ""),
            facts.get("model", name),
            bool(facts.get("hidden")),
            stop,
        )

    def _base(self, base: str) -> Path:
        return self._settings.models_dir / str(self._facts["bases"][base]["folder"])

    def _adapters(self, base: str) -> Path:
        return self._base(base) / "adapters"

    def _trained(self, base: str) -> list[str]:
        """The adapters that lie beside a base."""
        found = self._adapters(base).glob("*/adapter_config.json")
        return sorted(path.parent.name for path in found)

    def _remedy(self, facts: Mapping[str, Any]) -> str:
        """What has to be done before this engine can answer; "" when nothing has."""
        if facts["kind"] == "openai_compatible" and not self._settings.openai_api_key:
            return (
                "set OPENAI_API_KEY in the environment or .env, and OPENAI_BASE_URL for another "
                "server; where that wants no key, any word will do."
            )
        if facts["kind"] != "local":
            return ""
        return self._remedy_of_weights(facts["base"], facts.get("adapter"), facts.get("memory"))

    def _remedy_of_weights(self, base: str, adapter: str | None, memory: str | None) -> str:
        facts, folder = self._facts["bases"][base], self._base(base)
        if not _holds_weights(folder, "config.json"):
            hub, place = facts.get("hub"), self._told(folder)
            source = f"download {hub} into {place}" if hub else f"put the weights into {place}"
            return f"{source}; it needs {memory or 'memory'}."
        if str(facts.get("device", "cpu")).startswith("cuda") and not (
            self._lent(base) or cuda_is_here()
        ):
            return (
                f"it runs on a GPU that torch can use ({memory or 'CUDA'}), and there is none "
                "here. Start on a machine that has one, or choose another engine."
            )
        if adapter is None:
            return ""
        place = self._told(self._adapters(base) / adapter)
        if not _ADAPTER_NAME.fullmatch(adapter):
            return f"rename {place}: letters, digits, - and _ only."
        if not _holds_weights(self._adapters(base) / adapter, "adapter_config.json"):
            return f"train the adapter {adapter!r} (python -m train adapter) into {place}."
        return ""

    def _told(self, folder: Path) -> str:
        """A folder as everybody may read it, who need not know where the models folder lies."""
        models = self._settings.models_dir
        if not folder.is_relative_to(models):
            return folder.name
        return f"{models.name}/{folder.relative_to(models).as_posix()}"

    def _make(self, entry: Entry) -> Engine:
        card = entry.card
        if card.kind in self._makers:
            return self._makers[card.kind](card)
        if card.kind == "local":
            from rolecraft.engines.local import LocalEngine

            return LocalEngine(card, self._worker(entry.base), entry.adapter, entry.stop)
        if card.kind == "openai_compatible":
            from rolecraft.engines.openai_compatible import OpenAICompatibleEngine

            return OpenAICompatibleEngine(
                card,
                entry.model,
                self._settings.openai_api_key or "",
                self._settings.openai_base_url,
                stop=entry.stop,
            )
        if card.kind == "scripted":
            from rolecraft.engines.scripted import ScriptedEngine

            return ScriptedEngine(card)
        raise ConfigurationError(
            f"{card.name}: nothing here makes engines of the kind {card.kind!r}."
        )

    def _worker(self, base: str) -> Any:
        from rolecraft.engines.lent import LentWorker
        from rolecraft.engines.loading import LocalModel
        from rolecraft.engines.local import Worker

        if base not in self._workers:
            facts = self._facts["bases"][base]
            given = {key: value for key, value in facts.items() if key not in ("folder", "hub")}
            options = {"slots": SLOTS, **given}
            model = LocalModel(
                base=str(self._base(base)),
                adapters={name: str(self._adapters(base) / name) for name in self._trained(base)},
                max_queue=self._settings.max_queue,
                **options,
            )
            lent = self._lent(base)
            self._workers[base] = LentWorker(model, borrow()) if lent else Worker(model)
        return self._workers[base]


def _read_facts(path: Path) -> dict[str, Any]:
    """The catalogue as it is written. Raises ConfigurationError naming what cannot be used."""
    try:
        facts = yaml.safe_load(path.read_text("utf-8"))
        parts = {part: facts[part].items() for part in ("bases", "budgets", "engines")}
    except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error}). It needs bases, budgets and engines."
        ) from error
    for part, keys in (("bases", _BASE_KEYS), ("engines", _ENGINE_KEYS)):
        for name, given in parts[part]:
            unknown = sorted(set(given) - keys)
            if unknown:
                raise ConfigurationError(
                    f"{path}: {part}, {name} has the unknown key {unknown[0]!r}. "
                    f"Known: {', '.join(sorted(keys))}."
                )
    return dict(facts)


def _with_adapter(facts: Mapping[str, Any], base: str, adapter: str) -> dict[str, Any]:
    """The facts of an engine whose adapter no one has described."""
    summary = {
        "zh": f"{base} 加 LoRA「{adapter}」。",
        "en": f"{base} with the LoRA {adapter}.",
    }
    own = {"adapter": adapter, "emotion_in_prompt": False, "hidden": False, "summary": summary}
    return {**facts, **own}


def cuda_is_here() -> bool:
    """Whether torch sees a GPU. Asked only for weights that are here, since it loads torch."""
    import torch

    return torch.cuda.is_available()


def _holds_weights(folder: Path, config: str) -> bool:
    return (folder / config).is_file() and any(folder.glob("*.safetensors"))

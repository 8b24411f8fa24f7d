"""The catalogue: which engines there are, what each needs, and whether it can answer here.

Reads `catalog.yaml` and looks for weights and keys; loads nothing before an engine is opened.
An adapter that training leaves in `<models>/<base>/adapters/` is listed by itself.
"""

import difflib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from rolecraft.conversation import Budget, Sampling
from rolecraft.engines.base import Engine, EngineCard
from rolecraft.errors import ConfigurationError, EngineNotFound, EngineUnavailable
from rolecraft.settings import Settings

DEFAULT = {"mini": "rolecraft-mini", "chatglm3": "rolecraft-glm"}
CATALOGUE = Path(__file__).with_name("catalog.yaml")


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


class Catalog:
    """Engines by name; opened ones are kept, and engines of one base share its weights.

    `makers` build the kinds of engine that need more than settings, such as the cast.
    """

    def __init__(
        self,
        settings: Settings,
        path: Path = CATALOGUE,
        makers: Mapping[str, Callable[[EngineCard], Engine]] | None = None,
    ) -> None:
        self._settings = settings
        self._facts: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
        self._opened: dict[str, Engine] = {}
        self._makers = dict(makers or {})
        self._workers: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.entries = {entry.card.name: entry for entry in self._read()}

    @property
    def default(self) -> str:
        """The engine a visitor meets first: the profile's own, or the first that can answer."""
        wanted = DEFAULT[self._settings.profile]
        if self.entries[wanted].card.available:
            return wanted
        shown = [e for e in self.entries.values() if e.card.available and not e.hidden]
        return shown[0].card.name if shown else wanted

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

    def budget(self, name: str) -> Budget:
        """The prompt budget of an engine, counted in its own tokens where that is possible."""
        entry = self.entry(name)
        count = getattr(self.open(name), "count", None)
        return replace(entry.budget, count=count) if count else entry.budget

    def _read(self) -> Iterator[Entry]:
        for name, facts in self._facts["engines"].items():
            yield self._entry(name, facts)
        for base in self._facts["bases"]:
            listed = {facts.get("adapter") for facts in self._facts["engines"].values()}
            pattern = self._facts["engines"][f"{base}-base" if base == "mini" else base]
            for folder in sorted(self._adapters(base).glob("*/adapter_config.json")):
                adapter = folder.parent.name
                if adapter not in listed:
                    facts = pattern | {"adapter": adapter, "emotion_in_prompt": False}
                    facts["summary"] = {
                        "zh": f"{base} 加 LoRA「{adapter}」。",
                        "en": f"{base} with the LoRA {adapter}.",
                    }
                    yield self._entry(f"{base}-{adapter}", facts)

    def _entry(self, name: str, facts: Mapping[str, Any]) -> Entry:
        budgets = self._facts["budgets"]
        budget = Budget(**budgets[facts.get("budget", "large")])
        emotion = bool(facts.get("emotion_in_prompt"))
        remedy = self._remedy(facts)
        card = EngineCard(
            name=name,
            kind=facts["kind"],
            summary=facts["summary"],
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
            Sampling(**facts.get("sampling", {})),
            facts.get("adapter"),
            facts.get("base", ""),
            facts.get("model", name),
            bool(facts.get("hidden")),
        )

    def _base(self, base: str) -> Path:
        return self._settings.models_dir / str(self._facts["bases"][base]["folder"])

    def _adapters(self, base: str) -> Path:
        return self._base(base) / "adapters"

    def _remedy(self, facts: Mapping[str, Any]) -> str:
        """What has to be done before this engine can answer; "" when nothing has."""
        if facts["kind"] == "openai_compatible" and not self._settings.openai_api_key:
            return "set OPENAI_API_KEY (and OPENAI_BASE_URL for another server) in .env."
        if facts["kind"] != "local":
            return ""
        folder = self._base(facts["base"])
        if not (folder / "config.json").exists():
            hub = self._facts["bases"][facts["base"]].get("hub")
            source = f"download {hub} into {folder}" if hub else f"put the weights into {folder}"
            return f"{source}; it needs {facts.get('memory', 'memory')}."
        adapter, folder = facts.get("adapter"), self._adapters(facts["base"])
        if adapter and not (folder / adapter / "adapter_config.json").exists():
            return f"train the adapter {adapter!r} into {folder} (python -m train adapter)."
        return ""

    def _make(self, entry: Entry) -> Engine:
        card = entry.card
        if card.kind in self._makers:
            return self._makers[card.kind](card)
        if card.kind == "local":
            from rolecraft.engines.local import LocalEngine

            return LocalEngine(card, self._worker(entry.base), entry.adapter)
        if card.kind == "openai_compatible":
            from rolecraft.engines.openai_compatible import OpenAICompatibleEngine

            return OpenAICompatibleEngine(
                card,
                entry.model,
                self._settings.openai_api_key or "",
                self._settings.openai_base_url,
            )
        if card.kind == "scripted":
            from rolecraft.engines.scripted import ScriptedEngine

            return ScriptedEngine(card)
        raise ConfigurationError(
            f"{card.name}: nothing here makes engines of the kind {card.kind!r}."
        )

    def _worker(self, base: str) -> Any:
        from rolecraft.engines.local import LocalModel, Worker

        if base not in self._workers:
            facts = self._facts["bases"][base]
            folders = sorted(self._adapters(base).glob("*/adapter_config.json"))
            model = LocalModel(
                base=str(self._base(base)),
                adapters={folder.parent.name: str(folder.parent) for folder in folders},
                dtype=facts["dtype"],
                device=facts["device"],
                quantization=facts.get("quantization"),
                cached_tokens=facts["cached_tokens"],
                max_queue=self._settings.max_queue,
            )
            self._workers[base] = Worker(model)
        return self._workers[base]

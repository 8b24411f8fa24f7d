"""Trains the mini's encoder: which passage of a person is a question about?

    python -m train encoder --config train/configs/encoder.toml

A small BERT over characters, trained contrastively in groups: every group is one person, its
passages the candidates, so that the model learns to tell the passages of one person apart, which
is what retrieval asks of it. Ways of asking after a passage stand for it as they do in the index,
and what everybody says stands beside. Loaded by FlagEmbedding like any BGE. The groups of a step
follow from the seed and the step alone, so a training that was killed and started again ends with
the weights of one in one piece (one machine, `threads = 1`).
"""

import dataclasses
import json
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rolecraft.characters import read_shelf
from rolecraft.characters.model import Character
from rolecraft.knowledge.passages import Source, answer_passage, passages_of, searched_of
from train.config import StageConfig
from train.imagine import Imagination
from train.tokenizer import LEVEL_1
from train.topics import CHARACTERS, common_ways, topics

MAX_LENGTH = 128
_BEFORE = (
    "那",
    "对了，",
    "哎，",
    "问一下，",
    "我想知道，",
    "话说",
    "欸，",
    "说真的，",
    "嗯，",
    "好奇问问，",
)
_BEHIND = ("", "呀？", "呢？", "啊？", "嘛？", "来着？", "，说说呗。", "？？", "，告诉我吧。")
_SENTENCE = re.compile(r"[^。！？；：]{6,40}")


@dataclasses.dataclass(frozen=True)
class Config(StageConfig):
    """Sizes of the BERT and of its training; `groups_per_step` people make one step."""

    hidden_size: int = 256
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    intermediate_size: int = 768
    steps: int = 900
    groups_per_step: int = 3
    candidates: int = 20
    learning_rate: float = 6e-4
    temperature: float = 0.05
    imagined_share: float = 0.35
    everyday_share: float = 0.2
    init_from: str = ""  # a folder of finished weights to go on from
    # Of the weights that it went on from, so much stays in what is written: less is forgotten
    # (Wortsman et al. 2022, robust fine-tuning).
    kept_share: float = 0.0
    bf16: bool = False  # autocast, where the processor multiplies it (AVX-512 BF16)
    passage_chars: int = 80  # scenes are learnt by their beginnings, in half the time
    threads: int = 1
    characters: str = str(CHARACTERS)
    save_steps: int = 100
    work_dir: str = "runs"  # holds encoder.pt, from which a killed training goes on


@dataclasses.dataclass(frozen=True)
class Group:
    """Questions about one person; `targets[i]` is the origin that question i is about."""

    questions: tuple[str, ...]
    targets: tuple[str, ...]
    passages: tuple[str, ...]
    origins: tuple[str, ...]


class Groups:
    """Draws groups of imagined and of shipped people, train split only."""

    def __init__(self, rng: random.Random, config: Config) -> None:
        self.rng = rng
        self.config = config
        self.imagination = Imagination(rng)
        self.cast = read_shelf(Path(config.characters)).characters
        self.sources = {one.id: searched_of(one) for one in self.cast}

    def draw(self) -> Group:
        """One group."""
        kind = self.rng.random() if self.cast else 1.0
        if kind < self.config.everyday_share:
            return self._everyday()
        if kind < self.config.everyday_share + self.config.imagined_share or not self.cast:
            return self._imagined()
        return self._shipped(self.rng.choice(self.cast))

    def _everyday(self) -> Group:
        """What everybody says and what is asked after, each found by another way of saying it."""
        ways = {f"everyday.{n}": topic.said for n, topic in enumerate(topics())}
        ways |= {f"profile.{field}": some for field, some in common_ways().items()}
        chosen = self.rng.sample(list(ways), min(2 * self.config.candidates, len(ways)))
        two = [self.rng.sample(ways[origin], 2) for origin in chosen]
        return Group(
            tuple(self._typed(question) for question, _ in two),
            tuple(chosen),
            tuple(known for _, known in two),
            tuple(chosen),
        )

    def _imagined(self) -> Group:
        person, voice = self.imagination.person()
        known = [field for field in person.profile if field in common_ways()]
        fields = self.rng.sample(known, min(14, len(known)))
        name = person.name["zh"]
        questions = [self._typed(self._wording(field, name)) for field in fields]
        passages = [f"{s.text}" for s in passages_of(person)]
        origins = [s.origin for s in passages_of(person)]
        for place, topic in enumerate(self.rng.sample(topics(), 6)):
            asked, written = self.rng.sample(topic.said, 2)
            answer = self.rng.choice(topic.reply(voice) or topic.answers)
            passages.append(answer_passage(written, answer.text))
            origins.append(f"talk.{place}")
            questions.append(asked)
            fields.append(f"talk.{place}")
        targets = [f if f.startswith("talk.") else f"profile.{f}" for f in fields]
        return self._cut(questions, targets, passages, origins)

    def _shipped(self, character: Character) -> Group:
        sources = list(self.sources[character.id])
        self.rng.shuffle(sources)
        asked = [q for q in character.questions_of("train") if q.source]
        pairs = [(q.question, q.source or "") for q in self.rng.sample(asked, min(6, len(asked)))]
        fields = [f for f in character.profile if f in common_ways()]
        name = character.name["zh"]
        pairs += [(self._wording(f, name), f"profile.{f}") for f in self.rng.sample(fields, 5)]
        ways = [(way, origin) for origin, some in character.asked.items() for way in some]
        pairs += self.rng.sample(ways, min(9, len(ways)))
        daily = self.rng.sample(character.everyday, min(10, len(character.everyday)))
        pairs += [(self.rng.choice(one.said), f"everyday.{one.topic}") for one in daily if one.said]
        said = [
            Source("", "", self.rng.choice(one.said), "", f"everyday.{one.topic}")
            for one in character.everyday
            if one.said
        ]
        said += [
            Source("", "", way, "", origin)
            for origin, some in character.asked_commonly.items()
            for way in self.rng.sample(some, min(3, len(some)))
        ]
        pairs += [(self._cloze(s), s.origin) for s in sources if s.field.startswith("script.")][:3]
        asking = {question for question, _ in pairs}
        sources = [s for s in (*sources, *said) if s.text not in asking]
        own = {q.question for q in asked}
        # The very question must not be found by its own copy: that would teach nothing.
        dropped = {
            s.field for s in sources if any(f"问：{q} " in s.text for q, _ in pairs if q in own)
        }
        kept = [s for s in sources if s.field not in dropped or s.origin == s.field]
        pairs = [(self._typed(question), origin) for question, origin in pairs]
        return self._cut(
            [q for q, _ in pairs],
            [t for _, t in pairs],
            [s.text for s in kept],
            [s.origin for s in kept],
        )

    def _wording(self, field: str, name: str) -> str:
        called = f"{name}，" if self.rng.random() < 0.05 else ""
        return called + self.rng.choice(common_ways()[field])

    def _typed(self, question: str) -> str:
        """A question as it comes from a phone: words before and behind it, a sign left out."""
        if self.rng.random() < 0.3:
            question = self.rng.choice(_BEFORE) + question
        if self.rng.random() < 0.2:
            question = question.rstrip("？。！") + self.rng.choice(_BEHIND)
        if self.rng.random() < 0.35 and len(question) > 6:
            place = self.rng.randrange(len(question))
            question = question[:place] + question[place + 1 :]
        return question

    def _cloze(self, source: Source) -> str:
        """What a visitor may remember of a scene: a piece of a sentence, some of it forgotten."""
        sentences = _SENTENCE.findall(source.text) or [source.text[:30]]
        sentence: str = self.rng.choice(sentences)
        start = self.rng.randint(0, max(0, len(sentence) - 8))
        words = sentence[start : start + self.rng.randint(6, 14)]
        return (
            self.rng.choice(("", "你还记得", "说说", "那次"))
            + words
            + self.rng.choice(("", "？", "是怎么回事？", "后来呢？"))
        )

    def _cut(
        self,
        questions: Sequence[str],
        targets: Sequence[str],
        passages: Sequence[str],
        origins: Sequence[str],
    ) -> Group:
        """Keep a passage of every target and fill up with others to `candidates`."""
        wanted = set(targets)
        places = list(range(len(passages)))
        self.rng.shuffle(places)
        places.sort(key=lambda place: origins[place] not in wanted)
        seen: dict[str, int] = {}
        chosen: list[int] = []
        for place in places:
            count = seen.get(origins[place], 0)
            if count < 1 and len(chosen) < max(self.config.candidates, len(wanted)):
                chosen.append(place)
                seen[origins[place]] = count + 1
        kept = [n for n, target in enumerate(targets) if target in seen]
        return Group(
            tuple(questions[n] for n in kept),
            tuple(targets[n] for n in kept),
            tuple(passages[n][: self.config.passage_chars] for n in chosen),
            tuple(origins[n] for n in chosen),
        )


def build_tokenizer(folder: Path, known: Sequence[str] = ()) -> Any:
    """A BERT tokeniser whose pieces are single characters, saved to `folder`.

    `known` pieces keep their ids.
    """
    from transformers import BertTokenizer

    ascii_signs = [chr(code) for code in range(33, 127)]
    pieces = [f"##{sign}" for sign in ascii_signs if sign.isalnum()]
    marks = list("，。！？：；、（）《》“”‘’…—·～")
    letters = dict.fromkeys([*ascii_signs, *pieces, *marks, *LEVEL_1, *_more_characters()])
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = list(dict.fromkeys([*known, *vocabulary]))
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    tokenizer.model_max_length = MAX_LENGTH
    tokenizer.save_pretrained(folder)
    return tokenizer


def _more_characters() -> list[str]:
    """Characters beyond GB 2312 level 1 that the project's own texts use."""
    paths = [path for path in CHARACTERS.rglob("*") if path.suffix in (".yaml", ".jsonl")]
    used = {c for path in paths for c in path.read_text("utf-8") if "\u4e00" <= c <= "\u9fff"}
    return sorted(used - set(LEVEL_1))


def build_model(config: Config, vocabulary: int) -> Any:
    """A freshly initialised BertModel without pooler, float32."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(config.seed)
    bert = BertConfig(
        vocab_size=vocabulary,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        max_position_embeddings=MAX_LENGTH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return BertModel(bert, add_pooling_layer=False)


def embed(model: Any, tokenizer: Any, texts: Sequence[str]) -> Any:
    """Mean-pooled vectors of length 1: [texts, hidden]. Texts of like length run together."""
    import torch

    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    chunks = [order[start : start + 16] for start in range(0, len(order), 16)]
    vectors = [_embed(model, tokenizer, [texts[place] for place in chunk]) for chunk in chunks]
    return torch.cat(vectors)[torch.tensor(order).argsort()]


def _embed(model: Any, tokenizer: Any, texts: Sequence[str]) -> Any:
    import torch

    batch = tokenizer(
        list(texts), padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
    )
    hidden = model(**batch).last_hidden_state.float()
    mask = batch["attention_mask"][..., None].to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)


def group_loss(model: Any, tokenizer: Any, groups: Sequence[Group], temperature: float) -> Any:
    """Mean cross entropy of each question choosing among its own person's passages."""
    import torch

    questions = embed(model, tokenizer, [q for g in groups for q in g.questions])
    passages = embed(model, tokenizer, [p for g in groups for p in g.passages])
    losses, q, p = [], 0, 0
    for group in groups:
        mine = questions[q : q + len(group.questions)]
        with torch.autocast("cpu", enabled=False):  # a small difference of cosines decides
            scores = mine @ passages[p : p + len(group.passages)].T / temperature
        places = [group.origins.index(target) for target in group.targets]
        losses.append(torch.nn.functional.cross_entropy(scores, torch.tensor(places)))
        q, p = q + len(group.questions), p + len(group.passages)
    return torch.stack(losses).mean()


def run(config: Config) -> Path:
    """Train and write the encoder's folder; returns it."""
    import torch
    from tqdm import tqdm

    torch.set_num_threads(config.threads)
    output = Path(config.output_dir)
    checkpoint = Path(config.work_dir) / "encoder.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    before = Path(config.init_from) if config.init_from else None
    known = (before / "vocab.txt").read_text("utf-8").split("\n") if before else []
    tokenizer = build_tokenizer(output, known)
    model = build_model(config, len(tokenizer))
    if before:
        from safetensors.torch import load_file

        weights = load_file(before / "model.safetensors")
        words = weights.pop("embeddings.word_embeddings.weight")
        model.load_state_dict(weights, strict=False)
        model.embeddings.word_embeddings.weight.data[: len(words)] = words
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=0.01)
    original = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    start, begun = 0, time.monotonic()
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    rng = random.Random()
    groups = Groups(rng, config)
    bar = tqdm(range(start, config.steps), initial=start, total=config.steps, mininterval=5)
    for step in bar:
        scale = min(1.0, (step + 1) / 40) * (1 - step / config.steps)
        optimizer.param_groups[0]["lr"] = config.learning_rate * scale
        rng.seed(f"{config.seed}/{step}")
        batch = [groups.draw() for _ in range(config.groups_per_step)]
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            loss = group_loss(model, tokenizer, batch, config.temperature)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        bar.set_postfix(loss=f"{loss.item():.3f}")
        if (step + 1) % config.save_steps == 0:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            with checkpoint.with_suffix(".new").open("wb") as file:
                torch.save(state | {"step": step + 1}, file)
            checkpoint.with_suffix(".new").replace(checkpoint)
    for name, tensor in model.state_dict().items():
        tensor.lerp_(original[name], config.kept_share)
    model.half().save_pretrained(output)
    facts = {"query_instruction": "", "pooling": "mean", "max_length": MAX_LENGTH}
    (output / "rolecraft_encoder.json").write_text(json.dumps(facts, indent=2))
    minutes = (time.monotonic() - begun) / 60
    print(f"{output}: {config.steps} steps, {minutes:.1f} minutes")
    return output

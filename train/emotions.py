"""The offline classifier of emotions: n-grams of letters and a linear model, nothing else.

`python -m train emotions --config train/configs/emotions.toml` learns the ten labels from the cast:
its script, its train questions and its general answers. Every fifth dialogue, told by a hash, and
the test questions are held out. A line is read with the one before it. The folder holds
`emotions.json` (n-grams, weights of the blocks, how it was made) and `model.safetensors`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rolecraft.characters import read_shelf
from rolecraft.characters.model import Character
from rolecraft.emotions import LABELS
from rolecraft.errors import TrainingError
from train.config import StageConfig
from train.shelves import read_instructions

FACTS, WEIGHTS = "emotions.json", "model.safetensors"
HELD_OUT = 5  # one dialogue of so many
_BEGIN, _END = "\x02", "\x03"  # so that an n-gram knows where a line begins and ends


@dataclass(frozen=True)
class Config(StageConfig):
    """How the classifier is made."""

    characters: str = "characters"
    ngrams: int = 3  # letters of the line itself
    context_ngrams: int = 2  # letters of the line before
    context_weight: float = 0.5
    least_lines: int = 2  # that an n-gram stands in
    regularisation: float = 0.3  # C of the linear support vector machine


@dataclass(frozen=True)
class Spoken:
    """A line with its label; `before` is the line or question that it answers."""

    text: str
    before: str
    emotion: str
    character: str
    source: str  # script | questions | general


@dataclass(frozen=True)
class Classifier:
    """Reads emotions off lines. Safe to share between threads."""

    facts: Mapping[str, Any]
    ngrams: tuple[Sequence[str], Sequence[str]]  # of the line, of the line before
    idf: tuple[Any, Any]
    coefficients: Any  # (labels, n-grams of both)
    intercept: Any
    labels: tuple[str, ...] = LABELS

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """Read a classifier. Raises TrainingError."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            body = json.loads((folder / FACTS).read_text("utf-8"))
            tensors = load_file(folder / WEIGHTS)
            return cls(
                body["facts"],
                (body["ngrams"], body["context_ngrams"]),
                (tensors["idf"].astype("float64"), tensors["context_idf"].astype("float64")),
                tensors["coefficients"].astype("float64"),
                tensors["intercept"].astype("float64"),
                tuple(body["labels"]),
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise TrainingError(
                f"No classifier of emotions can be read from {str(folder)!r} ({error}). Make one: "
                "python -m train emotions --config train/configs/emotions.toml."
            ) from error

    def save(self, folder: Path) -> None:
        """Write the two files. Weights are kept in half precision: labels stay the same."""
        import numpy as np
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        body = {
            "facts": dict(self.facts),
            "labels": list(self.labels),
            "ngrams": list(self.ngrams[0]),
            "context_ngrams": list(self.ngrams[1]),
        }
        (folder / FACTS).write_text(json.dumps(body, ensure_ascii=False) + "\n", "utf-8")
        tensors = {
            "idf": self.idf[0],
            "context_idf": self.idf[1],
            "coefficients": self.coefficients,
            "intercept": self.intercept,
        }
        # safetensors writes the memory as it lies, so the order of the rows must be that of C.
        halves = {name: np.ascontiguousarray(one, np.float16) for name, one in tensors.items()}
        save_file(halves, folder / WEIGHTS)

    def label(self, texts: Sequence[str], before: Sequence[str]) -> list[str]:
        """The label of each line, read with the one before it ("" where there is none)."""
        if not texts:
            return []
        scores = self._features(texts, before) @ self.coefficients.T + self.intercept
        return [self.labels[n] for n in scores.argmax(axis=1)]

    def _features(self, texts: Sequence[str], before: Sequence[str]) -> Any:
        from scipy.sparse import hstack

        line, context = self._vectorizers
        weight = self.facts["context_weight"]
        marked = line.transform(marks(texts))
        return hstack([marked, weight * context.transform(marks(before))]).tocsr()

    @cached_property
    def _vectorizers(self) -> tuple[Any, Any]:
        made = []
        for ngrams, idf, longest in zip(self.ngrams, self.idf, self.facts["longest"], strict=True):
            one = vectorizer(longest)
            one.set_params(vocabulary={ngram: n for n, ngram in enumerate(ngrams)})
            one.idf_ = idf
            made.append(one)
        return made[0], made[1]


def marks(texts: Sequence[str]) -> list[str]:
    """Lines with their begin and end marked; nothing stays nothing."""
    return [f"{_BEGIN}{text}{_END}" if text else "" for text in texts]


def vectorizer(longest: int, least: int = 1) -> Any:
    """Counts of runs of letters up to that length, weighted by how rare they are."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer="char", ngram_range=(1, longest), min_df=least, sublinear_tf=True, lowercase=False
    )


def held_out(character: str, dialogue: str) -> bool:
    """Whether a dialogue of the cast is kept for measuring."""
    digest = hashlib.sha256(f"{character} {dialogue}".encode()).digest()
    return digest[0] % HELD_OUT == 0


def lines_of(
    characters: Sequence[Character], instructions: Mapping[str, str]
) -> tuple[list[Spoken], list[Spoken]]:
    """The labelled lines to learn from, and those held out."""
    learnt: list[Spoken] = []
    kept: list[Spoken] = []
    for one in characters:
        for dialogue in one.script:
            before = ""
            for turn in dialogue.turns:
                line = Spoken(turn.text, before, turn.emotion, one.id, "script")
                (kept if held_out(one.id, dialogue.id) else learnt).append(line)
                before = turn.text
        for asked in one.questions:
            line = Spoken(asked.answer, asked.question, asked.emotion, one.id, "questions")
            (kept if asked.split == "test" else learnt).append(line)
        for row in one.general:
            question = instructions.get(row.instruction, "")
            learnt += [
                Spoken(said.text, question, said.emotion, one.id, "general") for said in row.answers
            ]
    return learnt, kept


def learn(lines: Sequence[Spoken], config: Config) -> Classifier:
    """A classifier from labelled lines. The same lines give the same one."""
    import numpy as np
    from scipy.sparse import hstack
    from sklearn.svm import LinearSVC

    if len({one.emotion for one in lines}) < 2:
        raise TrainingError(f"{len(lines)} lines with fewer than two labels teach nothing.")
    line = vectorizer(config.ngrams, config.least_lines)
    context = vectorizer(config.context_ngrams, config.least_lines)
    own = line.fit_transform(marks([one.text for one in lines]))
    before = context.fit_transform(marks([one.before for one in lines]))
    # Rare feelings weigh as much as common ones: macro-F1 counts them alike.
    model = LinearSVC(C=config.regularisation, class_weight="balanced", random_state=config.seed)
    model.fit(hstack([own, config.context_weight * before]).tocsr(), [one.emotion for one in lines])
    facts = {
        "learnt_from": len(lines),
        "context_weight": config.context_weight,
        "longest": [config.ngrams, config.context_ngrams],
        "regularisation": config.regularisation,
        "seed": config.seed,
    }
    weights, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # one row tells the second from the first
        weights, intercept = np.vstack([-weights, weights]), np.hstack([-intercept, intercept])
    return Classifier(
        facts,
        (list(line.get_feature_names_out()), list(context.get_feature_names_out())),
        (line.idf_, context.idf_),
        weights,
        intercept,
        tuple(map(str, model.classes_)),
    )


def run(config: Config) -> Path:
    """Make the classifier; its folder."""
    folder = Path(config.characters)
    instructions = read_instructions(folder / "instructions.yaml")
    learnt, kept = lines_of(read_shelf(folder).characters, instructions)
    output = Path(config.output_dir)
    learn(learnt, config).save(output)
    scores = score(Classifier.load(output), kept)
    print(
        f"{output}: learnt from {len(learnt):,} lines; macro-F1 {scores['macro_f1']:.3f}, accuracy "
        f"{scores['accuracy']:.3f} on {len(kept):,} held-out lines"
    )
    return output


def score(classifier: Classifier, lines: Sequence[Spoken]) -> dict[str, Any]:
    """What a classifier makes of labelled lines; see `tally`."""
    guesses = classifier.label([one.text for one in lines], [one.before for one in lines])
    return tally([one.emotion for one in lines], guesses)


def unseen(lines: Sequence[Spoken], config: Config, folds: int = 4) -> dict[str, Any]:
    """The score on characters that nothing was learnt from: each of `folds` parts of the cast is
    labelled by a classifier of the others."""
    names = sorted({one.character for one in lines})
    truth: list[str] = []
    guesses: list[str] = []
    for fold in range(folds):
        away = set(names[fold::folds])
        mine = [one for one in lines if one.character in away]
        made = learn([one for one in lines if one.character not in away], config)
        truth += [one.emotion for one in mine]
        guesses += made.label([one.text for one in mine], [one.before for one in mine])
    return tally(truth, guesses)


def tally(truth: Sequence[str], guesses: Sequence[str]) -> dict[str, Any]:
    """Macro-F1 over the ten labels, accuracy, F1 by label, and the score of always the same label.

    A label that no line has counts 0 in the mean, as it would in a table of ten.
    """
    from sklearn.metrics import f1_score

    by_label = f1_score(truth, guesses, labels=list(LABELS), average=None, zero_division=0)
    counts = {label: truth.count(label) for label in LABELS}
    common = max(counts, key=lambda label: counts[label])
    share = counts[common] / max(len(truth), 1)
    return {
        "lines": len(truth),
        "macro_f1": round(float(by_label.mean()), 4),
        "accuracy": round(sum(a == b for a, b in zip(truth, guesses, strict=True)) / len(truth), 4),
        "by_label": {
            label: {"lines": counts[label], "f1": round(float(one), 4)}
            for label, one in zip(LABELS, by_label, strict=True)
        },
        "always_the_same": {
            "label": common,
            "accuracy": round(share, 4),
            "macro_f1": round(2 * share / (1 + share) / len(LABELS), 4),
        },
    }

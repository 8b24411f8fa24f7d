"""How the next token is drawn, against transformers' own processors."""

import math

import pytest
import torch
from transformers import RepetitionPenaltyLogitsProcessor, TopPLogitsWarper

from rolecraft.conversation import Sampling
from rolecraft.engines.sampler import Draft, Sampler, Vocabulary, _time, _times, draw

WORDS = [b"", b"", b"", b" ", b"\n", *(letter.encode() for letter in "你好世界啊哈")]
STOPS = (2, 12)
SIZE = 16  # 11 pieces, one special id that stops, padding
VOCABULARY = Vocabulary.of(WORDS, STOPS, SIZE)


def piece_of(index: int) -> str:
    return WORDS[index].decode() if index < len(WORDS) else ""


def make(seed: int = 0, **options: object) -> Sampler:
    return Sampler(Sampling(**options), seed, VOCABULARY, piece_of)  # type: ignore[arg-type]


def row(**scores: float) -> torch.Tensor:
    logits = torch.zeros(SIZE)
    for name, score in scores.items():
        logits[int(name[1:])] = score
    return logits


def test_ids_that_are_no_words() -> None:
    assert VOCABULARY.stops.tolist() == [2, 12]
    assert VOCABULARY.silent.tolist() == [0, 1, 11, 13, 14, 15]
    assert VOCABULARY.blank.tolist() == [3, 4]


def test_greedy_takes_the_largest_and_never_a_silent_id() -> None:
    assert make(temperature=0.0).draw(row(_5=1, _6=2), "", [], spoken=True) == 6
    assert make(temperature=0.0).draw(row(_0=9, _15=9, _6=2), "", [], spoken=True) == 6


def test_no_reply_is_empty() -> None:
    sampler = make(temperature=0.0)
    tempting = row(_2=9, _12=8, _4=7, _3=6, _7=1)
    assert sampler.draw(tempting, "", [], spoken=False) == 4  # the space that opens a text
    assert sampler.draw(tempting, "", [4], spoken=False) == 7
    assert sampler.draw(tempting, "你", [5], spoken=True) == 2
    warm = make(temperature=2.0, top_p=1.0)
    assert {warm.draw(tempting, "", [3] * n, spoken=False) for n in range(1, 60)} <= {*range(5, 11)}


@pytest.mark.parametrize("top_p", [0.01, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_top_p_keeps_what_transformers_keeps(top_p: float, temperature: float) -> None:
    logits = torch.randn(SIZE, generator=torch.Generator().manual_seed(3)) * 2
    masked = logits.clone()
    masked[VOCABULARY.silent] = -torch.inf
    kept = TopPLogitsWarper(top_p)(None, masked[None] / temperature)[0]
    wanted = torch.softmax(kept, dim=-1)
    sampler = make(temperature=temperature, top_p=top_p)
    drawn = torch.zeros(SIZE)
    for step in range(400):
        drawn[sampler.draw(logits, "", range(step), spoken=True)] += 1
    assert not drawn[wanted == 0].any()
    assert (drawn / 400 - wanted).abs().max() < 0.1


def test_repetition_penalty_equals_transformers() -> None:
    logits = torch.randn(SIZE, generator=torch.Generator().manual_seed(5)) * 3
    seen = [5, 6, 6, 9]
    wanted = RepetitionPenaltyLogitsProcessor(1.5)(torch.tensor([seen]), logits[None].clone())[0]
    wanted[VOCABULARY.silent] = -torch.inf
    drawn = make(temperature=0.0, repetition_penalty=1.5).draw(logits, "", seen, spoken=True)
    assert drawn == int(wanted.argmax())
    assert torch.equal(
        logits, torch.randn(SIZE, generator=torch.Generator().manual_seed(5)) * 3
    )  # the model's row is left as it was


def test_a_run_of_characters_is_not_said_twice() -> None:
    sampler = make(temperature=0.0, no_repeat_ngram_size=3)
    assert sampler.draw(row(_7=5, _8=4), "你好世界你好", [], spoken=True) == 8
    assert sampler.draw(row(_7=5, _8=4), "你好世界好", [], spoken=True) == 7
    assert make(temperature=0.0).draw(row(_7=5), "你好世界你好", [], spoken=True) == 7


@pytest.mark.parametrize("top_p", [0.7, 1.0])
def test_a_certain_token_that_would_repeat_leaves_the_next_one(top_p: float) -> None:
    sampler = make(temperature=0.3, top_p=top_p, no_repeat_ngram_size=3)
    for lead in (20.0, 60.0, 400.0):  # what the others have together is lost in rounding
        assert sampler.draw(row(_7=lead, _8=1), "你好世界你好", [], spoken=True) != 7


def test_a_reply_that_could_only_repeat_ends() -> None:
    sampler = make(temperature=0.0, no_repeat_ngram_size=1)
    favoured = row(**{f"_{index}": 9.0 for index in range(5, 11)}, _3=8, _4=8, _2=-9, _12=-9)
    assert sampler.draw(favoured, "你好世界啊哈 \n", [], spoken=True) in STOPS


def test_a_seed_gives_the_same_tokens() -> None:
    logits = torch.zeros(SIZE)

    def some(seed: int) -> list[int]:
        sampler = make(seed, temperature=1.0, top_p=1.0)
        return [sampler.draw(logits, "", range(step), spoken=True) for step in range(12)]

    torch.manual_seed(1)
    first = some(4)
    torch.manual_seed(2)  # the global generator has no say
    assert some(4) == first and some(5) != first


def test_a_draw_that_is_made_again_is_the_same() -> None:
    """A step that failed for one row is made again for the others."""
    logits, luck = torch.zeros(SIZE), []
    for step in range(20):
        sampler = make(step, temperature=1.0, top_p=1.0, no_repeat_ngram_size=3)
        drawn = {sampler.draw(logits, "你好世界你好", range(step), spoken=True) for _ in range(3)}
        assert len(drawn) == 1
        luck += drawn
    assert len(set(luck)) > 4


def test_rows_are_drawn_together_as_alone() -> None:
    logits = torch.randn(6, SIZE, generator=torch.Generator().manual_seed(8)) * 2
    options = [
        {"temperature": 0.0}, {"temperature": 0.9}, {"top_p": 1.0, "temperature": 1.7},
        {"repetition_penalty": 1.8, "temperature": 0.0}, {"no_repeat_ngram_size": 2}, {},
    ]  # fmt: skip

    def drafts() -> list[Draft]:
        return [
            Draft(make(row, **one), "你好世界", [5, 6, 7, 8], row != 5)
            for row, one in enumerate(options)
        ]

    together = draw(logits, drafts())
    alone = [draw(logits[row : row + 1], [draft])[0] for row, draft in enumerate(drafts())]
    assert [one.token for one in together] == [one.token for one in alone]
    wanted = torch.log_softmax(logits, dim=-1)
    for row, one in enumerate(together):
        assert abs(one.logprob - float(wanted[row, one.token])) < 1e-5


@pytest.mark.parametrize("size", [40, 2000])
def test_the_last_bits_of_logits_do_not_decide_a_draw(size: int) -> None:
    """A batch of another size computes a little differently; a seed must stay a reply."""
    many = Vocabulary.of([b"x"] * size, [2], size)
    logits = torch.randn(size, generator=torch.Generator().manual_seed(4))
    noise = torch.randn(200, size, generator=torch.Generator().manual_seed(5)) * 1e-5

    def drawn(noisy: bool) -> list[int]:
        sampler = Sampler(Sampling(temperature=1.0, top_p=0.95), 3, many, lambda index: "x")
        rows = [logits + one if noisy else logits for one in noise]
        return [sampler.draw(one, "x", range(n), spoken=True) for n, one in enumerate(rows)]

    assert drawn(noisy=True) == drawn(noisy=False)


def test_a_run_of_a_candidate_is_the_same_however_it_is_computed() -> None:
    tokens = torch.tensor([0, 1, 2, 65_023, 151_551])
    for key in (0, 7, 2**63 + 5, 2**64 - 1):
        alone = torch.tensor([_time(key, token) for token in tokens.tolist()], dtype=torch.double)
        assert torch.allclose(_times(key, tokens), alone, rtol=1e-12)
    many = _times(99, torch.arange(20_000))
    assert abs(float(many.mean()) - 1) < 0.03 and abs(float(many.var()) - 1) < 0.06


@pytest.mark.parametrize("top_p", [0.9, 0.99, 1.0])
def test_a_top_p_that_reaches_far(top_p: float) -> None:
    """Flat logits over many words: the nearest candidates are not enough."""
    size = 500
    many = Vocabulary.of([b"", b"", b"", *[b"x"] * (size - 3)], [2], size)
    sampler = Sampler(Sampling(temperature=1.0, top_p=top_p), 3, many, lambda index: "x")
    logits = torch.linspace(0.0, 1.0, size)
    drawn = {sampler.draw(logits, "x", range(step), spoken=True) for step in range(300)}
    assert len(drawn) > 150 and max(drawn) > 450 and not drawn & {0, 1}
    assert (min(drawn) < 60) == (top_p > 0.9)


def test_logits_that_are_no_numbers_are_told() -> None:
    found = draw(row(_5=float("nan"))[None], [Draft(make(temperature=0.0), "", [], True)])
    assert math.isnan(found[0].logprob)

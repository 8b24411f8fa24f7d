"""The requests that are answered at once, each in a slot of the attention cache, on one thread.

A step reads a block of prompts and then writes one token of every reply, so that a long prompt does
not hold up those who are being answered; short prompts share a block. Rows that write are the first
slots, without gaps; prompts are read in the last ones. What fails, fails alone.
"""

import logging
import math
import time
from collections.abc import Sequence

import torch

from rolecraft.conversation import Finish
from rolecraft.engines.budget import Plan, fit, limit_of, needs_of
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.graphs import Graphs
from rolecraft.engines.loading import Loaded, LocalModel
from rolecraft.engines.network import Block, Network
from rolecraft.engines.prefixes import Prefixes
from rolecraft.engines.proof import Proofs
from rolecraft.engines.row import Row
from rolecraft.engines.sampler import Drawn, Sampler, draw
from rolecraft.engines.stacks import Applied, Joined, Layout, Stack
from rolecraft.engines.voices import KEPT
from rolecraft.errors import CheckpointError, EngineFailed, RoleCraftError

log = logging.getLogger(__name__)

_ALONE = 4  # blocks read in a step while nobody writes


class Slots:
    """Takes requests up, moves all of them on by a step, lets them go."""

    def __init__(self, loaded: Loaded, model: LocalModel) -> None:
        self._loaded = loaded
        self._block = model.block
        self.network = Network(loaded.net, loaded.context + 1)
        self.proofs = Proofs(self.network)
        self.plan, spare = self._plan(loaded, model)
        plan = self.plan
        self.count, self.length = plan.slots, plan.length
        # One place more than any text has: padding of a batch may write there.
        self.cache = self.network.empty_cache(plan.slots, plan.length + 1)
        self.stack = Stack(
            plan.places,
            plan.slots,
            self.network.dtype,
            self.network.device,
            plan.adapters + spare,
        )
        self._graphs = None
        if self.network.device.type == "cuda":
            self._graphs = Graphs(self.network, self.cache, self.stack)
        self.prefixes = Prefixes(plan.cached_tokens)
        self.rows: list[Row] = []  # who writes; row i is in slot i
        self.readers: list[Row] = []
        self.pace: float | None = None  # seconds that a request keeps its slot

    def _plan(self, loaded: Loaded, model: LocalModel) -> tuple[Plan, int]:
        """What is taken, and the bytes that wider adapters than today's may take besides."""
        network = self.network
        size = torch.empty(0, dtype=network.dtype).element_size()
        token = network.layers * 2 * network.groups * network.head_dim * size
        numbers = Layout.of(loaded.voices.held()).size  # of the widest adapter
        host = 0
        if network.device.type == "cpu":
            host = 4 * numbers * min(KEPT, len(model.adapters))
        needs = needs_of(loaded.net, token, numbers * size, _ALONE * model.block, host)
        places = max(1, min(model.slots, len(model.adapters)))
        plan = fit(
            Plan(model.slots, loaded.context, model.cached_tokens, places, needs),
            limit := limit_of(network.device, needs.weights, model.memory_gb),
        )
        log.info("%s: %s", model.base, plan)
        return plan, 2**62 if limit is None else limit - plan.total

    @property
    def free(self) -> int:
        """How many more requests can be taken up."""
        return self.count - len(self.rows) - len(self.readers)

    @property
    def requests(self) -> list[LocalGeneration]:
        """Those that were taken up and have not ended."""
        return [row.request for row in (*self.rows, *self.readers)]

    def begin(self, request: LocalGeneration) -> bool:
        """Take a request up, with what is remembered of its prompt; false when it has to wait.

        Its end is told to the request, also when it fails.
        """
        try:
            return self._begin(request)
        except CheckpointError as error:  # its adapter does not speak: trying again is vain
            log.error("%s", error)
            said = f"{request.identity.engine} cannot answer: {error}"
            request.end("error", EngineFailed(said))
            return True
        except Exception as error:
            self._fail(request, error)
            return True

    def step(self) -> None:
        """Read some of a prompt and write a token of each reply."""
        for row in [*self.rows, *self.readers]:
            if row.request.cancelled.is_set():
                self._end(row, "user_stop")
        if self.readers:
            self._read(self._block if self.rows else _ALONE * self._block)
        if self.rows:
            self._write()

    # Prompts.

    def _begin(self, request: LocalGeneration) -> bool:
        if max(request.ids) >= self.network.vocab_size:
            raise ValueError(f"the model knows no token {max(request.ids)}")
        taken = {row.slot for row in self.readers}
        slot = next(slot for slot in reversed(range(self.count)) if slot not in taken)
        place = 0
        if request.voice:
            busy = {row.place for row in (*self.rows, *self.readers)}
            found = self.stack.place(request.voice, busy)
            if found is None:
                return False
            place = found
            self.proofs.prove(request.voice, self.stack.one(place), self.cache[:, slot])
        decoder = self._loaded.tokenizer.decoder()
        sampler = Sampler(request.sampling, request.seed, self._loaded.vocabulary, decoder.peek)
        row = Row(request, sampler, decoder, place, slot)
        row.read = self.prefixes.recall(row.root, request.ids, self.cache[:, slot])
        request.cached_tokens = row.read
        self.readers.append(row)
        request.taken.set()
        return True

    def _read(self, allowed: int) -> None:
        """Read so many tokens of prompts, those first that are nearest their end."""
        blocks = self._blocks(allowed)
        try:
            drawn = self._read_on(blocks)
        except Exception as error:
            drawn = [None] * len(blocks)
            if len(blocks) == 1:
                self._drop(blocks[0][0], error)
                return
            log.exception("A block of %d prompts failed; each is tried alone", len(blocks))
            for place, one in enumerate(blocks):
                try:
                    [drawn[place]] = self._read_on([one])
                except Exception as alone:
                    self._drop(one[0], alone)
        for (row, _), found in zip(blocks, drawn, strict=True):
            try:
                if found is not None:
                    self._begin_writing(row, found)
            except Exception as error:
                self._drop(row, error)

    def _blocks(self, allowed: int) -> list[tuple[Row, Block]]:
        """Who is read next, and how much of each."""
        blocks: list[tuple[Row, Block]] = []
        waiting = list(self.readers)
        while waiting and allowed > 0:
            # Whoever was passed over counts as a block shorter each time, so nobody starves.
            row = min(waiting, key=lambda row: row.left - row.passed * self._block)
            waiting.remove(row)
            for other in waiting:
                other.passed += 1
            cache = self.cache[:, row.slot]
            if not row.read:  # what was read since it came, such as a persona, is here by now
                row.read = self.prefixes.recall(row.root, row.request.ids, cache)
                row.request.cached_tokens = row.read
            ids = row.request.ids[row.read : row.read + allowed]
            blocks.append((row, Block(ids, row.read, cache, self.stack.one(row.place))))
            allowed -= len(ids)
        return blocks

    def _read_on(self, blocks: Sequence[tuple[Row, Block]]) -> list[Drawn | None]:
        """Read these blocks; the first token of each reply whose prompt ends with its block."""
        hidden = self.network.read([block for _, block in blocks])
        ends: list[tuple[Row, int, Applied | None]] = []
        count = 0
        for row, block in blocks:
            count += len(block.ids)
            if block.end == len(row.request.ids):
                ends.append((row, count - 1, block.voice))
        found: dict[Row, Drawn] = {}
        if ends:
            last = hidden[[place for _, place, _ in ends]]
            logits = self.network.logits(last, Joined.of([(1, voice) for *_, voice in ends]))
            drawn = draw(logits, [row.draft() for row, *_ in ends])
            found = dict(zip([row for row, *_ in ends], drawn, strict=True))
        for row, block in blocks:
            row.read = block.end
        return [found.get(row) for row, _ in blocks]

    def _begin_writing(self, row: Row, drawn: Drawn) -> None:
        """The prompt is read: remember it, say the first token and take a seat."""
        if not math.isnan(drawn.logprob):
            self._remember(row, row.request.ids)
        self._say(row, drawn)
        if row in self.readers:
            self._seat(row)

    def _seat(self, row: Row) -> None:
        """Let a row that has read its prompt write, in the first slot after those who do."""
        self.readers.remove(row)
        slot = len(self.rows)
        if row.slot != slot:
            kept = self.cache[:, row.slot, :, : row.read]
            for other in self.readers:
                if other.slot == slot:  # someone reads there: change places
                    kept = kept.clone()
                    self._copy(other, row.slot)
            self.cache[:, slot, :, : row.read].copy_(kept)
            row.slot = slot
        self.rows.append(row)
        self.stack.seat(slot, row.place)

    def _copy(self, row: Row, slot: int) -> None:
        moved = self.cache[:, row.slot, :, : row.read]
        self.cache[:, slot, :, : row.read].copy_(moved)
        row.slot = slot

    # Replies.

    def _write(self) -> None:
        """One token more for every row."""
        rows = list(self.rows)
        try:
            drawn = self._draw(rows)
        except Exception:
            # Nothing tells whose fault it was; the step changes nothing that a second cannot.
            log.exception("A step of %d replies failed; each is tried alone", len(rows))
            drawn = [self._draw_alone(row) for row in rows]
        for row, found in zip(rows, drawn, strict=True):
            row.read += found is not None
        for row, found in zip(rows, drawn, strict=True):
            try:
                if found is None:
                    self._leave(row)
                else:
                    self._say(row, found)
            except Exception as error:
                self._drop(row, error)

    def _draw(self, rows: Sequence[Row]) -> Sequence[Drawn | None]:
        last, reads = [row.tokens[-1] for row in rows], [row.read for row in rows]
        if self._graphs and rows[0].slot == 0:
            return draw(self._graphs.step(last, reads), [row.draft() for row in rows])
        ids = torch.tensor(last, device=self.network.device)
        places = torch.tensor(reads, device=self.network.device)
        length = max(reads) + 1
        cache = self.cache[:, rows[0].slot : rows[0].slot + len(rows)]
        voices = self.stack.applied(len(rows)) if len(rows) > 1 else self.stack.one(rows[0].place)
        logits = self.network.step(ids, places, cache, length, voices)
        return draw(logits, [row.draft() for row in rows])

    def _draw_alone(self, row: Row) -> Drawn | None:
        try:
            return self._draw([row])[0]
        except Exception as error:
            self._fail(row.request, error)
            return None

    def _say(self, row: Row, drawn: Drawn) -> None:
        """Add a token to a reply, or end it."""
        request = row.request
        if math.isnan(drawn.logprob):
            said = "the model computed values that are no numbers (try dtype bfloat16)"
            self._fail(request, ValueError(said))
            self.cache[:, row.slot].zero_()  # what is no number outlasts a mask
            self._leave(row)
            return
        if drawn.token in self._loaded.tokenizer.stop_ids:
            self._end(row, "stop")
            return
        row.tokens.append(drawn.token)
        piece = row.decoder.push(drawn.token)
        last = len(row.tokens) >= request.sampling.max_new_tokens
        if last and not row.written + piece:
            piece = row.decoder.flush()  # half a character is better than an empty reply
        piece, stopped = row.write(piece)
        request.write(piece, drawn.logprob)
        if stopped:
            self._end(row, "stop")
        elif last:
            self._end(row, "length")

    def _end(self, row: Row, finish: Finish) -> None:
        """Let a request go and remember what was read."""
        self._remember(row, [*row.request.ids, *row.tokens][: row.read])
        taken = time.monotonic() - row.request.begun_at
        self.pace = taken if self.pace is None else 0.8 * self.pace + 0.2 * taken
        row.request.write(row.rest())
        row.request.end(finish)
        self._leave(row)

    def _remember(self, row: Row, ids: Sequence[int]) -> None:
        """What there is no room to remember is read again; no reply fails for it."""
        try:
            self.prefixes.keep(row.root, ids, self.cache[:, row.slot])
        except Exception as error:
            if not _is_memory(error):
                raise
            self._make_room()

    def _make_room(self) -> None:
        self.prefixes.clear()  # what is remembered is the first to give way
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _drop(self, row: Row, error: Exception) -> None:
        self._fail(row.request, error)
        self._leave(row)

    def _fail(self, request: LocalGeneration, error: Exception) -> None:
        log.error("%s failed while it answered", request.identity.engine, exc_info=error)
        if _is_memory(error):
            self._make_room()
        said = f"{request.identity.engine} failed: {short(error)}. Try again."
        request.end("error", EngineFailed(said))

    def _leave(self, row: Row) -> None:
        """Free the slot; the last who writes moves into the gap."""
        if row in self.readers:
            self.readers.remove(row)
        if row not in self.rows:
            return
        last = self.rows.pop()
        if last is not row:
            self.rows[row.slot] = last
            self.stack.seat(row.slot, last.place)
            self._copy(last, row.slot)


def _is_memory(error: Exception) -> bool:
    """Whether memory ran out; on a CPU torch says so by an error of no kind of its own."""
    kinds = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return kinds or "can't allocate memory" in str(error)


def short(error: BaseException) -> str:
    """An error in a line; the log has all of it."""
    if isinstance(error, RoleCraftError):
        return str(error)
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]

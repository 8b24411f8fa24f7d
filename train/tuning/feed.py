"""The rows of a tuning: those of its mix, and those of what is never trained on."""

from train.documents import Rows
from train.feed import Feed as AnyFeed
from train.tuning.config import Config
from train.tuning.mix import Mix


class Feed(AnyFeed):
    """Rows for ever."""

    def __init__(self, config: Config, mix: Mix) -> None:
        super().__init__(
            mix,
            config.row_tokens,
            config.rows_per_step,
            config.rows_per_microbatch,
            config.pool,
            config.packing,
        )
        self.mix = mix

    def validation(self) -> list[Rows]:
        """The rows of the examples that are never trained on."""
        waiting, rows = self.mix.held_out(), []
        before = self.mix.rng.getstate()
        self.mix.rng.seed("validation")
        while waiting:
            rows.append(self.row(waiting))
        self.mix.rng.setstate(before)
        return rows

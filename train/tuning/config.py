"""The settings of an adapter's tuning; the defaults are the paper's."""

import dataclasses

from rolecraft.errors import ConfigurationError
from train.config import StageConfig

PACKINGS = ("packed", "shared")
PROMPTS = ("small", "large")
DTYPES = ("fp32", "bf16", "fp16")
QUANTIZATIONS = ("", "int8", "nf4")


@dataclasses.dataclass(frozen=True)
class Config(StageConfig):
    """One tuning. `sources` maps where examples come from to their shares.

    "general" (with the everyday answers), "specific" and "script" are read from the folder
    `characters` and gone through epoch by epoch; so is "rated", what `ratings to-training` wrote
    into the folder `ratings`; "cast", "imagined" and "recall" are composed anew for every talk.
    Characters of a source are drawn in proportion to (their examples) ** (1 / temperature): 1
    follows the data, more makes small characters more frequent. `data_seed` orders the examples
    (0: as `seed`), `seed` draws the adapter's first values and its dropout.
    """

    base: str = "models/mini"
    sources: dict[str, float] = dataclasses.field(default_factory=lambda: {"cast": 1.0})
    characters: str = "characters"
    ratings: str = ""
    temperature: float = 1.0
    data_seed: int = 0
    held_instructions: tuple[str, ...] = ()  # general ones that are kept for a test
    emotions: bool = True  # whether replies open with their emotion
    prompt: str = "small"  # small: the mini's short persona; large: the whole one
    source_tokens: int = 0  # longer prompts leave out their oldest turns; 0: as in the chat
    target_tokens: int = 0  # longer replies are cut; 0: never
    lora_r: int = 8
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj")
    learning_rate: float = 2e-4
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    max_steps: int = 500
    row_tokens: int = 640
    rows_per_step: int = 4
    rows_per_microbatch: int = 2
    packing: str = "packed"  # shared: samples of one persona share its tokens
    pool: int = 48  # documents that wait to be packed; sharing wants many
    warmup_steps: int = 20
    decay_share: float = 0.7
    validation_share: float = 0.0  # of the examples in `characters`, never trained on
    validation_items: int = 128
    validation_every: int = 0  # steps; 0 never stops early
    patience: int = 3  # validations without a better loss
    dtype: str = "fp32"
    bf16: bool = False  # autocast of an fp32 base: faster on processors with AVX-512 BF16
    quantization: str = ""
    gradient_checkpointing: bool = False
    device: str = "cpu"
    shard: bool = False  # spread the base over all processes (FSDP)
    workers: int = 1  # threads; only one repeats a run bit by bit
    save_seconds: int = 300
    save_steps: int = 0
    probe_characters: int = 8  # who are asked for their names at the end
    work_dir: str = "runs/adapter"

    def __post_init__(self) -> None:
        choices = {
            "packing": PACKINGS, "prompt": PROMPTS, "dtype": DTYPES, "quantization": QUANTIZATIONS,
        }  # fmt: skip
        for key, allowed in choices.items():
            if getattr(self, key) not in allowed:
                raise ConfigurationError(
                    f"{key} is {getattr(self, key)!r}. Choose {' or '.join(map(repr, allowed))}."
                )
        if not self.sources or min(self.sources.values()) < 0 or not sum(self.sources.values()):
            raise ConfigurationError(
                f"sources is {self.sources!r}. Give each source a share, such as "
                "{general = 0.5, specific = 0.5}."
            )
        if self.temperature <= 0:
            raise ConfigurationError(f"temperature is {self.temperature}. Take 1 or more.")
        if self.rows_per_microbatch < 1 or self.rows_per_step % self.rows_per_microbatch:
            raise ConfigurationError(
                f"rows_per_step is {self.rows_per_step}, which {self.rows_per_microbatch} rows a "
                "microbatch do not divide. Take a multiple of rows_per_microbatch."
            )
        self._check_validation()

    def _check_validation(self) -> None:
        if self.validation_every and not self.validation_share:
            raise ConfigurationError(
                "validation_every is set, but validation_share is 0: nothing is kept to validate "
                "with. Set validation_share, such as 0.05."
            )
        if self.validation_every and self.quantization == "nf4" and self.device == "cpu":
            # bitsandbytes repacks the weights for inference; training cannot go on after that.
            raise ConfigurationError(
                "nf4 on a CPU cannot be trained on after a validation. "
                "Set validation_every = 0, or take int8 or a GPU."
            )
        if self.shard and self.quantization:
            raise ConfigurationError(
                f"shard spreads a whole base, not a quantised one ({self.quantization}). "
                "A quantised base fits each GPU: set shard = false."
            )

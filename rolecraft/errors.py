"""One family of errors whose text may be shown to the person who caused them.

Every message names the thing, the value and the cure. Anything else that is raised is a bug.
"""


class RoleCraftError(Exception):
    """Base of every error whose text is written for the user."""


class ConfigurationError(RoleCraftError):
    """A setting, an environment variable or a hosting file that cannot be used."""


class CharacterNotFound(RoleCraftError):
    """No character of that id or name is on the shelf."""


class CharacterInvalid(RoleCraftError):
    """A character folder or card that cannot be read."""


class EngineNotFound(RoleCraftError):
    """No engine or adapter of that name is in the catalogue."""


class EngineUnavailable(RoleCraftError):
    """The engine is known, but its weights, key or server are not here."""


class EngineFailed(RoleCraftError):
    """The engine broke while it was answering; the conversation is unharmed."""


class EngineRefused(EngineFailed):
    """The server will answer nothing: key or model name are wrong. Asking again is vain."""


class RequestRefused(EngineFailed):
    """The server will never answer this request (too long, filtered); others it will."""


class CheckpointError(RoleCraftError):
    """Weights, tokeniser or adapter that are missing, unsafe, corrupt or of another base."""


class InputRefused(RoleCraftError):
    """A message that is too long, too frequent or empty."""


class StoreUnavailable(RoleCraftError):
    """The database or the vector store cannot be written or read now."""


class DataFolderBusy(RoleCraftError):
    """Another process owns the data folder."""


class ConversationNotFound(RoleCraftError):
    """No conversation of that id belongs to this visitor."""


class TrainingError(RoleCraftError):
    """A training stage that cannot start or go on."""


class RatingRefused(RoleCraftError):
    """A rating that cannot be counted: not theirs, not shown, not ended, too late, out of range.

    `reason` names it for a page that says it in another language; `form` is the rater's form that
    stands in the way, where there is one.
    """

    def __init__(self, said: str, reason: str = "", form: str = "") -> None:
        super().__init__(said)
        self.reason = reason
        self.form = form


class RatingNotSaved(StoreUnavailable):
    """The rating is not in the database yet; the form must stay filled and be sent again."""


class ResultsError(RoleCraftError):
    """A table, export or study that cannot be computed, read or written."""

"""What a failure of the database means and what to do about it, in plain words.

Knows no table: it only reads the error that a driver raised.
"""

import sqlalchemy.exc as sa_exc

# What SQLite says (its errors have no stable codes before they reach SQLAlchemy) → cause, cure.
_SQLITE = (
    (
        ("database is locked", "database table is locked"),
        "is locked by another program",
        "Close what else has it open (a database browser, a backup) and try again",
    ),
    (
        ("database or disk is full",),
        "cannot grow: the disk is full",
        "Free some space and try again",
    ),
    (
        ("readonly database",),
        "is read-only",
        "Let the user that runs RoleCraft write the file and its folder",
    ),
    (
        ("unable to open database file",),
        "cannot be opened",
        "Check that its folder exists and that the user that runs RoleCraft may write it",
    ),
    (
        ("malformed", "not a database"),
        "is damaged or is no database",
        "Put a backup in its place, or move it away to start with an empty one",
    ),
    (("disk i/o error",), "cannot be written: the disk fails", "Check the disk and try again"),
)
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES = (
    (("53100",), "cannot grow: the server's disk is full", "Free some space and try again"),
    (("53300",), "has no connection left", "Raise max_connections of the server or try again"),
    (
        ("25006",),
        "is read-only",
        "Point ROLECRAFT_DATABASE_URL to the primary server",
    ),
    (
        ("55P03", "40P01", "57014"),
        "is locked by another program",
        "Try again; if it lasts, end the transaction that holds the lock",
    ),
    (
        ("28P01", "28000", "3D000"),
        "refused the sign-in",
        "Check user, password and database name in ROLECRAFT_DATABASE_URL",
    ),
    (
        ("42501",),
        "refused the access",
        "Grant the user of ROLECRAFT_DATABASE_URL the right to create and write tables",
    ),
)
_BUGS = (
    sa_exc.IntegrityError,
    sa_exc.DataError,
    sa_exc.NotSupportedError,
)


def explain(error: sa_exc.SQLAlchemyError, place: str) -> str | None:
    """The sentence for the user, or None when the error is a bug and no trouble of the place."""
    if isinstance(error, sa_exc.TimeoutError):
        return _sentence(place, "is too busy", "Try again in a moment")
    if not isinstance(error, sa_exc.DBAPIError) or isinstance(error, _BUGS):
        return None
    said = str(error.orig).lower()
    for signs, cause, cure in _SQLITE:
        if any(sign in said for sign in signs):
            return _sentence(place, cause, cure)
    state = getattr(error.orig, "sqlstate", None)
    for states, cause, cure in _POSTGRES:
        if state in states:
            return _sentence(place, cause, cure)
    if isinstance(error, sa_exc.ProgrammingError):
        return None
    reason = (str(error.orig).strip().splitlines() or ["no reason given"])[0]
    return _sentence(place, f"does not answer ({reason})", "Check that it runs, then try again")


def _sentence(place: str, cause: str, cure: str) -> str:
    return f"The database {place} {cause}. {cure}. This step changed nothing."

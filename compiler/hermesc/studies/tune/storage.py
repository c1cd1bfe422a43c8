"""Optuna's studies on disk: made, taken up again, and refused where they are of something else."""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

from hermesrt.errors import InputError, OptionError
from hermesrt.extras import require
from hermesrt.files.atomic import check_writable

Sampler = Literal["tpe", "nsga2", "nsga3", "random", "gp"]
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
JOURNALS = (".log", ".journal")
_SQLITE = b"SQLite format 3\x00"
_IDENTITY, _PROCESS = "hermesc", "process"
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]*@")


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna's log and what it warns of are not the user's."""
    require("optuna", "hermesc tune")
    import optuna

    migrations = logging.getLogger("alembic")
    before = optuna.logging.get_verbosity(), migrations.level
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    migrations.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before[0])
        migrations.setLevel(before[1])


def open_study(storage: str | Path, name: str, aims: int, identity: Mapping[str, Any]) -> Any:
    """A new study, or the one of that name, whose points go on.

    storage: a file of SQLite, a journal (.log, .journal), or the address of a database.
    name: of the study.
    aims: how many objectives, each the less the better.
    identity: all that its points depend on.
    Raises: InputError for a file that is none; OptionError for a study of something else.
    """
    import optuna

    place = str(storage)
    try:
        study = optuna.create_study(
            storage=_storage(place),
            study_name=name,
            directions=["minimize"] * aims,
            load_if_exists=True,
        )
        known = study.user_attrs.get(_IDENTITY)
        if known is None:
            study.set_user_attr(_IDENTITY, dict(identity))
    except (OptionError, InputError):
        raise
    except Exception as error:  # each kind of database raises its own
        text = _PASSWORD.sub(r"\1***@", " ".join(str(error).split()))[:200]
        place = _PASSWORD.sub(r"\1***@", place)
        raise InputError(f"--storage {place}: it cannot be opened as a study: {text}") from None
    if known is not None and known != dict(identity):
        other = ", ".join(k for k in identity if known.get(k) != identity[k])
        raise OptionError(
            f"--storage {place}: it holds a search of {name} with another {other}; name another "
            "file, or give what it was made with"
        )
    return study


def take_up(study: Any) -> int:
    """Begin points again that a process which is no more had begun; how many."""
    import optuna

    running = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    stale = [t for t in running if not _alive(t.user_attrs.get(_PROCESS))]
    for trial in stale:
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        begun = trial.system_attrs.get("fixed_params", trial.params)
        if begun:
            study.enqueue_trial(begun, user_attrs=_kept(trial.user_attrs))
    return len(stale)


def ask(study: Any, sampler: Sampler, seed: int) -> Any:
    """The next point; the same points before it and the same seed give the same one."""
    import optuna

    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    done = len(study.get_trials(deepcopy=False, states=ended))
    study.sampler = _sampler(sampler, (seed * 1_000_003 + done) % 2**32)
    trial = study.ask()
    trial.set_user_attr(_PROCESS, f"{os.uname().nodename} {os.getpid()}")
    return trial


def _sampler(name: Sampler, seed: int) -> Any:
    from optuna import samplers

    match name:
        case "tpe":
            return samplers.TPESampler(seed=seed, multivariate=True, group=True)
        case "nsga2":
            return samplers.NSGAIISampler(seed=seed)
        case "nsga3":
            return samplers.NSGAIIISampler(seed=seed)
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "gp":
            return samplers.GPSampler(seed=seed)


def _storage(place: str) -> Any:
    import optuna

    if "://" in place:
        return optuna.storages.RDBStorage(place)
    path = Path(place)
    check_writable(path)
    if path.suffix in JOURNALS:
        from optuna.storages.journal import JournalFileBackend

        return optuna.storages.JournalStorage(JournalFileBackend(place))
    if path.exists() and path.stat().st_size:
        _check_ours(path)
    return _write_ahead(optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}"))


def _check_ours(path: Path) -> None:
    """Refuse a file that something else than Optuna wrote."""
    import sqlite3

    if path.read_bytes()[:16] != _SQLITE:
        raise InputError(
            f"--storage {path}: it is no SQLite database; name another file, or a journal "
            f"({', '.join(JOURNALS)})"
        )
    with closing(sqlite3.connect(path)) as file:
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master")}
    if tables and "studies" not in tables:
        raise InputError(
            f"--storage {path}: a database of something else, with {', '.join(sorted(tables))[:80]}"
            "; name another file"
        )


def _write_ahead(storage: Any) -> Any:
    """A file that is not brought to the disk after each of the many small changes; what a killed
    process wrote is kept all the same."""
    from sqlalchemy import event

    def configure(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(storage.engine, "connect", configure)
    storage.engine.dispose()
    return storage


def _alive(process: object) -> bool:
    """Whether another process of that name still runs, as far as this machine can tell."""
    host, _, number = str(process).rpartition(" ")
    if host != os.uname().nodename:
        return process is not None
    if int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _kept(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in attributes.items() if k != _PROCESS}

"""Puts the files of one format on a Hugging Face hub as a dataset: what a manifest names, the manifest, and the card.

Nothing is sent before a person has seen what goes where. The token is read where huggingface_hub reads it (HF_TOKEN,
or what `hf auth login` kept), goes into requests alone, and into no message. Large files go by LFS, never by Xet, which
would send them to another host than the one that is named.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from pipeline.errors import DataError, MissingExtra, ProviderError, RecipeError, RowsRehearsed, SynthError

from .card import CARD
from .placing import MANIFEST, configs_in, side_of
from .write import NAMES

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_OFF = ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY")
"""Switches of huggingface_hub that are on while we ask."""
State = Literal["new", "private", "public"]


class Remote(NamedTuple):
    """The repository as it stands: new where there is none; its last commit and its files."""

    state: State
    commit: str = ""
    files: tuple[str, ...] = ()


class Push(NamedTuple):
    """What would go where.

    Attributes:
        repo: OWNER/NAME.
        endpoint: the hub's address.
        private: whether only its owner sees it afterwards.
        files: name in the repository -> file here.
        bytes: of all files.
        gone: training files of an earlier push that this export does not have; they are taken away there.
        message: of the commit.
        notes: what to look at before, as the manifest has it.
    """

    repo: str
    endpoint: str
    private: bool
    files: dict[str, Path]
    bytes: int
    gone: tuple[str, ...]
    remote: Remote
    message: str
    notes: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Where a browser shows it."""
        return f"{self.endpoint}/datasets/{self.repo}"


class Pushed(NamedTuple):
    """What came of it: the commit, and whether it is a new one."""

    url: str
    commit: str
    changed: bool


def plan_push(
    folder: Path, repo: str, *, public: bool = False, allow_rehearsal: bool = False, name: str = "NAME",
) -> Push:
    """Looks at what can be wrong before anything is sent. Reads the repository, and changes nothing.

    Args:
        folder: of one format, with its manifest.
        repo: OWNER/NAME.
        public: whether a new repository is for everybody, and a public one may be written to.
        allow_rehearsal: whether rehearsed rows may leave this machine.
        name: of the dataset, for the commands that are proposed.

    Raises:
        RecipeError: no such name for a repository; RowsRehearsed; a public one where a private one was meant.
        DataError: the folder is no export, or a file is not what its manifest says.
        MissingExtra: huggingface_hub is not installed.
        ProviderError: no token, or the hub refuses or does not answer.
    """
    refuse_name(repo, name)
    manifest = _manifest(folder, name)
    if manifest.get("rehearsal") and not allow_rehearsal:
        raise rehearsed(str(folder), name)
    files = _files(folder, manifest)
    with _hub() as api:
        remote = _remote(api, repo)
    if not public:
        _refuse_public(remote, f"{api.endpoint}/datasets/{repo}")
    ours = {*NAMES.values()}
    gone = tuple(name for name in remote.files if side_of(name.partition("/")[0]) in ours and name not in files)
    rows = " + ".join(f"{file['rows']:,}" for file in manifest["files"])
    private = remote.state == "private" or (remote.state == "new" and not public)
    size = sum(path.stat().st_size for path in files.values())
    message = f"{rows} rows of {manifest.get('dataset') or name} as {manifest['format']}"
    notes = tuple(str(note) for note in manifest.get("notes") or ())
    return Push(repo, api.endpoint, private, files, size, gone, remote, message, notes)


def refuse_name(repo: str, name: str) -> None:
    """Raises RecipeError where no repository can have this name; `name` is of what is exported."""
    if not _NAME.fullmatch(repo) or "--" in repo or ".." in repo:
        raise RecipeError(f"--push {repo}: OWNER/NAME is wanted, as me/plots: letters, digits, '-', '_' and '.'",
                          f"synth export {name} --push OWNER/NAME")


def rehearsed(where: str, name: str) -> RowsRehearsed:
    """Why rows that nobody wrote stay here."""
    return RowsRehearsed(f"{where}: these rows are a rehearsal, and would go to a hub",
                         f"synth run {name} --model openai:gpt-4.1-mini   writes real ones\n"
                         "--allow-rehearsal   sends them as they are")


def ready() -> None:
    """Whether a hub could be asked at all; nothing is sent.

    Raises:
        MissingExtra: huggingface_hub is not installed.
        ProviderError: no token, or HF_ENDPOINT is no address.
    """
    with _hub():
        pass


def send(push: Push) -> Pushed:
    """Makes the repository where there is none, and puts all files there in one commit.

    The same files as there are already make no commit.

    Raises:
        RecipeError: it is public by now, and was to be private.
        ProviderError: the hub refuses or does not answer; what was there before stands.
    """
    with _hub() as api:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        if push.remote.state == "new":
            api.create_repo(push.repo, repo_type="dataset", private=push.private, exist_ok=True)
            if push.private:  # the hub may have its own mind, and someone may have made it since
                _refuse_public(_remote(api, push.repo), push.url)
        adds = [CommitOperationAdd(name, str(path)) for name, path in push.files.items()]
        drops = [CommitOperationDelete(name) for name in push.gone]
        made = api.create_commit(push.repo, [*adds, *drops], commit_message=push.message, repo_type="dataset")
    return Pushed(push.url, made.oid, made.oid != push.remote.commit)


def _manifest(folder: Path, name: str) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        value = orjson.loads(path.read_bytes())
        if isinstance(value["files"], list) and value["format"]:
            return dict(value)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path}: not an export's manifest", f"synth export {name}")


def _files(folder: Path, manifest: dict[str, Any]) -> dict[str, Path]:
    """Name in the repository -> file: what the manifest lists, card and manifest; nothing else that lies there."""
    found: dict[str, Path] = {}
    for name in [*(str(file["name"]) for file in manifest["files"]), *configs_in(folder, manifest), CARD, MANIFEST]:
        path = folder / name
        inside = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        found |= {each.relative_to(folder).as_posix(): each for each in inside if each.is_file()}
    return found


def _refuse_public(remote: Remote, url: str) -> None:
    if remote.state == "public":
        raise RecipeError(f"{url} is public: everybody would see these rows",
                          "--public             sends them all the same\n--push OWNER/OTHER   makes a private one")


def _remote(api: Any, repo: str) -> Remote:
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        known = api.repo_info(repo, repo_type="dataset")
    except RepositoryNotFoundError as error:
        if error.response.status_code == 401:  # what the hub says of a token that it does not know
            raise
        return Remote("new")
    files = tuple(sorted(str(file.rfilename) for file in known.siblings or ()))
    return Remote("private" if known.private else "public", str(known.sha or ""), files)


@contextmanager
def _hub() -> Iterator[Any]:
    """The hub's own client, quiet; its refusals become errors of ours."""
    try:
        import huggingface_hub as hub
        from huggingface_hub import constants, errors
    except ImportError:
        raise MissingExtra.of("huggingface_hub", "hub", "publishing on a hub") from None
    endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    if not endpoint.startswith(("http://", "https://")):
        raise ProviderError(f"HF_ENDPOINT={endpoint}: an address begins with https:// or http://",
                            f"export HF_ENDPOINT=https://{endpoint}")
    token = hub.get_token()
    if token is None:
        raise ProviderError(f"{endpoint}: no token: HF_TOKEN is not set, and `hf auth login` kept none",
                            f"export HF_TOKEN=...   one that may write, from {endpoint}/settings/tokens")
    try:
        with _quiet():
            yield hub.HfApi(endpoint=endpoint, token=token, library_name="synth")
    except SynthError:
        raise
    except errors.HfHubHTTPError as error:
        raise _refused(endpoint, error.response.status_code, _said(error, token)) from None
    except errors.OfflineModeIsEnabled:
        raise ProviderError(f"{endpoint}: HF_HUB_OFFLINE is set, so nothing is asked of a hub",
                            "unset HF_HUB_OFFLINE") from None
    except (RuntimeError, ValueError, OSError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, errors.HfHubHTTPError) else None
        if cause is not None:
            raise _refused(endpoint, cause.response.status_code, _said(cause, token)) from None
        raise ProviderError(f"{endpoint}: {_clean(str(error), token)}", _AGAIN) from None
    except Exception as error:
        if not type(error).__module__.startswith(("httpx", "httpcore")):
            raise
        raise ProviderError(f"{endpoint}: does not answer: {_clean(str(error), token) or type(error).__name__}",
                            f"{_AGAIN}\nan address of your own: export HF_ENDPOINT=https://...") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """No Xet, no telemetry, no progress bars, no words of its own while a hub is asked; all as it was afterwards."""
    from huggingface_hub import constants, utils

    tools: Any = utils
    log, known = logging.getLogger("huggingface_hub"), {name: getattr(constants, name) for name in _OFF}
    level, bars = log.level, tools.are_progress_bars_disabled()
    try:
        log.setLevel(logging.ERROR)
        tools.disable_progress_bars()
        for name in _OFF:
            setattr(constants, name, True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        for name, value in known.items():
            setattr(constants, name, value)
        if not bars:
            tools.enable_progress_bars()


_AGAIN = "the same command again goes on where it can: what is there already is not sent twice"


def _said(error: Any, token: str) -> str:
    """The hub's own words, on one line."""
    said = error.server_message or error.response.headers.get("X-Error-Message") or ""
    return _clean(str(said), token)


def _clean(text: str, token: str) -> str:
    return " ".join(text.replace(token, "(token)").split())[:300]


def _refused(endpoint: str, status: int, said: str) -> ProviderError:
    """The error of an HTTP status, with what to do about it."""
    tokens = f"{endpoint}/settings/tokens"
    hints = {
        401: f"export HF_TOKEN=...   one that may write, from {tokens}",
        402: f"the hub wants to be paid for this: {endpoint}/settings/billing",
        403: f"the token may not write there: one that may, from {tokens}; or another owner after --push",
        404: f"is the name right, and may the token write there? {tokens}",
        409: "someone else writes there at the same time: the same command again",
        412: "someone else wrote there at the same time: the same command again",
        429: "the hub wants a pause: the same command again in some minutes",
    }
    what = f"answers {status}{f': {said}' if said else ''}"
    return ProviderError(f"{endpoint}: {what}", hints.get(status, _AGAIN))

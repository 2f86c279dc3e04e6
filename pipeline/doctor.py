"""What works on this machine, and the line that cures each gap. Contacts nobody unless it is told to."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO

from . import __version__, tokens
from .engine.protocol import CallFailed
from .errors import SynthError, did_you_mean
from .hosts import host as host_of
from .locate import shipped
from .prices import free_here, price_at
from .providers import Host, build, hosts, provider_for
from .settings import FILE, VARIABLES, Settings, load_settings
from .words import price as dollars

DISTRIBUTION = "synth-pipeline"
EXTRAS = {
    "parquet": "Parquet files",
    "local": "tuning and writing with models on this machine",
}
"""Extra -> what it is for."""

LITTLE_DISK, TOO_LITTLE_DISK = 1_000_000_000, 50_000_000
"""Bytes free on the disk of the datasets: below the first a gap, below the second a fault."""

PATIENCE_S = 10.0
"""How long a host may take to list its models."""

NEEDED = {"sqlite3": "_sqlite3", "ssl": "_ssl", "zlib": "zlib"}
"""Parts of Python that some builds lack -> the module that proves them."""


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes:
        state: `gap` where something optional is missing, `fail` where something is broken.
        what: what was found.
        cure: the line that mends it; empty where there is nothing to mend.
    """

    name: str
    state: Literal["ok", "gap", "fail"]
    what: str
    cure: str = ""


def checks(
    cwd: Path, env: Mapping[str, str], flags: Mapping[str, Any], *, online: bool = False, screen: TextIO | None = None
) -> list[Check]:
    """Looks at everything that a run needs.

    Args:
        cwd: the folder that a run would start in.
        env: the environment. Of a key, only whether it is there is told, never what it is.
        flags: settings from the command line.
        online: ask the host of the model that would write for its list of models.
        screen: the stream that people read.
    """
    found = [_python(), _package(), _packages(), *_extras()]
    settings: Settings | None = None
    try:
        settings = load_settings(cwd, env, flags)
    except SynthError as error:
        found.append(Check("settings", "fail", error.message, error.hint))
    else:
        found.append(_settings(cwd, env))
    if settings is not None:
        found += [_keys(settings, env), _model(settings, env, online)]
        found += [_host(host, settings, env) for host in _to_ask(settings, env)] if online else []
    found.append(_vocabularies(env))
    if settings is not None:
        found.append(_folder(settings.datasets))
    found += [_hidden(cwd), _recipes()]
    return [*found, _screen(screen, env)] if screen is not None else found


def _python() -> Check:
    about = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    missing = [name for name, module in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        return Check("python", "fail", f"{about}: built without {', '.join(missing)}", "install Python from python.org")
    return Check("python", "ok", about)


def _package() -> Check:
    home = Path(__file__).parent
    try:
        installed = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return Check("synth", "gap", f"{__version__} in {home}, not installed", "pip install -e .")
    if installed != __version__:
        what = f"{__version__} in {home}, installed as {installed}"
        return Check("synth", "gap", what, "pip install -e .   # in the checkout, to bring its metadata up to date")
    return Check("synth", "ok", f"{__version__} in {home}")


def _packages() -> Check:
    needed = _requirements("")
    missing, old = _compared(needed)
    if missing or old:
        told = {"missing": ", ".join(missing), "too old": ", ".join(old)}
        what = "; ".join(f"{fault}: {names}" for fault, names in told.items() if names)
        return Check("packages", "fail", what, f"pip install -U {DISTRIBUTION}")
    return Check("packages", "ok", f"{len(needed)} of {len(needed)} that the core needs")


def _extras() -> Iterator[Check]:
    for extra, use in EXTRAS.items():
        needed = _requirements(extra)
        missing, old = _compared(needed)
        hidden = [name for name in needed if name not in missing and importlib.util.find_spec(name) is None]
        if missing or old or hidden or not needed:
            lacks = [*missing, *(f"{name} (too old)" for name in old), *(f"{name} (hidden)" for name in hidden)]
            what = f"not here: {', '.join(lacks) or extra}; it is for {use}"
            yield Check(extra, "gap", what, f"pip install '{DISTRIBUTION}[{extra}]'")
        else:
            versions = ", ".join(f"{name} {metadata.version(name)}" for name in needed)
            yield Check(extra, "ok", f"{use}: {versions}")


def _requirements(extra: str) -> dict[str, str]:
    """Distribution -> lowest version, of the core or of an extra; empty where we are not installed."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    found = {}
    for line in lines:
        need, _, marker = line.partition(";")
        wanted = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        named = re.match(r"([\w.-]+)[^>]*(?:>=\s*([\w.]+))?", need.strip())
        if named and (wanted[1] if wanted else "") == extra:
            found[named[1]] = named[2] or "0"
    return found


def _compared(needed: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Distributions that are not installed, and those that are too old."""
    missing, old = [], []
    for name, least in needed.items():
        try:
            if _numbers(metadata.version(name)) < _numbers(least):
                old.append(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    return missing, old


def _numbers(version: str) -> tuple[int, ...]:
    """2.13.0+cpu -> (2, 13, 0)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _settings(cwd: Path, env: Mapping[str, str]) -> Check:
    path = next((folder / FILE for folder in (cwd, *cwd.parents) if (folder / FILE).is_file()), None)
    named = sorted(variable for variable in VARIABLES if env.get(variable))
    told = [str(path)] if path else [f"no {FILE}: defaults"]
    return Check("settings", "ok", ", ".join(told + named))


def _keys(settings: Settings, env: Mapping[str, str]) -> Check:
    """Which variables hold a key. What they hold is looked at only for white space and quotes around it."""
    named: dict[str, list[str]] = {}
    for host in hosts(settings, env):
        if host.has_key and host.key_env:
            named.setdefault(host.key_env, []).append(host.name)
    if settings.key_env and not env.get(settings.key_env, "").strip():
        return Check("keys", "gap", f"{settings.key_env} is not set", f"export {settings.key_env}=...")
    for variable in named:
        value = env[variable]
        if value != value.strip() or value[0] in "'\"" or value.isspace():
            return Check("keys", "gap", f"{variable} has white space or quotes around it", f"export {variable}=...")
    if named:
        whose = {variable: "whichever host is asked" if variable == settings.key_env else ", ".join(names)
                 for variable, names in named.items()}
        told = ", ".join(f"{variable} ({names})" for variable, names in whose.items())
        return Check("keys", "ok", f"set: {told}; never shown, never written")
    return Check("keys", "gap", "no key is set: all runs are rehearsals, or go to a server of your own",
                 "export OPENAI_API_KEY=...")


def _model(settings: Settings, env: Mapping[str, str], online: bool) -> Check:
    if settings.model is None:
        what = "none is named on this machine: recipes that name none are rehearsed"
        return Check("model", "ok", what, "synth run NAME --model openai:gpt-4.1-mini")
    try:
        provider, model = provider_for(settings.model, settings, env)
        price = price_at(provider.namespace, model, settings, env)
        host = host_of(provider.namespace, settings, env)
    except SynthError as error:
        return Check("model", "fail", error.message, error.hint)
    told = f"{provider.namespace}:{model}"
    if provider.rehearsal:
        return Check("model", "ok", "a rehearsal: nobody real answers")
    if host.needs_key and not host.has_key:
        what = f"{told} at {host.base_url}: no key, {host.key_env} is not set"
        return Check("model", "fail", what, f"export {host.key_env}=...")
    if price is None:
        cure = f'in synth.toml: [prices."{model}"] with input = and output =, in dollars per million tokens'
        return Check("model", "gap", f"{told} at {host.base_url}: no price is known, so no bill and no cap", cure)
    asked = "" if online else "; not contacted (--online asks it)"
    if free_here(price):
        return Check("model", "ok", f"{told} at {host.base_url}; {price.source}{asked}")
    return Check("model", "ok", f"{told} at {host.base_url}, {dollars(price.input)} in and {dollars(price.output)} out "
                 f"per million tokens{asked}")


def _to_ask(settings: Settings, env: Mapping[str, str]) -> list[Host]:
    """The hosts that this machine means to use: that of its model, those of synth.toml, those with a key."""
    known = {host.name: host for host in hosts(settings, env) if host.type != "rehearsal"}
    wanted = [provider_for(settings.model, settings, env)[0].namespace] if settings.model else []
    if settings.base_url:  # one address is given: it is asked once, not under every name that has a key
        host = host_of([*wanted, "openai"][0], settings, env)
        return [host] if host.type != "rehearsal" else []
    wanted += [*settings.providers, *(host.name for host in known.values() if host.has_key)]
    return [known[name] for name in dict.fromkeys(wanted) if name in known]


def _host(host: Host, settings: Settings, env: Mapping[str, str]) -> Check:
    """Asks a host for its models."""
    import asyncio

    async def ask() -> list[str]:
        provider = build(host.name, settings, env)
        try:
            return await asyncio.wait_for(provider.models(), PATIENCE_S)
        finally:
            await provider.close()

    try:
        models = asyncio.run(ask())
    except TimeoutError:
        return Check(host.name, "fail", f"{host.base_url} did not answer in {PATIENCE_S:g} s", "is the server running?")
    except CallFailed as failed:
        said = failed.failure.message.removeprefix(f"{host.base_url}: ")
        return Check(host.name, "fail", f"{host.base_url}: {said}", "check the address and the key")
    except SynthError as error:
        return Check(host.name, "fail", error.message, error.hint)
    entry, _, model = (settings.model or "").partition(":")
    if entry == host.name and model and model not in models:
        near = did_you_mean(model, models)
        cure = near if near.startswith("did you mean") else f"it lists {', '.join(models[:5])}, ..."
        return Check(host.name, "gap", f"{host.base_url} answers, and does not list {model}", cure)
    return Check(host.name, "ok", f"{host.base_url} answers, with {len(models)} model{'s' * (len(models) != 1)}")


def _vocabularies(env: Mapping[str, str]) -> Check:
    names = ("o200k_base", "cl100k_base")
    here = [name for name in names if tokens.vocabulary(name, env)]
    if here == list(names):
        return Check("tokens", "ok", f"counted exactly for OpenAI's models ({', '.join(here)})")
    missing = next(name for name in names if name not in here)
    what = f"{missing} is not here: tokens are estimates, and say so"
    return Check("tokens", "gap", what, tokens.vocabulary_line(missing))


def _folder(folder: Path) -> Check:
    """Whether datasets can be written: tried, since rights alone do not tell."""
    home = next((path for path in (folder, *folder.absolute().parents) if path.is_dir()), Path())
    try:
        with tempfile.NamedTemporaryFile(dir=home, prefix=".synth-doctor-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        what = f"{folder} cannot be written: {error.strerror}"
        return Check("datasets", "fail", what, "synth VERB NAME --datasets DIR")
    free = shutil.disk_usage(home).free
    what = f"{folder} can be written, {free / 1e9:.1f} GB free"
    if free < LITTLE_DISK:
        return Check("datasets", "fail" if free < TOO_LITTLE_DISK else "gap", what, f"df -h {home}")
    return Check("datasets", "ok", what)


def _hidden(cwd: Path) -> Check:
    """Modules in this folder that Python would take for ours, or for Hugging Face's `datasets`."""
    ours = Path(__file__).parent
    for name, whose in (("pipeline", "synth's"), ("synth", "synth's"), ("datasets", "Hugging Face's")):
        for path in (cwd / name / "__init__.py", cwd / f"{name}.py"):
            mine = ours in path.parents or path == ours.parent / "synth.py"
            if path.is_file() and not mine:
                what = f"{path} hides {whose} `{name}` from Python started in this folder"
                return Check("names", "gap", what, f"rename {path.parent if path.stem == '__init__' else path}")
    owners = sorted(set(metadata.packages_distributions().get("pipeline", ())) - {DISTRIBUTION})
    if owners:
        return Check("names", "fail", f"{owners[0]} installs a package `pipeline` too", f"pip uninstall {owners[0]}")
    return Check("names", "ok", "nothing hides synth's packages or Hugging Face's `datasets`")


def _recipes() -> Check:
    names = sorted(shipped())
    if not names:
        cure = f"pip install --force-reinstall {DISTRIBUTION}"
        return Check("recipes", "fail", "the shipped recipes are not there", cure)
    return Check("recipes", "ok", f"shipped: {', '.join(names)}")


def _screen(screen: TextIO, env: Mapping[str, str]) -> Check:
    kind = "a terminal" if screen.isatty() else "no terminal: plain lines"
    colours = " without colours (NO_COLOR)" if screen.isatty() and env.get("NO_COLOR") else ""
    encoding = (screen.encoding or "ascii").lower().replace("-", "")
    if not encoding.startswith("utf"):
        what = f"{kind}, {screen.encoding}: other letters are shown as escapes"
        return Check("screen", "gap", what, "export PYTHONIOENCODING=utf-8")
    return Check("screen", "ok", f"{kind}{colours}, {screen.encoding}")

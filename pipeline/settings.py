"""How this machine runs a recipe: synth.toml, then the environment, then flags. Never what the rows are."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ._faults import worded
from .errors import RecipeError, did_you_mean

FILE = "synth.toml"
VARIABLES = {
    "SYNTH_MODEL": "model",
    "SYNTH_DATASETS": "datasets",
    "SYNTH_BASE_URL": "base_url",
    "SYNTH_KEY_ENV": "key_env",
    "SYNTH_MAX_USD": "max_usd",
    "SYNTH_CONCURRENCY": "concurrency",
    "SYNTH_RPM": "rpm",
    "SYNTH_TPM": "tpm",
    "SYNTH_TIMEOUT": "timeout_s",
    "SYNTH_RETRIES": "retries",
    "SYNTH_BATCH": "batch",
}
"""Environment variable -> setting. A flag of the same name wins over it."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ProviderEntry(_Table):
    """A host: where it is and which variable holds its key. The key itself is never kept.

    Attributes:
        type: the provider plug-in that speaks to it.
        base_url: as `http://localhost:8000/v1`.
        key_env: name of the environment variable that holds the key.
        headers: further headers of every request.
        rpm: requests a minute that the host allows, where you know; what it says of itself is kept to as well.
        tpm: tokens a minute, in and out together.
        ca: file of certificates that count beside the system's, as of a company's own authority.
        api_version: for Azure's older addresses: it goes into the query, the key into the header `api-key`, and the
            model's name into the path as the deployment's.
        parameters: key of a request -> the name that this host knows it by, false to leave it out, or true to send
            it as it is written, whatever our own table says. Changes what is asked, and with it the ids of calls.
    """

    type: str = "openai"
    base_url: str | None = None
    key_env: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    rpm: int | None = Field(None, ge=1)
    tpm: int | None = Field(None, ge=1)
    ca: Path | None = None
    api_version: str | None = Field(None, pattern=r"^[A-Za-z0-9.-]+$")
    parameters: dict[str, bool | Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)


class PriceEntry(_Table):
    """A price in US dollars for a million tokens; `training` for each that a fine-tune goes through.

    Attributes:
        batch: the share of it that a batch costs, as 0.5; replaces the host's.
    """

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(None, ge=0)
    training: float | None = Field(None, ge=0)
    batch: float | None = Field(None, ge=0, le=1)


class Settings(_Table):
    """Everything that a machine decides. Each can be a line of synth.toml, a variable or a flag.

    Attributes:
        model: PROVIDER:MODEL for recipes that name none.
        datasets: folder that holds the datasets.
        providers: entries by name, added to the presets.
        prices: by `model` or `provider:model`.
        base_url: replaces the entry's, for this run.
        key_env: replaces the entry's, for this run.
        max_usd: the most that may be spent on a dataset, resumes included.
        concurrency: requests in flight at most.
        rpm: replaces the entry's, for this run; so does tpm.
        timeout_s: seconds for one attempt.
        retries: further attempts after the first.
        batch: whether `generate` and `run` send files of questions, answered within a day, in place of single ones.
    """

    model: str | None = None
    datasets: Path = Path("datasets")
    providers: dict[str, ProviderEntry] = Field(default_factory=dict)
    prices: dict[str, PriceEntry] = Field(default_factory=dict)
    base_url: str | None = None
    key_env: str | None = None
    max_usd: float | None = Field(None, ge=0)
    concurrency: int = Field(32, ge=1, le=10_000)
    rpm: int | None = Field(None, ge=1)
    tpm: int | None = Field(None, ge=1)
    timeout_s: float = Field(120.0, gt=0)
    retries: int = Field(6, ge=0, le=100)
    batch: bool = False


def load_settings(cwd: Path, env: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings of a folder.

    Args:
        cwd: where synth.toml is looked for, here and in the folders above.
        env: the environment.
        flags: what the command line gave; None values count as not given.

    Raises:
        RecipeError: with the file or the variable that is wrong.
    """
    path = next((folder / FILE for folder in (cwd, *cwd.parents) if (folder / FILE).is_file()), None)
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path}: {error}") from None
        except OSError as error:
            raise RecipeError(f"{path}: {error.strerror}", f"ls -l {path}") from None
        if "datasets" in values:
            values["datasets"] = path.parent / str(values["datasets"])
        entries = values.get("providers")
        for entry in entries.values() if isinstance(entries, dict) else ():
            if isinstance(entry, dict) and isinstance(entry.get("ca"), str):
                entry["ca"] = path.parent / Path(entry["ca"]).expanduser()
    origin = {key: str(path) for key in values}
    for variable, key in VARIABLES.items():
        if env.get(variable):
            values[key], origin[key] = env[variable], variable
    for key, value in (flags or {}).items():
        if value is not None:
            values[key], origin[key] = value, f"--{key.replace('_', '-').removesuffix('-s')}"
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise _explain(error, origin, path) from None


def _explain(error: ValidationError, origin: Mapping[str, str], path: Path | None) -> RecipeError:
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    place = origin.get(str(fault["loc"][0]) if fault["loc"] else "", str(path or FILE))
    if fault["type"] == "extra_forbidden":
        tables: dict[str, type[_Table]] = {"providers": ProviderEntry, "prices": PriceEntry}
        table = tables.get(str(fault["loc"][0]), Settings) if len(fault["loc"]) > 1 else Settings
        known = table.model_fields
        return RecipeError(f"{place}: unknown key '{where}'", did_you_mean(str(fault["loc"][-1]), known))
    return RecipeError(f"{place}: {where}: {worded(fault)}")

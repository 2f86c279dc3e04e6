"""The command line: one file per verb, each of which parses, calls the library and prints.

`main` is the console script. It alone prints errors and sets exit codes. Only click and the
standard library are imported before a verb is known, so that `synth --help` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import io
import keyword
import os
import shlex
import sys
from collections.abc import Sequence

import click

from pipeline import __version__
from pipeline.errors import CapReached, DataError, SynthError, did_you_mean

VERBS: dict[str, dict[str, str]] = {
    "Start": {
        "init": "begin: a starter, a blank recipe, an idea, or a file of your own",
        "import": "bring in rows that exist: JSONL, CSV, Parquet, folders of texts",
        "doctor": "what works on this machine, and the line that cures each gap",
        "status": "where every dataset stands, what it cost, what is next",
    },
    "Make": {
        "plan": "what a run will ask for and cost, before anything is asked",
        "preview": "a few rows first; they are kept, and never paid for again",
        "generate": "ask the model for every row that is still missing",
        "augment": "rewrite rows that can be saved, as those that are too short",
    },
    "Keep": {
        "curate": "measure every row and decide which ones are kept",
        "inspect": "read the rows: as a table, or one with all that is behind it",
        "review": "decide rows by hand, a key each; your word wins over rules",
    },
    "Ship": {
        "check": "prove that a training file is what a trainer expects",
        "export": "write the kept rows as training files",
    },
    "Tune": {
        "finetune": "tune a model on the export, on this machine or at a host",
        "models": "what was tuned: on which data, how, and how well",
        "try": "a prompt of your own to base and tuned model, side by side",
    },
    "Judge": {
        "evaluate": "held-out prompts to base and tuned model, with a verdict",
        "report": "one page on everything that became of a dataset",
    },
    "All": {
        "run": "the whole road, from the recipe to a tuned model and a report",
        "plugins": "the providers, rules, rewrites and formats that there are",
    },
}
"""Section of the help -> verb -> one line. The only list of verbs."""

MEANT = {
    "help": "--help", "verbs": "--help", "commands": "--help", "list": "status", "ls": "status", "info": "status",
    "validate": "check", "verify": "check", "lint": "check", "show": "inspect", "view": "inspect", "head": "inspect",
    "new": "init", "create": "init", "filter": "curate", "cost": "status --cost", "diff": "curate NAME --diff",
    "label": "review", "annotate": "review",
    "rules": "plugins rules", "formats": "plugins formats", "providers": "plugins providers",
    "train": "finetune", "tune": "finetune", "fine-tune": "finetune", "jobs": "finetune NAME --list",
}
"""Words that other tools have for what we call something else."""

NAMES_SHOWN = 5
"""Recipes and datasets that are offered where a NAME was left out."""

MAKE_A_NAME = ("synth init", "synth import")
"""Verbs whose NAME is a new one."""

INTERRUPTED = 130
BROKEN_PIPE = 141
"""Exit codes of a shell for a process that SIGINT (2) or SIGPIPE (13) ended: 128 + the signal."""

MACHINE_FAULTS = {
    errno.ENOSPC: "free some space, then run the same command again: nothing that was paid for is lost",
    errno.EDQUOT: "free some space, then run the same command again: nothing that was paid for is lost",
    errno.EACCES: "give yourself the right to it, or choose another folder with --datasets",
    errno.EPERM: "give yourself the right to it, or choose another folder with --datasets",
    errno.EROFS: "choose a folder that can be written with --datasets",
    errno.EMFILE: "ulimit -n 4096",
    errno.EIO: "the disk or the network folder failed; run the same command again when it is back",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""Faults of the machine that are nobody's bug -> what mends them."""


class Verbs(click.Group):
    """A group that imports a verb's file when the verb is used, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of the help."""
        return [verb for verbs in VERBS.values() for verb in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The click command of a verb; None for a word that is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        stem = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = importlib.import_module(f"pipeline.commands.{stem}").command
        assert isinstance(command, click.Command), f"pipeline/commands/{stem}.py: `command` is no click command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's own, with a nearby verb for a word that is none."""
        word = args[0]
        if not word.startswith("-") and word not in self.list_commands(ctx):
            verb = MEANT.get(word.casefold())
            near = f"did you mean '{verb}'?" if verb else did_you_mean(word, self.list_commands(ctx))
            hint = f": {near}" if near.startswith("did you mean") else ""
            raise click.UsageError(f"there is no verb '{word}'{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs first, then the options."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs by section, without importing one of them."""
        width = max(map(len, self.list_commands(ctx)))
        for section, verbs in VERBS.items():
            with formatter.section(section):
                formatter.write_dl([(verb.ljust(width), line) for verb, line in verbs.items()])


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    subcommand_metavar="VERB [NAME]",
    options_metavar="",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="NAME is a recipe (NAME.yaml or NAME/recipe.yaml) or a dataset. `synth VERB --help` says what a verb takes.",
)
@click.version_option(__version__, "--version", "-V", prog_name="synth", message="%(prog)s %(version)s")
@click.pass_context
def group(ctx: click.Context) -> None:
    """From a grid of ideas to proven training files. Every row explains itself, and nothing is paid for twice."""
    if ctx.invoked_subcommand is None:
        importlib.import_module("pipeline.commands._home").show()


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command line.

    Args:
        args: the words after `synth`; those of this process where none are given.

    Returns:
        The exit code: 0, a SynthError's own, 2 for options that cannot be understood, 1 where a
        question was answered with no, 130 after Ctrl-C, 141 where nobody reads our output.
    """
    if "_SYNTH_COMPLETE" in os.environ:
        group.main(prog_name="synth")  # click's shell completion; it ends the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a text that this terminal cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if args is None else args)
    try:
        with group.make_context("synth", words) as context:
            group.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as left:
        return left.exit_code
    except CapReached as error:
        _show(error.message, f"everything is kept; to go on:\n{_under(error.enough, words)}")
        return error.exit_code
    except SynthError as error:
        _show(error.message, error.hint)
        return error.exit_code
    except click.ClickException as error:
        _show_usage(error)
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except KeyboardInterrupt:
        click.echo(err=True)  # closes the line on which the terminal wrote ^C
        return INTERRUPTED
    except BrokenPipeError:
        _stop_writing()
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in MACHINE_FAULTS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _show(f"{where}{error.strerror}", MACHINE_FAULTS[error.errno])
        return DataError.exit_code
    return 0


def _under(cap: float, words: Sequence[str]) -> str:
    """The same command under another cap."""
    kept: list[str] = []
    for before, word in zip(["", *words], words):
        if before != "--max-usd" and word.partition("=")[0] != "--max-usd":
            kept.append(word)
    return shlex.join(["synth", *kept, "--max-usd", f"{cap:g}"])


def _show(message: str, hint: str) -> None:
    """An error as people see it: the message, and below it what to type next."""
    console = importlib.import_module("pipeline.commands._console")
    first, *rest = message.split("\n")
    click.echo(f"{click.style('error', fg='red', bold=True)}  {first}", err=True)
    for line in rest:
        click.echo(f"       {line}", err=True)
    for line in hint.splitlines():
        command = line.startswith(console.COMMANDS)
        click.echo(f"       {click.style(console.commented(line), bold=True) if command else line}", err=True)


def _show_usage(error: click.ClickException) -> None:
    """An option or a verb that click cannot understand."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "synth"
    missing = error.param.name if isinstance(error, click.MissingParameter) and error.param else None
    if missing == "name" and path not in MAKE_A_NAME:
        names = importlib.import_module("pipeline.commands._home").names()
        _show(f"{path} needs a NAME", "\n".join(f"{path} {name}" for name in names[:NAMES_SHOWN]))
    else:
        _show(error.format_message(), f"{path} --help")


def _stop_writing() -> None:
    """Whoever read our output has left: Python must not try again when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())

"""Base and tuned model on this machine: one load of the base, with the adapter switched off and on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.digest import hash_int
from pipeline.errors import DataError
from pipeline.metrics import Output

from .finetunes import TunedModel
from .pair import Ask, Both, Decoding, Tell

if TYPE_CHECKING:
    from pipeline.local.load import Loaded


class Here:
    """A base model and its adapter; see `pair.Pair`."""

    def __init__(self, base: str, tuned: str, loaded: Loaded) -> None:
        self.base, self.tuned = base, tuned
        self._loaded = loaded

    @classmethod
    def load(cls, tuned: TunedModel, device: str | None) -> Here:
        """Loads base and adapter as they were tuned.

        Raises:
            MissingExtra: the `local` extra is not installed.
            DataError: the base is not there, or the adapter is gone.
        """
        from pipeline.local.load import load, named

        adapter = tuned.folder / tuned.model
        if not (adapter / "adapter_config.json").is_file():
            raise DataError(f"{adapter}: no adapter is there, though {tuned.id} was tuned",
                            f"rm -r {tuned.folder}   then: synth finetune {tuned.folder.parent.parent.name}")
        found = named(str(adapter))
        return cls(tuned.base, tuned.id, load(found.base, adapter=adapter, four_bit=found.four_bit, device=device))

    @property
    def facts(self) -> dict[str, Any]:
        """Where and how it ran."""
        return {"device": self._loaded.device, "compute": self._loaded.compute, "notes": list(self._loaded.notes)}

    def count(self, text: str) -> int:
        """Tokens of an answer by the model's own tokenizer, its stop token included."""
        return len(self._loaded.tokenizer(text, add_special_tokens=False)["input_ids"]) + 1

    def write(self, asks: Sequence[Ask], decoding: Decoding, tell: Tell) -> Both:
        """Both models' answers, the base model's first; each prompt is drawn with the same dice for both.

        A prompt that leaves no room for an answer in the model's context has none.
        """
        return Both(*(self._written(asks, decoding, tell, tuned) for tuned in (False, True)))

    def _written(self, asks: Sequence[Ask], decoding: Decoding, tell: Tell, tuned: bool) -> list[Output | None]:
        from pipeline.local.write import Decoding as Local
        from pipeline.local.write import ask_of, write_asks

        how = Local(**decoding._asdict())
        rows = [ask_of(self._loaded, ask.messages, ask.tools, how, hash_int("write", how.seed, ask.messages))
                for ask in asks]
        places = [place for place, row in enumerate(rows) if len(row.ids) < self._loaded.context]
        found: list[Output | None] = [None] * len(asks)
        doing = f"{'tuned' if tuned else 'base'} model writes"
        tell(doing, 0, len(places))
        for done, written in enumerate(write_asks(self._loaded, [rows[place] for place in places], tuned=tuned), 1):
            found[places[written.index]] = Output(written.text, written.tokens, written.stopped)
            tell(doing, done, len(places))
        return found

    def score(self, rows: Sequence[Ask], tell: Tell) -> Both | None:
        """Both models' loss on the last answers. A row that is longer than the model's context has none."""
        return Both(*(self._scored(rows, tell, tuned) for tuned in (False, True)))

    def _scored(self, rows: Sequence[Ask], tell: Tell, tuned: bool) -> list[Output | None]:
        from pipeline.local.loss import measure_rows
        from pipeline.local.rows import row_of

        made = [row_of(self._loaded.tokenizer, row.messages, row.tools) for row in rows]
        places = [place for place, row in enumerate(made) if len(row.ids) <= self._loaded.context and any(row.trained)]
        tell(f"{'tuned' if tuned else 'base'} model reads held-out answers", 0, len(places))
        found: list[Output | None] = [None] * len(rows)
        for place, measured in zip(places, measure_rows(self._loaded, [made[place] for place in places], tuned=tuned)):
            found[place] = Output("", loss=measured.loss, trained=measured.tokens)
        return found

    def close(self) -> None:
        """Lets the weights go."""
        del self._loaded

"""JSON of Hugging Face data sets: lists of tokens and of their tags."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional

from spacy.tokens import Doc

from ...errors import XprojError
from . import CERTAIN, NO, POSSIBLE, Record, Report, Source, to_json
from .base import is_labeled, meta_of
from .conll import EXPECTED, tagged_tokens
from .json_format import JsonFormat, as_list, as_meta, as_object, as_text, names_beside, refuse_other_labels
from .spacing import locate
from .tagging import TagReader, is_tag, scheme_of

WORDS = ("tokens", "words")
TAGS = ("ner_tags", "tags", "labels", "ner", "ner_tag", "iob_tags", "entities", "label")


class HuggingFace(JsonFormat):
    """`{"tokens": [...], "ner_tags": ["B-PER", ...]}`. Numbers are read where the names of the tags are known: from
    `--tag-names`, or a `label.json` or `dataset_info.json` beside the file."""

    name = "huggingface"
    about = "token lists of Hugging Face, with tokens and ner_tags"

    def claims(self, value: Any) -> int:
        if not isinstance(value, dict) or (words := _words(value)) is None:
            return NO
        if not all(isinstance(word, str) for word in value[words]):
            return NO
        if (key := _tags(value)) is None:
            return NO if "spans" in value else POSSIBLE
        return CERTAIN if len(value[key]) == len(value[words]) else POSSIBLE

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        self.names = list(source.options.tag_names) or names_beside(source.path)
        values = [value[key] for value in source.records if isinstance(value, dict) and (key := _tags(value))]
        self.tags = TagReader(report, scheme_of(Counter(str(tag) for tags in values for tag in tags))[0])
        yield from super().read(source, report)
        self.tags.close()

    def record(self, value: Any, line: int, source: Source, report: Report) -> Optional[Record]:
        value = as_object(value)
        words, key = as_list(value, _words(value) or "tokens"), _tags(value)
        if not all(isinstance(word, str) for word in words) or "" in words:
            raise XprojError(f"Expected tokens that are strings and not empty, got {words}.")
        text = as_text(value, "text") if isinstance(value.get("text"), str) else None
        if text is not None and locate(words, text) is None:
            report.note("other_text", line, f"The tokens {words} do not make up {text!r}")
            text = None
        record = Record(line, text, words, meta=as_meta(value), nested=False)
        if key is None:
            refuse_other_labels(value, ("ner_tags", *WORDS, "spaces", "meta"))
        else:
            tags = self.named(as_list(value, key), key)
            if len(tags) != len(words):
                raise XprojError(f"Expected a tag for each of the {len(words)} tokens, got {len(tags)} in {key!r}.")
            record.marks, record.missing = self.tags.spans(tags, [line] * len(tags))
        spaces = value.get("spaces")
        if isinstance(spaces, list) and len(spaces) == len(words) and all(isinstance(s, bool) for s in spaces):
            record.spaces = spaces
        return record

    def named(self, tags: Sequence[Any], key: str) -> list[str]:
        """Tags as strings."""
        if any(type(tag) is int for tag in tags):
            if not self.names:
                raise XprojError(
                    f"The tags in {key!r} are numbers, whose names the file does not tell. Give them in order, such as "
                    "--tag-names O,B-PER,I-PER, or put the data set's label.json or dataset_info.json beside the file."
                )
            wrong = next((tag for tag in tags if type(tag) is not int or tag >= len(self.names)), None)
            if wrong is not None:
                raise XprojError(f"Expected tags from 0 to {len(self.names) - 1} in {key!r}, got {wrong!r}.")
            # Models pass over tokens with the tag -100.
            tags = [self.names[tag] if tag >= 0 else "-" for tag in tags]
        good = [isinstance(tag, str) and is_tag(tag, self.tags.scheme) for tag in tags]
        bad = next((tag for tag, is_good in zip(tags, good) if not is_good), None)
        if bad is not None:
            raise XprojError(f"{EXPECTED} in {key!r}, got {bad!r}.")
        return list(tags)

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        for doc in docs:
            rows = tagged_tokens(doc, report)
            if rows:
                spaces = [bool(token.whitespace_) for token, _ in rows]
                record: dict[str, Any] = {"tokens": [token.text for token, _ in rows], "spaces": spaces}
                if is_labeled(doc):
                    record["ner_tags"] = [tag for _, tag in rows]
                yield to_json({**record, **meta_of(doc)})


def _words(value: dict) -> Optional[str]:
    return next((key for key in WORDS if isinstance(value.get(key), list)), None)


def _tags(value: dict) -> Optional[str]:
    """The key that holds a tag for each token."""
    for key in TAGS:
        found = value.get(key)
        if isinstance(found, list) and all(type(tag) in (str, int) for tag in found):
            return key
    return None

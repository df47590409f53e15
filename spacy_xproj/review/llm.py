"""A second opinion by a language model behind an OpenAI-compatible endpoint, on what is doubtful."""

import json
import os
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union
from urllib.parse import urlsplit

from ..database import Database
from ..errors import XprojError, check_above_zero, check_at_least, check_share
from ..files import text_hash
from ..limits import parse_json
from ..locks import locked
from ..progress import steps
from .answers import MODEL, NAME_LENGTH, Answer, write_answers
from .cases import Case, read_queue
from .prompt import answer_of, messages

KEY_VARIABLE = "XPROJ_API_KEY"
TRIES = 5  # of a request that the server is too busy for
LONGEST_WAIT = 60.0  # seconds before the next of them
LARGEST = 1_000_000  # bytes of a response
GIVE_UP = 3  # cases in a row without a response
BUSY = {408, 409, 425, 429, 500, 502, 503, 504}
PathLike = Union[str, Path]


class Replies(Database):
    """Replies of models by what they were asked. It holds no key, and no address."""

    what = "a cache of replies of language models"
    application = 0x78706C6D
    table = "replies"
    schema = "CREATE TABLE replies (key TEXT PRIMARY KEY, model TEXT NOT NULL, reply TEXT NOT NULL)"

    def get(self, key: str) -> Optional[str]:
        """Return the reply to a request, or None."""
        if not self.path or not os.path.exists(self.path):
            return None
        with self.connected() as connection:
            row = connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, key: str, model: str, reply: str) -> None:
        """Keep a reply."""
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", (key, model, reply))


class Unanswered(Exception):
    """The server gave no reply to a request."""


class Endpoint:
    """An OpenAI-compatible server.

    url (str): Its address, such as http://127.0.0.1:8080/v1. `/chat/completions` is added where it is missing.
    model (str): The name of the model.
    key_variable (str): The environment variable that holds the key. It may be unset: local servers need none.
    timeout (float): Seconds to wait for a response.
    counts (Optional[Counter]): Counts `calls`, `retries`, `prompt_tokens` and `completion_tokens`.
    max_calls (int): Make no more requests than this. 0: no bound.
    RAISES (XprojError): If the address is none, or has a user name or a key in it.
    """

    pause = staticmethod(time.sleep)

    def __init__(
        self,
        url: str,
        model: str,
        key_variable: str = KEY_VARIABLE,
        timeout: float = 60.0,
        counts: Optional[Counter] = None,
        max_calls: int = 0,
    ):
        check_above_zero("review llm", timeout=timeout)
        check_at_least("review llm", 0, max_calls=max_calls)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise XprojError(f"Expected --url to be an address that begins with http:// or https://, got {url!r}.")
        if parts.username or parts.password or parts.query:
            raise XprojError(
                "The address of --url has a user name, a key or a query in it. Give the key in a variable."
            )
        name = f"{MODEL}{model}"
        if not model or len(name) > NAME_LENGTH or not name.isprintable() or name != name.strip():
            raise XprojError(f"Expected --model to be the name of a model, got {model!r}.")
        self.url = url.rstrip("/")
        self.url += "" if self.url.endswith("/chat/completions") else "/chat/completions"
        self.model, self.timeout, self.max_calls = model, timeout, max_calls
        self.counts = Counter() if counts is None else counts
        self._key = os.environ.get(key_variable, "").strip()
        if self._key and parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            warnings.warn(f"The key in {key_variable} goes to {parts.hostname} without encryption.", stacklevel=3)

    @property
    def spent(self) -> bool:
        """Whether no more requests may be made."""
        return 0 < self.max_calls <= self.counts["calls"]

    def reply(self, asked: Sequence[dict[str, str]]) -> str:
        """Return the text of the reply to some messages.

        asked (sequence of dict): The messages.
        RAISES (Unanswered): If the server gives none, after several tries where it is too busy, or does not speak the
            protocol.
            XprojError: If it refuses: a wrong key, model or address. No later request would be answered either.
        """
        body = {"model": self.model, "messages": list(asked), "temperature": 0, "max_tokens": 300, "stream": False}
        wait, why = 1.0, "no answer"
        for number in range(TRIES):
            if number:
                if self.spent:
                    break
                self.counts["retries"] += 1
                self.pause(min(wait, LONGEST_WAIT))
                wait *= 2
            self.counts["calls"] += 1
            try:
                status, headers, text = self._post(body)
            except OSError as err:  # those of requests are
                why = type(err).__name__
                continue
            if status in BUSY:
                why = f"HTTP {status}"
                after = headers.get("Retry-After", "")
                wait = max(wait, float(after)) if after.isdecimal() else wait
                continue
            if status != 200:
                raise XprojError(
                    f"{self.url} answers with HTTP {status}. Check the address, the model {self.model!r} and the key "
                    "in its variable. What was answered so far is kept: the same command goes on."
                )
            return self._content(text)
        raise Unanswered(why)

    def _post(self, body: dict[str, Any]) -> tuple[int, Any, bytes]:
        """Make a request. Redirects are not followed, and no key of a netrc file is sent: texts and key go to the
        address that was given alone."""
        import requests

        def sign(request: Any) -> Any:
            if self._key:
                request.headers["Authorization"] = f"Bearer {self._key}"
            return request

        end = time.monotonic() + self.timeout
        with requests.post(
            self.url, json=body, timeout=self.timeout, allow_redirects=False, stream=True, auth=sign
        ) as response:
            text = b""
            for piece in response.iter_content(8192):
                text += piece
                if len(text) > LARGEST:
                    break
                if time.monotonic() > end:  # requests bounds each wait, and not the sum
                    raise TimeoutError
            return response.status_code, response.headers, text

    def _content(self, text: bytes) -> str:
        try:
            value = parse_json(text.decode("utf-8"))
            reply = value["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            raise Unanswered("not JSON of the protocol") from None
        usage = value["usage"] if isinstance(value.get("usage"), dict) else {}
        for name in ("prompt_tokens", "completion_tokens"):
            self.counts[name] += usage[name] if isinstance(usage.get(name), int) else 0
        if not isinstance(reply, str):
            raise Unanswered("no text")
        return reply


class Opinions(NamedTuple):
    """What a model said.

    answers (list of Answer): Its answers, in the order of the queue.
    counts (Counter): `asked` cases, `cached` replies, `calls`, `retries`, tokens; answers by kind (`kind:…`); and what
        was dropped by reason (`dropped:…`).
    left (int): Cases that were not asked, because of `max_calls`.
    """

    answers: list[Answer]
    counts: Counter
    left: int


def second_opinion(
    queue: PathLike,
    answers: PathLike,
    url: str,
    model: str,
    share: float = 0.15,
    max_calls: int = 1000,
    cache: Optional[PathLike] = None,
    key_variable: str = KEY_VARIABLE,
    timeout: float = 60.0,
) -> Opinions:
    """Ask a language model about the first cases of a queue.

    queue (str or Path): What `export` wrote as "jsonl".
    answers (str or Path): The file of answers to write.
    url, model, key_variable, timeout: See `Endpoint`.
    share (float): The share of the queue that is asked, from its beginning.
    max_calls (int): Make no more requests than this, repeated ones included. 0: no bound.
    cache (Optional[str or Path]): Where replies are kept, so that nothing is asked twice. None: ANSWERS.replies.sqlite.
    RETURNS (Opinions): What it said.
    RAISES (XprojError): If the server refuses, does not answer several times in a row, or gives no answer at all that
        can be used.
    """
    check_share("review llm", share=share)
    counts: Counter = Counter()
    endpoint = Endpoint(url, model, key_variable, timeout, counts, max_calls)
    replies = Replies(cache if cache is not None else f"{answers}.replies.sqlite")
    with locked(answers, [queue, replies.path]):
        cases = list(read_queue(queue))
        first = cases[: round(len(cases) * share)]
        if not first:
            raise XprojError(f"{share:g} of the {len(cases)} cases in {queue} is none. Give a higher --share.")
        found = list(opinions(steps(first, "asking", len(first)), endpoint, replies, counts))
        if not found:
            dropped = ", ".join(f"{name} ({n})" for name, n in counts.items() if name.startswith("dropped:"))
            raise XprojError(f"{model} gave no answer that can be used to {len(first)} cases: {dropped or 'no calls'}.")
        write_answers(answers, found)
    return Opinions(found, counts, counts.pop("left", 0))


def opinions(cases: Iterator[Case], endpoint: Endpoint, replies: Replies, counts: Counter) -> Iterator[Answer]:
    """Ask about cases, and yield the answers that can be used. Arguments and errors are those of `second_opinion`."""
    in_a_row = 0
    for case in cases:
        asked = messages(case)
        key = text_hash(json.dumps([endpoint.model, asked], ensure_ascii=False))
        reply = replies.get(key)
        if reply is not None:
            counts["cached"] += 1
        elif endpoint.spent:
            counts["left"] += 1
            continue
        else:
            try:
                reply = endpoint.reply(asked)
            except Unanswered as err:
                counts[f"dropped:{err}"] += 1
                in_a_row += 1
                if in_a_row == GIVE_UP and not endpoint.spent:
                    raise XprojError(
                        f"{endpoint.url} did not answer {GIVE_UP} times in a row ({err}). Is it running? What was "
                        "answered so far is kept: the same command goes on."
                    ) from None
                continue
            in_a_row = 0
            replies.put(key, endpoint.model, reply)
        counts["asked"] += 1
        try:
            answer = answer_of(case, reply, f"{MODEL}{endpoint.model}")
        except XprojError as err:
            counts[f"dropped:{err}"] += 1
            continue
        counts[f"kind:{answer.answer}"] += 1
        yield answer

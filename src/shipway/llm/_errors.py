"""What can go wrong between us and a provider of models or embeddings. None of these ever holds a key."""

from __future__ import annotations

from shipway.kernel.errors import ShipwayError


class ProviderDown(ShipwayError):
    """No answer: no connection, a 5xx, or the time was up. The same call may succeed later.

    status: the 5xx, None where nothing came back; retry_after: seconds that the provider asked us to wait, if it did;
    partial: what a stream had said before its time was up.
    """

    code = "llm.provider-down"
    retry = True

    def __init__(
        self,
        what: str,
        *,
        where: str,
        mend: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        partial: str = "",
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.status, self.retry_after, self.partial = status, retry_after, partial


class ProviderRefused(ShipwayError):
    """A 4xx. Worth a retry only when the provider was too busy (429) or too slow to read us (408)."""

    code = "llm.provider-refused"

    def __init__(
        self, what: str, *, where: str, status: int, retry_after: float | None = None, mend: str | None = None
    ) -> None:
        super().__init__(what, where=where, mend=mend)
        self.status, self.retry_after = status, retry_after
        self.retry = status in (408, 429)


class ProviderMalformed(ShipwayError):
    """An answer that is not what its wire format promises, or a stream that ended before its end.

    partial: the text so far; it is never handed on as an answer. retry: a cut stream may be whole the next time.
    """

    code = "llm.provider-malformed"

    def __init__(self, what: str, *, where: str, partial: str = "", retry: bool = False, mend: str | None = None) -> None:
        super().__init__(what, where=where, mend=mend)
        self.partial, self.retry = partial, retry


class SecretMissing(ShipwayError):
    """A reference to a secret that leads nowhere."""

    code = "llm.secret-missing"


class EmbedderMissing(ShipwayError):
    """The weights or the libraries of an embedder are not installed."""

    code = "llm.embedder-missing"


class EmbedderDown(ShipwayError):
    """An embedder gave no vectors. The same call may succeed later."""

    code = "llm.embedder-down"
    retry = True


class EmbedderChanged(ShipwayError):
    """A remote embedder answers with another model or another dimension than the index was made with."""

    code = "llm.embedder-changed"

"""The vendors' own clients read the same answers as ours: of the local model, and of the tests' provider."""

from __future__ import annotations

import asyncio

from llm_upstream import upstream

from shipway.llm import ANTHROPIC, Completion, Message, Provider, open_client, start_local


def ours(provider: Provider) -> tuple[Completion, Completion]:
    """The whole answer and the streamed one."""

    async def run() -> tuple[Completion, Completion]:
        async with open_client({}) as client:
            asked = [Message("user", "Name the capital of Italy.")]
            whole = await client.complete(provider, asked)
            async for item in client.stream(provider, asked):
                last = item
            assert isinstance(last, Completion)
            return whole, last

    return asyncio.run(run())


def test_openais_client_reads_the_same_from_the_local_model() -> None:
    import openai

    with start_local("smollm2") as server, openai.OpenAI(base_url=server.url, api_key="none") as sdk:
        whole, streamed = ours(server.provider("p", temperature=0, max_tokens=16, seed=7))
        theirs = sdk.chat.completions.create(
            model="smollm2",
            messages=[{"role": "user", "content": "Name the capital of Italy."}],
            temperature=0,
            max_tokens=16,
            seed=7,
        )
    assert theirs.usage is not None
    assert theirs.choices[0].message.content == whole.text == streamed.text
    assert (theirs.usage.prompt_tokens, theirs.usage.completion_tokens) == (whole.usage.input, whole.usage.output)
    assert (streamed.usage.input, streamed.usage.output) == (whole.usage.input, whole.usage.output)
    assert theirs.choices[0].finish_reason == whole.finish == streamed.finish


def test_openais_client_reads_the_same_from_the_tests_provider() -> None:
    import openai

    with upstream() as server, openai.OpenAI(base_url=server.url, api_key="none") as sdk:
        whole, streamed = ours(Provider("p", "good", server.url))
        pieces = list(
            sdk.chat.completions.create(
                model="good", messages=[{"role": "user", "content": "x"}], stream=True, stream_options={"include_usage": True}
            )
        )
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    used = pieces[-1].usage
    assert used is not None
    assert used.prompt_tokens_details is not None
    assert text == whole.text == streamed.text
    assert (used.prompt_tokens, used.completion_tokens) == (streamed.usage.input, streamed.usage.output)
    assert used.prompt_tokens_details.cached_tokens == streamed.usage.cached == whole.usage.cached


def test_anthropics_client_reads_the_same_from_the_tests_provider() -> None:
    import anthropic

    with upstream() as server, anthropic.Anthropic(base_url=server.url.removesuffix("/v1"), api_key="none") as sdk:
        whole, streamed = ours(Provider("p", "good", server.url, shape=ANTHROPIC))
        with sdk.messages.stream(model="good", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as stream:
            theirs = stream.get_final_message()
    assert theirs.content[0].type == "text"
    assert theirs.content[0].text == whole.text == streamed.text
    used = theirs.usage
    assert (
        used.input_tokens + (used.cache_read_input_tokens or 0) + (used.cache_creation_input_tokens or 0)
        == streamed.usage.input
    )
    assert (used.output_tokens, theirs.stop_reason) == (streamed.usage.output, streamed.finish)

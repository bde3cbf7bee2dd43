"""anthropic-python: its client of Bedrock, and its own one in front of Mantle. The environment has the token."""

from contextlib import closing

from anthropic import Anthropic, AnthropicBedrock, DefaultHttpxClient

from driver import SCHEMA, TOOL, hooks, run, said


def client(ask):
    http_client = DefaultHttpxClient(event_hooks=hooks(ask))
    if ask.client.startswith("mantle"):
        # Without a token it does not start: who has none sends one that is nobody's.
        return Anthropic(base_url=f"{ask.url}/anthropic", auth_token=ask.token or "none", http_client=http_client)
    return AnthropicBedrock(base_url=ask.url, http_client=http_client)


def answer(ask):
    question = {"model": ask.model, "max_tokens": 100, "messages": [{"role": "user", "content": ask.prompt}]}
    if ask.tool:
        question["tools"] = [{"name": TOOL, "input_schema": SCHEMA}]
    with closing(client(ask)) as anthropic:
        if ask.how == "say":
            block = anthropic.messages.create(**question).content[0]
            return said(getattr(block, "text", ""), getattr(block, "name", None), getattr(block, "input", None))
        text, name, arguments = "", None, ""
        with closing(anthropic.messages.create(**question, stream=True)) as stream:
            for event in stream:
                ask.heard()
                delta = getattr(event, "delta", None)
                text += getattr(delta, "text", None) or ""
                name = getattr(getattr(event, "content_block", None), "name", name)
                arguments += getattr(delta, "partial_json", None) or ""
        return said(text, name, arguments)


run(answer)

"""The chat model that LangChain has for Converse. The environment has the token."""

from contextlib import closing

from langchain_aws import ChatBedrockConverse

from driver import SCHEMA, TOOL, listen, run, said


def answer(ask):
    # Of a model that it does not know it must be told all that it would otherwise ask the control plane.
    chat = ChatBedrockConverse(model=ask.model, base_model="anthropic.claude-sonnet-4", provider="anthropic", endpoint_url=ask.url)
    with closing(listen(chat.client, ask)):
        if ask.tool:
            chat = chat.bind_tools([{"name": TOOL, "description": "the weather", "input_schema": SCHEMA}])
        if ask.how == "say":
            return understood(chat.invoke(ask.prompt))
        whole = None
        for chunk in chat.stream(ask.prompt):
            # The last one is its own: there is no event behind it.
            if chunk.chunk_position != "last":
                ask.heard()
            whole = chunk if whole is None else whole + chunk
        return understood(whole)


def understood(message):
    call = message.tool_calls[0] if message.tool_calls else {}
    return said(message.text, call.get("name"), call.get("args"))


run(answer)

"""openai-python: chat completions."""

from contextlib import closing

from openai import DefaultHttpxClient, OpenAI

from driver import SCHEMA, TOOL, hooks, run, said


def answer(ask):
    question = {"model": ask.model, "messages": [{"role": "user", "content": ask.prompt}]}
    if ask.tool:
        question["tools"] = [{"type": "function", "function": {"name": TOOL, "parameters": SCHEMA}}]
    # Without a key it does not start: who has none sends one that is nobody's.
    with closing(OpenAI(base_url=f"{ask.url}/openai/v1", api_key=ask.token or "none", http_client=DefaultHttpxClient(event_hooks=hooks(ask)))) as openai:
        if ask.how == "say":
            message = openai.chat.completions.create(**question).choices[0].message
            function = message.tool_calls[0].function if message.tool_calls else None
            return said(message.content or "", function and function.name, function and function.arguments)
        text, name, arguments = "", None, ""
        with closing(openai.chat.completions.create(**question, stream=True)) as stream:
            for chunk in stream:
                ask.heard()
                delta = chunk.choices[0].delta
                text += delta.content or ""
                for call in delta.tool_calls or []:
                    name = call.function.name or name
                    arguments += call.function.arguments or ""
        return said(text, name, arguments)


run(answer)

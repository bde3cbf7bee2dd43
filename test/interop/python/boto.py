"""boto3: InvokeModel and Converse. The environment has the token."""

import json
from contextlib import closing

import boto3
from botocore.config import Config

from driver import SCHEMA, TOOL, listen, run, said


def runtime(ask):
    """By its client's name with the retries of old."""
    config = Config(retries={"mode": "legacy"}) if "legacy" in ask.client else None
    return listen(boto3.session.Session().client("bedrock-runtime", endpoint_url=ask.url, config=config), ask)


def invoke(ask):
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": [{"role": "user", "content": ask.prompt}]}
    if ask.tool:
        body["tools"] = [{"name": TOOL, "input_schema": SCHEMA}]
    question = {"modelId": ask.model, "contentType": "application/json", "body": json.dumps(body)}
    with closing(runtime(ask)) as client:
        if ask.how == "say":
            content = json.loads(client.invoke_model(**question)["body"].read())["content"][0]
            return said(content.get("text", ""), content.get("name"), content.get("input"))
        text, name, arguments = "", None, ""
        with closing(client.invoke_model_with_response_stream(**question)["body"]) as stream:
            for event in stream:
                ask.heard()
                piece = json.loads(event["chunk"]["bytes"])
                delta = piece.get("delta", {})
                text += delta.get("text", "")
                name = piece.get("content_block", {}).get("name", name)
                arguments += delta.get("partial_json", "")
        return said(text, name, arguments)


def converse(ask):
    question = {"modelId": ask.model, "messages": [{"role": "user", "content": [{"text": ask.prompt}]}]}
    if ask.tool:
        question["toolConfig"] = {"tools": [{"toolSpec": {"name": TOOL, "inputSchema": {"json": SCHEMA}}}]}
    with closing(runtime(ask)) as client:
        if ask.how == "say":
            content = client.converse(**question)["output"]["message"]["content"][0]
            use = content.get("toolUse", {})
            return said(content.get("text", ""), use.get("name"), use.get("input"))
        text, name, arguments = "", None, ""
        with closing(client.converse_stream(**question)["stream"]) as stream:
            for event in stream:
                ask.heard()
                delta = event.get("contentBlockDelta", {}).get("delta", {})
                text += delta.get("text", "")
                name = event.get("contentBlockStart", {}).get("start", {}).get("toolUse", {}).get("name", name)
                arguments += delta.get("toolUse", {}).get("input", "")
        return said(text, name, arguments)


run(lambda ask: (invoke if ask.client.startswith("invoke") else converse)(ask))

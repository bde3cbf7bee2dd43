package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

type object = map[string]any

var schema = object{"type": "object", "properties": object{"city": object{"type": "string"}, "days": object{"type": "number"}}}

// InvokeModel with the Messages API of Anthropic.
func (a *ask) invoke(client *bedrockruntime.Client) (said, error) {
	question := object{"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": []object{{"role": "user", "content": a.Prompt}}}
	if a.Tool {
		question["tools"] = []object{{"name": toolName, "input_schema": schema}}
	}
	body, err := json.Marshal(question)
	if err != nil {
		return said{}, err
	}
	ctx, contentType := context.Background(), aws.String("application/json")
	if a.How == "say" {
		answer, err := client.InvokeModel(ctx, &bedrockruntime.InvokeModelInput{ModelId: &a.Model, ContentType: contentType, Body: body})
		if err != nil {
			return said{}, err
		}
		var message struct {
			Content []struct {
				Text, Name string
				Input      json.RawMessage
			}
		}
		if err := json.Unmarshal(answer.Body, &message); err != nil {
			return said{}, err
		}
		return collected(message.Content[0].Text, message.Content[0].Name, string(message.Content[0].Input))
	}
	answer, err := client.InvokeModelWithResponseStream(ctx, &bedrockruntime.InvokeModelWithResponseStreamInput{ModelId: &a.Model, ContentType: contentType, Body: body})
	if err != nil {
		return said{}, err
	}
	stream := answer.GetStream()
	defer stream.Close()
	var text, name, input string
	for event := range stream.Events() {
		if err := a.heard(); err != nil {
			return said{}, err
		}
		var piece struct {
			ContentBlock struct{ Name string } `json:"content_block"`
			Delta        struct {
				Text        string
				PartialJSON string `json:"partial_json"`
			}
		}
		if err := json.Unmarshal(event.(*types.ResponseStreamMemberChunk).Value.Bytes, &piece); err != nil {
			return said{}, err
		}
		text, name, input = text+piece.Delta.Text, name+piece.ContentBlock.Name, input+piece.Delta.PartialJSON
	}
	if err := stream.Err(); err != nil {
		return said{}, err
	}
	return collected(text, name, input)
}

func (a *ask) converse(client *bedrockruntime.Client) (said, error) {
	ctx, messages := context.Background(), []types.Message{{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: a.Prompt}}}}
	var tools *types.ToolConfiguration
	if a.Tool {
		specification := types.ToolSpecification{Name: aws.String(toolName), InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(schema)}}
		tools = &types.ToolConfiguration{Tools: []types.Tool{&types.ToolMemberToolSpec{Value: specification}}}
	}
	if a.How == "say" {
		answer, err := client.Converse(ctx, &bedrockruntime.ConverseInput{ModelId: &a.Model, Messages: messages, ToolConfig: tools})
		if err != nil {
			return said{}, err
		}
		switch block := answer.Output.(*types.ConverseOutputMemberMessage).Value.Content[0].(type) {
		case *types.ContentBlockMemberToolUse:
			input, err := block.Value.Input.MarshalSmithyDocument()
			if err != nil {
				return said{}, err
			}
			return collected("", *block.Value.Name, string(input))
		default:
			return collected(block.(*types.ContentBlockMemberText).Value, "", "")
		}
	}
	answer, err := client.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{ModelId: &a.Model, Messages: messages, ToolConfig: tools})
	if err != nil {
		return said{}, err
	}
	stream := answer.GetStream()
	defer stream.Close()
	var text, name, input string
	for event := range stream.Events() {
		if err := a.heard(); err != nil {
			return said{}, err
		}
		switch event := event.(type) {
		case *types.ConverseStreamOutputMemberContentBlockStart:
			name = *event.Value.Start.(*types.ContentBlockStartMemberToolUse).Value.Name
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			switch delta := event.Value.Delta.(type) {
			case *types.ContentBlockDeltaMemberText:
				text += delta.Value
			case *types.ContentBlockDeltaMemberToolUse:
				input += *delta.Value.Input
			}
		}
	}
	if err := stream.Err(); err != nil {
		return said{}, err
	}
	return collected(text, name, input)
}

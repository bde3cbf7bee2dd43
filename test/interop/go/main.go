// Asks with aws-sdk-go-v2; python/driver.py has the words that are spoken with the one who starts it.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/smithy-go"
)

const toolName = "get_weather"

// A line that comes in: a question, or whether the client may go on.
type line struct {
	ID                              int
	Client, How, URL, Model, Prompt string
	Tool                            bool
	On                              *bool
}

type ask struct {
	line
	on chan bool
}

type tool struct {
	Name  string `json:"name"`
	Input any    `json:"input"`
}

type said struct {
	Text string `json:"text"`
	Tool *tool  `json:"tool"`
}

var errLeave = errors.New("told to leave")

func main() {
	asks := map[int]*ask{}
	var lock sync.Mutex
	for in := json.NewDecoder(os.Stdin); ; {
		var next line
		if in.Decode(&next) != nil {
			return
		}
		lock.Lock()
		if next.On != nil {
			asks[next.ID].on <- *next.On
		} else {
			one := &ask{line: next, on: make(chan bool, 1)}
			asks[next.ID] = one
			go one.work()
		}
		lock.Unlock()
	}
}

func (a *ask) work() {
	client, err := a.runtime()
	var answer said
	if err == nil && strings.HasPrefix(a.Client, "invoke") {
		answer, err = a.invoke(client)
	} else if err == nil {
		answer, err = a.converse(client)
	}
	if err != nil {
		a.tell("error", map[string]string{"error": nameOf(err), "message": err.Error()})
	} else {
		a.tell("said", answer)
	}
}

// The type that a user would catch.
func nameOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return strings.TrimPrefix(fmt.Sprintf("%T", api), "*")
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
}

// The environment has the token, the region and the authorities.
func (a *ask) runtime() (*bedrockruntime.Client, error) {
	settings, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		return nil, err
	}
	settings.HTTPClient = tap{a, settings.HTTPClient}
	settings.BaseEndpoint = aws.String(a.URL)
	return bedrockruntime.NewFromConfig(settings), nil
}

// Tells of each attempt.
type tap struct {
	ask    *ask
	client aws.HTTPClient
}

func (t tap) Do(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	digest := sha256.Sum256(body)
	t.ask.tell("sent", map[string]any{"bytes": len(body), "sha256": hex.EncodeToString(digest[:])})
	response, err := t.client.Do(request)
	if err != nil {
		return nil, err
	}
	headers := map[string]string{}
	for name, values := range response.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	t.ask.tell("answered", map[string]any{"status": response.StatusCode, "headers": headers})
	return response, nil
}

// An event was heard; returns when the client may go on.
func (a *ask) heard() error {
	a.tell("heard", true)
	if !<-a.on {
		return errLeave
	}
	return nil
}

var out sync.Mutex

func (a *ask) tell(what string, value any) {
	out.Lock()
	defer out.Unlock()
	json.NewEncoder(os.Stdout).Encode(map[string]any{"id": a.ID, what: value})
}

// What a stream of words, or of the pieces of a tool's call, comes to.
func collected(text, name, input string) (said, error) {
	if name == "" {
		return said{Text: text}, nil
	}
	call := tool{Name: name}
	return said{Text: text, Tool: &call}, json.Unmarshal([]byte(input), &call.Input)
}

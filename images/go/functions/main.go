// Command edge-functions is all of the add-on `functions` that is not the broker: what watches
// devices, what wakes functions on their node, and such a function.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"edge-lab/images/functions/internal/activator"
	"edge-lab/images/functions/internal/broker"
	"edge-lab/images/functions/internal/events"
	"edge-lab/images/functions/internal/handler"
	"edge-lab/images/functions/internal/source"
)

const usage = `usage: edge-functions COMMAND
  prepare --node NODE --ways WAY,…       make the stream of an edge node, and its consumers
  prepare --from NODE,…                  make the stream of the server, which copies those of nodes
  source --config FILE                   watch devices, publish an event for each crossing
  activate --config FILE                 wake functions, and put them to sleep
  handle --way WAY --records FILE        be a function
    [--acknowledge after|before|never] [--forgetful] [--work DURATION]
  storm --node NODE --way WAY --count N --journal FILE [--payload BYTES]
                                         publish N events at once
  backlog --way WAY,…                    what is owed, by way, as JSON
  copies                                 the ids of the events in the server's stream, one a line
All take --server URL (nats://127.0.0.1:4222).
`

// Exit statuses: 1 is a failure, 2 a mistake in the command line.
var errUsage = errors.New("usage")

func main() {
	began := time.Now()
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	err := run(os.Args[1:], began)
	switch {
	case err == nil:
	case errors.Is(err, errUsage), errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	default:
		slog.Error("ends", "error", err)
		os.Exit(1)
	}
}

func run(args []string, began time.Time) error {
	if len(args) == 0 {
		return errUsage
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	server := flags.String("server", "nats://127.0.0.1:4222", "")
	node := flags.String("node", "", "")
	config := flags.String("config", "", "")
	way := flags.String("way", "", "")
	parse := func() error {
		if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 {
			return errUsage
		}
		return nil
	}
	switch args[0] {
	case "prepare":
		ways, from := flags.String("ways", "", ""), flags.String("from", "", "")
		if err := parse(); err != nil || (*node == "") == (*from == "") {
			return errUsage
		}
		return prepare(ctx, *server, *node, *ways, *from)
	case "source":
		var c source.Config
		if err := errors.Join(parse(), read(*config, &c)); err != nil {
			return err
		}
		return source.Run(ctx, c)
	case "activate":
		var c activator.Config
		if err := errors.Join(parse(), read(*config, &c)); err != nil {
			return err
		}
		return activator.Run(ctx, c)
	case "handle":
		c := handler.Config{}
		flags.StringVar(&c.Records, "records", "", "")
		flags.StringVar(&c.Acknowledge, "acknowledge", handler.After, "")
		flags.BoolVar(&c.Forgetful, "forgetful", false, "")
		flags.DurationVar(&c.Work, "work", 0, "")
		if err := parse(); err != nil || *way == "" || c.Records == "" {
			return errUsage
		}
		c.Way, c.Server = *way, *server
		return handler.Run(ctx, c, began)
	case "storm":
		count, payload := flags.Int("count", 0, ""), flags.Int("payload", 0, "")
		journal := flags.String("journal", "", "")
		if err := parse(); err != nil || *node == "" || *way == "" || *journal == "" {
			return errUsage
		}
		return source.Storm(ctx, *server, *node, *way, *count, *payload, *journal)
	case "backlog":
		if err := parse(); err != nil || *way == "" {
			return errUsage
		}
		return backlog(ctx, *server, strings.Split(*way, ","))
	case "copies":
		if err := parse(); err != nil {
			return err
		}
		return copies(ctx, *server)
	}
	return errUsage
}

func read(path string, into any) error {
	if path == "" {
		return errUsage
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func prepare(ctx context.Context, server, node, ways, from string) error {
	connection, js, err := broker.Connect(server, "prepare")
	if err != nil {
		return err
	}
	defer connection.Close()
	return broker.Again(ctx, "streams", func(ctx context.Context) error {
		if from != "" {
			return broker.PrepareCloud(ctx, js, strings.Split(from, ","))
		}
		return broker.PrepareNode(ctx, js, node, strings.Split(ways, ","))
	})
}

func backlog(ctx context.Context, server string, ways []string) error {
	connection, js, err := broker.Connect(server, "backlog")
	if err != nil {
		return err
	}
	defer connection.Close()
	found := map[string]broker.Backlog{}
	for _, way := range ways {
		if found[way], err = broker.BacklogOf(ctx, js, way); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func copies(ctx context.Context, server string) error {
	connection, js, err := broker.Connect(server, "copies")
	if err != nil {
		return err
	}
	defer connection.Close()
	return broker.Each(ctx, js, events.CloudStream, func(data []byte) error {
		var event events.Event
		if err := json.Unmarshal(data, &event); err != nil {
			return err
		}
		_, err := fmt.Println(event.ID)
		return err
	})
}

// Package broker is what all parts ask of NATS JetStream.
package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"edge-lab/images/functions/internal/events"
)

// AskLimit is for one question to the broker.
const AskLimit = 10 * time.Second

// Settings of streams and consumers; docs/functions.md says why.
const (
	KeepFor     = 24 * time.Hour
	KeepBytes   = 64 << 20
	RepeatedFor = 10 * time.Minute
	// AckWait is after how long an event that was delivered and not acknowledged comes again.
	AckWait = 20 * time.Second
	// MaxAckPending is how many events one way has in its hands at most.
	MaxAckPending = 64
)

// Connect connects to a broker, now or when it is there, and again whenever it was gone.
func Connect(server, name string) (*nats.Conn, jetstream.JetStream, error) {
	connection, err := nats.Connect(server, nats.Name(name),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(500*time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 0),
		nats.PingInterval(5*time.Second), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				slog.Warn("broker is gone", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { slog.Info("broker is back") }),
	)
	if err != nil {
		return nil, nil, err
	}
	stream, err := jetstream.New(connection, jetstream.WithDefaultTimeout(AskLimit))
	return connection, stream, err
}

// Again does what until it succeeds or ctx is done.
func Again(ctx context.Context, what string, do func(context.Context) error) error {
	said := ""
	for {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if err.Error() != said {
			said = err.Error()
			slog.Warn("will be tried again", "what", what, "error", said)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// PrepareNode makes the stream of an edge node and the consumers of its ways.
func PrepareNode(ctx context.Context, js jetstream.JetStream, node string, ways []string) error {
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: events.Stream, Subjects: []string{"events." + node + ".>"},
		Storage: jetstream.FileStorage, MaxAge: KeepFor, MaxBytes: KeepBytes,
		// What cannot be kept is refused, and stays with the source: nothing is lost without a word.
		Discard: jetstream.DiscardNew, Duplicates: RepeatedFor,
	})
	if err != nil {
		return err
	}
	for _, way := range ways {
		_, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: events.Consumer(way), FilterSubject: events.Subject(node, way),
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait, MaxDeliver: -1,
			MaxAckPending: MaxAckPending,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// PrepareCloud makes the server's stream, which copies those of edge nodes. A node's JetStream is
// the domain of its name.
func PrepareCloud(ctx context.Context, js jetstream.JetStream, nodes []string) error {
	var sources []*jetstream.StreamSource
	for _, node := range nodes {
		sources = append(sources, &jetstream.StreamSource{Name: events.Stream, Domain: node})
	}
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: events.CloudStream, Sources: sources, Storage: jetstream.FileStorage,
		MaxAge: KeepFor, MaxBytes: KeepBytes,
	})
	return err
}

// Backlog is what a consumer owes.
type Backlog struct {
	// Waiting were not delivered yet, Delivered were and are not acknowledged.
	Waiting   uint64 `json:"waiting"`
	Delivered int    `json:"delivered"`
	// Repeated were delivered more than once and are not acknowledged.
	Repeated int `json:"repeated"`
}

// Owes says whether anything is to be done.
func (b Backlog) Owes() bool { return b.Waiting > 0 || b.Delivered > 0 }

// BacklogOf asks for that of one way.
func BacklogOf(ctx context.Context, js jetstream.JetStream, way string) (Backlog, error) {
	ctx, cancel := context.WithTimeout(ctx, AskLimit)
	defer cancel()
	consumer, err := js.Consumer(ctx, events.Stream, events.Consumer(way))
	if err != nil {
		return Backlog{}, err
	}
	about := consumer.CachedInfo()
	if about == nil {
		return Backlog{}, errors.New("the broker says nothing of the consumer")
	}
	return Backlog{about.NumPending, about.NumAckPending, about.NumRedelivered}, nil
}

// Each gives the content of each message of a stream to see, in order, up to what is there now.
func Each(ctx context.Context, js jetstream.JetStream, name string, see func([]byte) error) error {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	state := stream.CachedInfo().State
	if state.Msgs == 0 {
		return nil
	}
	consumer, err := js.OrderedConsumer(ctx, name, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	for {
		messages, err := consumer.Fetch(500, jetstream.FetchMaxWait(AskLimit))
		if err != nil {
			return err
		}
		last := uint64(0)
		for message := range messages.Messages() {
			about, err := message.Metadata()
			if err != nil {
				return err
			}
			if err := see(message.Data()); err != nil {
				return err
			}
			last = about.Sequence.Stream
			if last >= state.LastSeq {
				return nil
			}
		}
		if err := messages.Error(); err != nil || last == 0 {
			return errors.Join(err, errors.New("the stream gives no more"))
		}
	}
}

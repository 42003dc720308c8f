// Command edge is all that runs in the lab's pods: the sampler, the collector, probes that
// tests run inside a pod, and the process that holds a pod's namespaces.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"edge-lab/images/workload/internal/collector"
	"edge-lab/images/workload/internal/config"
	"edge-lab/images/workload/internal/identity"
	"edge-lab/images/workload/internal/probe"
	"edge-lab/images/workload/internal/sampler"
)

const usage = `usage: edge COMMAND
  pause                                    hold namespaces, reap orphans, end on SIGTERM
  sample --config FILE                     read devices, keep samples, hand them over
  collect --folder DIR [--listen :9100]    take samples from samplers
    [--workload-api ADDRESS --secure-listen :9101 --admit SPIFFEID,…]
                                           then only by mutual TLS, from these
  dump sampler [--url URL]                 a running sampler's counts
  dump collector [--samples] [--url URL]   a running collector's counts, or its samples
  probe tcp HOST:PORT
  probe modbus HOST:PORT ADDRESS COUNT
  probe opcua URL NODEID… [--security DIR]
                                           in one session; DIR holds tls.crt, tls.key and ca.crt
  bench modbus-tcp HOST:PORT --folder DIR [--count N] [--registers N]
                                           time N reads, and N samples that are kept in DIR
  probe svid [--save DIR]                  who the Workload API says we are
  probe mtls HOST:PORT PEER                whether PEER, a SPIFFE ID, lets us in
    both: [--workload-api ADDRESS]; mtls: [--svid DIR] in its place, or [--anonymous]
Probes take --limit SECONDS (10), print one line of JSON, and exit with 1 if they fail; bench does
too, and its limit is 60.
`

// Exit statuses: 1 is a failure, 2 a mistake in the command line.
var errUsage = errors.New("usage")

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	err := run(os.Args[1:])
	switch {
	case err == nil:
	case errors.Is(err, errUsage), errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case errors.Is(err, errProbe):
		os.Exit(1)
	default:
		slog.Error("ends", "error", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	rest := args[1:]
	switch args[0] {
	case "pause":
		return pause()
	case "sample":
		return sample(rest)
	case "collect":
		return collect(rest)
	case "dump":
		return dump(rest)
	case "probe":
		return runProbe(rest)
	case "bench":
		return runBench(rest)
	}
	return errUsage
}

func ending() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}

// pause is the first process of a pod: it inherits what other processes leave behind.
func pause() error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for got := range signals {
		if got != syscall.SIGCHLD {
			return nil
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if err != nil || pid <= 0 {
				break
			}
		}
	}
	return nil
}

func sample(args []string) error {
	flags := flag.NewFlagSet("sample", flag.ContinueOnError)
	path := flags.String("config", "/etc/edge-lab/sampler/config.json", "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return errUsage
	}
	c, err := config.Read(*path)
	if err != nil {
		return err
	}
	ctx, cancel := ending()
	defer cancel()
	return sampler.Run(ctx, c)
}

func collect(args []string) error {
	flags := flag.NewFlagSet("collect", flag.ContinueOnError)
	folder := flags.String("folder", "/var/lib/edge-lab/collector", "")
	listen := flags.String("listen", ":9100", "")
	api := flags.String("workload-api", "", "")
	secure := flags.String("secure-listen", ":9101", "")
	admit := flags.String("admit", "", "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || (*api == "") != (*admit == "") {
		return errUsage
	}
	store, err := collector.Open(*folder)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	ctx, cancel := ending()
	defer cancel()
	slog.Info("collecting", "listen", *listen, "folder", *folder)
	if *api == "" {
		return sampler.Serve(ctx, *listen, store.Handler())
	}
	return collectFrom(ctx, store, *listen, *api, *secure, strings.Split(*admit, ","))
}

// collectFrom takes samples from peers alone, by mutual TLS; anyone may read them.
func collectFrom(
	ctx context.Context, store *collector.Collector, listen, api, secure string, peers []string,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	serve := func(do func() error) {
		go func() {
			ended <- do()
			cancel()
		}()
	}
	serve(func() error { return sampler.Serve(ctx, listen, store.ReadingHandler()) })
	serve(func() error {
		return identity.Start(ctx, api).Serve(ctx, secure, peers, store.TakingHandler())
	})
	return errors.Join(<-ended, <-ended)
}

func dump(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("dump", flag.ContinueOnError)
	url := flags.String("url", "", "")
	samples := flags.Bool("samples", false, "")
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 {
		return errUsage
	}
	path := "/counts"
	base := map[string]string{
		"sampler": "http://127.0.0.1:9102", "collector": "http://127.0.0.1:9100",
	}[args[0]]
	if base == "" {
		return errUsage
	}
	if *url != "" {
		base = *url
	}
	if *samples {
		path = "/samples"
	}
	client := http.Client{Timeout: time.Minute}
	response, err := client.Get(base + path)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s answers %s", base, path, response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

var errProbe = errors.New("the probe failed")

func runProbe(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	seconds := flags.Float64("limit", 10, "")
	folder := flags.String("security", "/etc/edge-lab/opcua", "")
	shown := probe.Shown{}
	flags.StringVar(&shown.WorkloadAPI, "workload-api", identity.DefaultAddress, "")
	flags.StringVar(&shown.Folder, "svid", "", "")
	flags.BoolVar(&shown.Nothing, "anonymous", false, "")
	save := flags.String("save", "", "")
	words, err := parseMixed(flags, args[1:])
	if err != nil {
		return errUsage
	}
	var do func(context.Context) (probe.Result, error)
	switch {
	case args[0] == "tcp" && len(words) == 1:
		do = func(ctx context.Context) (probe.Result, error) { return probe.TCP(ctx, words[0]) }
	case args[0] == "modbus" && len(words) == 3:
		address, err1 := strconv.ParseUint(words[1], 10, 16)
		count, err2 := strconv.ParseUint(words[2], 10, 16)
		if err1 != nil || err2 != nil {
			return errUsage
		}
		do = func(context.Context) (probe.Result, error) {
			return probe.Modbus(words[0], uint16(address), uint16(count))
		}
	case args[0] == "opcua" && len(words) >= 2:
		security := config.Security{
			Certificate: *folder + "/tls.crt", Key: *folder + "/tls.key", Authority: *folder + "/ca.crt",
		}
		do = func(ctx context.Context) (probe.Result, error) {
			return probe.OPCUA(ctx, words[0], words[1:], security)
		}
	case args[0] == "svid" && len(words) == 0:
		do = func(ctx context.Context) (probe.Result, error) { return probe.SVID(ctx, shown, *save) }
	case args[0] == "mtls" && len(words) == 2:
		do = func(ctx context.Context) (probe.Result, error) {
			return probe.MutualTLS(ctx, shown, words[0], words[1])
		}
	default:
		return errUsage
	}
	result := probe.Timed(time.Duration(*seconds*float64(time.Second)), do)
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return err
	}
	if !result.OK {
		return errProbe
	}
	return nil
}

// parseMixed lets flags stand after words too, and returns the words.
func parseMixed(flags *flag.FlagSet, args []string) ([]string, error) {
	var words []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		args = flags.Args()
		if len(args) == 0 {
			return words, nil
		}
		words = append(words, args[0])
		args = args[1:]
	}
}

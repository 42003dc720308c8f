// Command edge-hostile is what runs in a pod that means no good: it says what it sees of its kernel,
// tries what a pod must not be able to do, and uses up what its limits give it.
//
// Whatever it tries is harmless where it succeeds: files are opened and not written, calls are made
// with arguments that are refused beyond the check that is looked at, namespaces are its own. It is
// for pods on machines of a lab all the same, and refuses to try anything elsewhere.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"edge-lab/images/hostile/internal/attempt"
	"edge-lab/images/hostile/internal/bomb"
	"edge-lab/images/hostile/internal/facts"
)

// What only pods of a lab have in their environment.
const (
	permission = "EDGE_LAB_HOSTILE"
	inAPod     = "in-a-pod-of-a-lab"
)

const usage = `usage: edge-hostile COMMAND
  facts [--tag TEXT] [--hold]        what is seen of the kernel, a line of JSON; --hold waits for SIGTERM
  attempts [OPTION …] [NAME …]       tries all, or those, a line of JSON for each and one at the end
    --seconds N                      for each (20)
    --tcp NAME=HOST:PORT             connects; may be given again, as all below
    --unix NAME=PATH                 connects to a socket
    --modbus-write HOST:PORT         writes what a holding register holds (--register 100 --unit 1)
    --host-path PATH                 below a mount of the node's folder, with a file "inside"
    --outside NAME                   of a file beside that folder, which holds --marker TEXT
    --api URL --token FILE           asks an API server with the token of a pod
    --request-token NAMESPACE/NAME   and for a token of that service account
    --neighbour IP --gateway IP --spoof-to IP:PORT --mark HEX
                                     claims the address of another pod, by ARP and as a source
    --process NAME=TAG --subject S   at the process of a pod that was told --tag TAG
    --kubelet PATH --pod UID         the token of a pod by its path; --subject says whose it is
    --node-key FILE                  the key of the node; with --api, what it is allowed to read:
                                     --own-secret NAMESPACE/NAME --other-secret NAMESPACE/NAME
  bomb fork|memory|files|disk|inodes|log --limit N [--folder DIR] [--hold]
                                     processes, MiB, files, MiB, files, KiB; --hold keeps them until SIGTERM
  bomb cpu|cache|flood|idle --limit SECONDS [--folder DIR] [--to HOST:PORT]
                                     all CPUs, the page cache, datagrams, nothing
`

var errUsage = errors.New("usage")
var errElsewhere = fmt.Errorf("only in pods of a lab, which have %s=%s", permission, inAPod)

func main() {
	err := run(os.Args[1:])
	switch {
	case err == nil:
	case errors.Is(err, errUsage), errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case errors.Is(err, errElsewhere):
		fmt.Fprintln(os.Stderr, "edge-hostile:", err)
		os.Exit(3)
	default:
		fmt.Fprintln(os.Stderr, "edge-hostile:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	rest := args[1:]
	switch args[0] {
	case "facts":
		return look(rest)
	case attempt.Idle:
		return nil
	case "attempts", attempt.One, "bomb", bomb.Child:
		if os.Getenv(permission) != inAPod {
			return errElsewhere
		}
	}
	switch args[0] {
	case "attempts":
		return tryAll(rest)
	case attempt.One:
		return tryOne(rest)
	case "bomb":
		return explode(rest)
	case bomb.Child:
		bomb.Wait()
		return nil
	}
	return errUsage
}

func look(args []string) error {
	flags := quiet("facts")
	tag := flags.String("tag", "", "")
	hold := flags.Bool("hold", false, "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return errUsage
	}
	told := ending()
	if err := json.NewEncoder(os.Stdout).Encode(facts.Look("/", *tag)); err != nil {
		return err
	}
	if *hold {
		<-told
	}
	return nil
}

// ending is told when the pod is to end.
func ending() <-chan os.Signal {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	return told
}

func tryAll(args []string) error {
	options, names, seconds, err := attempt.Parse(args)
	if err != nil {
		return errUsage
	}
	chosen, err := attempt.Choose(options.Table(), names)
	if err != nil {
		return errors.Join(errUsage, err)
	}
	runner := attempt.Runner{
		Program: "/proc/self/exe",
		Args:    options.Args(),
		Limit:   time.Duration(seconds * float64(time.Second)),
	}
	return runner.Run(chosen, os.Stdout)
}

// tryOne is the process that the runner starts for one attempt.
func tryOne(args []string) error {
	options, names, _, err := attempt.Parse(args)
	if err != nil || len(names) != 1 {
		return errUsage
	}
	chosen, err := attempt.Choose(options.Table(), names)
	if err != nil {
		return errors.Join(errUsage, err)
	}
	return json.NewEncoder(os.Stdout).Encode(chosen[0].Try())
}

func explode(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := quiet("bomb")
	limit := flags.Int("limit", 0, "")
	var place bomb.Place
	flags.StringVar(&place.Folder, "folder", "/tmp", "")
	flags.StringVar(&place.Peer, "to", "", "")
	hold := flags.Bool("hold", false, "")
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 || *limit <= 0 {
		return errUsage
	}
	if !bomb.Known(args[0]) {
		return errUsage
	}
	return bomb.Explode(args[0], *limit, place, os.Stdout, func() {
		if *hold {
			<-ending()
		}
	})
}

func quiet(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(os.Stderr)
	return flags
}

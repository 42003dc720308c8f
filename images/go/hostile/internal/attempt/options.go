package attempt

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// Options are what some attempts are aimed at. An attempt without its aim is not in the table.
type Options struct {
	TCP, Unix targets
	Modbus    string
	Register  int
	Unit      int
	HostPath  string
	Outside   string
	Marker    string
	API       string
	Token     string
	Account   string
	Spoof     Spoof
	Processes targets
	Subject   string
	Kubelet   string
	Pod       string
	NodeKey   NodeKey
}

// targets are places by the names of their attempts.
type targets []struct{ name, place string }

func (found *targets) String() string { return "" }

func (found *targets) Set(text string) error {
	name, place, ok := strings.Cut(text, "=")
	if !ok || name == "" || place == "" {
		return fmt.Errorf("%q is not NAME=PLACE", text)
	}
	*found = append(*found, struct{ name, place string }{name, place})
	return nil
}

// Parse reads the options of a run, the names of attempts, and the seconds for each.
func Parse(args []string) (options Options, names []string, seconds float64, err error) {
	flags := flag.NewFlagSet("attempts", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Float64Var(&seconds, "seconds", 40, "")
	flags.Var(&options.TCP, "tcp", "")
	flags.Var(&options.Unix, "unix", "")
	flags.StringVar(&options.Modbus, "modbus-write", "", "")
	flags.IntVar(&options.Register, "register", 100, "")
	flags.IntVar(&options.Unit, "unit", 1, "")
	flags.StringVar(&options.HostPath, "host-path", "", "")
	flags.StringVar(&options.Outside, "outside", "outside", "")
	flags.StringVar(&options.Marker, "marker", "", "")
	flags.StringVar(&options.API, "api", "", "")
	flags.StringVar(&options.Token, "token", "", "")
	flags.StringVar(&options.Account, "request-token", "", "")
	flags.StringVar(&options.Spoof.Neighbour, "neighbour", "", "")
	flags.StringVar(&options.Spoof.Gateway, "gateway", "", "")
	flags.StringVar(&options.Spoof.Node, "spoof-to", "", "")
	flags.StringVar(&options.Spoof.Mark, "mark", "", "")
	flags.Var(&options.Processes, "process", "")
	flags.StringVar(&options.Subject, "subject", "", "")
	flags.StringVar(&options.Kubelet, "kubelet", "", "")
	flags.StringVar(&options.Pod, "pod", "", "")
	flags.StringVar(&options.NodeKey.File, "node-key", "", "")
	flags.StringVar(&options.NodeKey.Own, "own-secret", "", "")
	flags.StringVar(&options.NodeKey.Other, "other-secret", "", "")
	err = flags.Parse(args)
	if err == nil && seconds <= 0 {
		err = fmt.Errorf("%g seconds", seconds)
	}
	if err == nil && (options.HostPath == "") != (options.Marker == "") {
		err = fmt.Errorf("--host-path and --marker go together")
	}
	spoof := options.Spoof
	if err == nil && spoof != (Spoof{}) &&
		(spoof.Neighbour == "" || spoof.Gateway == "" || spoof.Node == "" || spoof.Mark == "") {
		err = fmt.Errorf("--neighbour, --gateway, --spoof-to and --mark go together")
	}
	if err == nil && (options.Processes != nil || options.Kubelet != "") && options.Subject == "" {
		err = fmt.Errorf("--process and --kubelet need --subject")
	}
	if err == nil && (options.Kubelet == "") != (options.Pod == "") {
		err = fmt.Errorf("--kubelet and --pod go together")
	}
	return options, flags.Args(), seconds, err
}

// Args are the options again, for the process of one attempt.
func (options Options) Args() []string {
	var args []string
	for _, one := range options.TCP {
		args = append(args, "--tcp", one.name+"="+one.place)
	}
	for _, one := range options.Unix {
		args = append(args, "--unix", one.name+"="+one.place)
	}
	for _, one := range options.Processes {
		args = append(args, "--process", one.name+"="+one.place)
	}
	return append(args,
		"--modbus-write", options.Modbus,
		"--register", fmt.Sprint(options.Register), "--unit", fmt.Sprint(options.Unit),
		"--host-path", options.HostPath, "--outside", options.Outside, "--marker", options.Marker,
		"--api", options.API, "--token", options.Token, "--request-token", options.Account,
		"--neighbour", options.Spoof.Neighbour, "--gateway", options.Spoof.Gateway,
		"--spoof-to", options.Spoof.Node, "--mark", options.Spoof.Mark,
		"--subject", options.Subject, "--kubelet", options.Kubelet, "--pod", options.Pod,
		"--node-key", options.NodeKey.File,
		"--own-secret", options.NodeKey.Own, "--other-secret", options.NodeKey.Other)
}

// Table has the attempts at the kernel, or, with something to aim at, those and no others: what is
// aimed at needs no second try of all else.
func (options Options) Table() []Attempt {
	var table []Attempt
	for _, one := range options.TCP {
		table = append(table, Attempt{Name: "tcp-" + one.name, Do: connecting("tcp", one.place)})
	}
	for _, one := range options.Unix {
		table = append(table, Attempt{Name: "unix-" + one.name, Do: connecting("unix", one.place)})
	}
	if options.Modbus != "" {
		table = append(table, Attempt{Name: "modbus-write", Do: func() (string, error) {
			return modbusWrite(options.Modbus, options.Unit, options.Register)
		}})
	}
	if options.HostPath != "" {
		table = append(table, HostPath{options.HostPath, options.Outside, options.Marker}.Attempts()...)
	}
	if options.API != "" {
		table = append(table, API{options.API, options.Token, options.Account}.Attempts()...)
	}
	if options.Spoof.Neighbour != "" {
		table = append(table, options.Spoof.Attempts()...)
	}
	for _, one := range options.Processes {
		table = append(table, Process{one.name, one.place, options.Subject}.Attempts()...)
	}
	if options.Kubelet != "" {
		table = append(table, Kubelet{options.Kubelet, options.Pod, options.Subject}.Attempts()...)
	}
	if options.NodeKey.File != "" {
		key := options.NodeKey
		key.URL = options.API
		table = append(table, key.Attempts()...)
	}
	if table == nil {
		return Kernel()
	}
	return table
}

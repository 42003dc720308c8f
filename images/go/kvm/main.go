// Command edge-kvm says whether KVM works on the node, and gives /dev/kvm to pods that ask for it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"edge-lab/images/kvm/internal/plugin"
	"edge-lab/images/kvm/internal/probe"
)

const usage = `usage: edge-kvm COMMAND
  probe [--device PATH]              a line of JSON; exit code 1 where no virtual machine can be had
  plugin --resource NAME [--device PATH] [--count N] [--folder DIR]
                                     gives the device to pods, as a device plugin of the kubelet
`

func main() {
	if len(os.Args) > 1 {
		flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
		device := flags.String("device", probe.Device, "")
		switch os.Args[1] {
		case "probe":
			_ = flags.Parse(os.Args[2:])
			os.Exit(look(*device))
		case "plugin":
			served := &plugin.Plugin{Every: plugin.LookEvery}
			flags.StringVar(&served.Resource, "resource", "", "")
			flags.StringVar(&served.Folder, "folder", "/var/lib/kubelet/device-plugins", "")
			flags.IntVar(&served.Count, "count", 4, "")
			_ = flags.Parse(os.Args[2:])
			if served.Resource != "" {
				served.Device = *device
				served.Works = func() bool { return probe.Look(*device).Works() }
				os.Exit(serve(served))
			}
		}
	}
	fmt.Fprint(os.Stderr, usage)
	os.Exit(2)
}

func look(device string) int {
	report := probe.Look(device)
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil || !report.Works() {
		return 1
	}
	return 0
}

func serve(served *plugin.Plugin) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := served.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "edge-kvm:", err)
		return 1
	}
	return 0
}

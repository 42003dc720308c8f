// critest runs the validation suite of cri-tools against a container runtime of a node.
//
// Upstream builds it as a test binary (go test -c); as a program it runs the same specs with the same
// flags, and is built like all else of a lab. Beside that it removes what a run has left behind.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"sigs.k8s.io/cri-tools/pkg/framework"
	_ "sigs.k8s.io/cri-tools/pkg/validate"
)

// suite is what Ginkgo takes for a test of Go's.
type suite struct{ failed bool }

func (s *suite) Fail() { s.failed = true }

func main() {
	framework.RegisterFlags()
	remove := flag.Bool("remove-left", false, "remove the pods of earlier runs, and run nothing")
	flag.Parse()
	if *remove {
		if err := removeLeft(); err != nil {
			fmt.Fprintln(os.Stderr, "critest:", err)
			os.Exit(1)
		}
		return
	}
	gomega.RegisterFailHandler(ginkgo.Fail)
	var all suite
	if !ginkgo.RunSpecs(&all, "CRI validation") || all.failed {
		os.Exit(1)
	}
}

// coredns is CoreDNS with the plugins that lab/addons/services asks for, and no others: upstream's
// own program holds those of the large clouds, too, and is three times as large.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// In the order of upstream's plugin.cfg, by which each query passes them.
	dnsserver.Directives = []string{
		"reload",
		"bind",
		"health",
		"ready",
		"prometheus",
		"errors",
		"log",
		"cache",
		"template",
		"hosts",
		"loadbalance",
		"kubernetes",
		"loop",
		"forward",
	}
	coremain.Run()
}

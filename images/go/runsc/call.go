package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A call is one command line of an OCI runtime, as the shim writes it.
type call struct {
	global  []string // options before the command
	command string
	rest    []string // what follows it
}

// valued are the options whose value is the next argument.
var valued = map[string]bool{
	"--root": true, "--log": true, "--log-format": true,
	"--bundle": true, "--pid-file": true, "--console-socket": true, "--preserve-fds": true,
	"--process": true,
}

func parse(args []string) call {
	for at := 0; at < len(args); at++ {
		switch {
		case valued[args[at]]:
			at++
		case !strings.HasPrefix(args[at], "-"):
			return call{args[:at], args[at], args[at+1:]}
		}
	}
	return call{global: args}
}

// args is the whole line for runsc.
func (c call) args() []string {
	line := append([]string{}, settings...)
	line = append(line, c.global...)
	if c.command != "" {
		line = append(line, c.command)
	}
	return append(line, c.rest...)
}

// with is the same call of another command.
func (c call) with(command string, rest ...string) call {
	return call{c.global, command, rest}
}

// option is the value of an option, before or after the command.
func (c call) option(name string) string {
	for _, list := range [][]string{c.global, c.rest} {
		for at, arg := range list {
			if arg == name && at+1 < len(list) {
				return list[at+1]
			}
			if value, found := strings.CutPrefix(arg, name+"="); found {
				return value
			}
		}
	}
	return ""
}

// positional are the arguments of the command that belong to no option.
func (c call) positional() []string {
	var found []string
	for at := 0; at < len(c.rest); at++ {
		switch {
		case valued[c.rest[at]]:
			at++
		case !strings.HasPrefix(c.rest[at], "-"):
			found = append(found, c.rest[at])
		}
	}
	return found
}

// id is the container's.
func (c call) id() string {
	if found := c.positional(); len(found) > 0 {
		return found[0]
	}
	return ""
}

// bundle is the container's folder: the shim names it to `create` alone, and keeps its log there.
func (c call) bundle() string {
	if named := c.option("--bundle"); named != "" {
		return named
	}
	return filepath.Dir(c.option("--log"))
}

// A spec is what this program reads of a bundle's config.json.
type spec struct {
	Annotations map[string]string `json:"annotations"`
	Linux       struct {
		CgroupsPath string `json:"cgroupsPath"`
	} `json:"linux"`
}

// inSandbox says whether the container joins the sandbox of its pod; else it is the sandbox.
func (s spec) inSandbox() bool {
	return s.Annotations["io.kubernetes.cri.container-type"] == "container"
}

func readSpec(bundle string) (spec, error) {
	var found spec
	text, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return found, err
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return found, fmt.Errorf("config.json of %s: %w", bundle, err)
	}
	return found, nil
}

// lastError is the last error in a log of runsc's; a container's own streams are no place for it.
func lastError(path string) string {
	text, _ := os.ReadFile(path)
	found := ""
	for line := range strings.Lines(string(text)) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal([]byte(line), &entry) == nil && slices.Contains(failures, entry.Level) {
			found = entry.Msg
		}
	}
	return found
}

var failures = []string{"error", "warning", "fatal", "panic"}

// report writes an error where the shim looks for it: its log for some commands, the standard error
// for others.
func report(c call, trouble error) {
	fmt.Fprintln(os.Stderr, trouble)
	path := c.option("--log")
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer file.Close()
	line, _ := json.Marshal(map[string]string{
		"level": "error",
		"msg":   trouble.Error(),
		"time":  time.Now().UTC().Format(time.RFC3339Nano),
	})
	fmt.Fprintf(file, "%s\n", line)
}

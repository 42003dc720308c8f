// Package facts says what a pod sees of its kernel, or of what stands in for it.
package facts

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"edge-lab/images/hostile/internal/errnos"
)

// Text is a file's content, or a link's target, or why there is none.
type Text struct {
	Text  string `json:"text"`
	Errno string `json:"errno"`
}

// Log is the kernel's log as syslog(2) gives it.
type Log struct {
	Errno string `json:"errno"`
	Lines int    `json:"lines"`
	First string `json:"first"`
	Last  string `json:"last"`
}

// Facts are all that is looked at.
type Facts struct {
	Tag       string `json:"tag"` // as it was given, to tell pods apart
	Release   string `json:"release"`
	Version   string `json:"version"`
	Machine   string `json:"machine"`
	KernelLog Log    `json:"kernel_log"`
	// Paths are files that exist ("") or not (the error number's name), by path.
	Paths     map[string]string `json:"paths"`
	Texts     map[string]Text   `json:"texts"`
	RootMount string            `json:"root_mount"` // the line of / in mountinfo
	CapEff    string            `json:"cap_eff"`
	Processes int               `json:"processes"` // that are seen in /proc
	// ProcessesErrno says why /proc was not read; empty if it was.
	ProcessesErrno string `json:"processes_errno"`
	UID            int    `json:"uid"`
}

// Paths whose existence tells kernels apart.
var paths = []string{
	"proc/sentry-meminfo", "proc/kallsyms", "proc/modules", "proc/kcore", "proc/keys",
	"proc/timer_list", "proc/interrupts", "proc/sys/kernel/core_pattern",
	"proc/sys/kernel/osrelease", "sys/class/net", "sys/kernel/notes",
}

// Files whose content does, by what the facts call them.
var files = map[string]string{
	"version": "proc/version",
	"cmdline": "proc/cmdline",
	"loadavg": "proc/loadavg",
	"boot_id": "proc/sys/kernel/random/boot_id",
	"cgroup":  "proc/self/cgroup",
}

const (
	netNamespace  = "proc/self/ns/net"
	longest       = 2000 // characters of a text
	syslogReadAll = 3
	logRoom       = 1 << 20
)

// Look reads all facts below root, which is / but for tests.
func Look(root, tag string) Facts {
	found := Facts{
		Tag:       tag,
		Paths:     map[string]string{},
		Texts:     map[string]Text{},
		RootMount: rootMount(text(filepath.Join(root, "proc/self/mountinfo")).Text),
		CapEff:    field(text(filepath.Join(root, "proc/self/status")).Text, "CapEff:"),
		UID:       os.Getuid(),
	}
	count, err := processes(filepath.Join(root, "proc"))
	found.Processes, found.ProcessesErrno = count, errnos.Of(err)
	found.Release, found.Version, found.Machine = names()
	if root == "/" {
		found.KernelLog = kernelLog()
	}
	for _, path := range paths {
		_, err := os.Stat(filepath.Join(root, path))
		found.Paths["/"+path] = errnos.Of(err)
	}
	for name, path := range files {
		content := text(filepath.Join(root, path))
		content.Text = content.Text[:min(len(content.Text), longest)]
		found.Texts[name] = content
	}
	target, err := os.Readlink(filepath.Join(root, netNamespace))
	found.Texts["net_namespace"] = Text{target, errnos.Of(err)}
	return found
}

func text(path string) Text {
	content, err := os.ReadFile(path)
	return Text{strings.TrimSpace(strings.ToValidUTF8(string(content), "?")), errnos.Of(err)}
}

func names() (release, version, machine string) {
	var all syscall.Utsname
	if err := syscall.Uname(&all); err != nil {
		return "", "", ""
	}
	return word(all.Release[:]), word(all.Version[:]), word(all.Machine[:])
}

// word is a string of C, whose characters are signed on some architectures and not on others.
func word[T int8 | uint8](characters []T) string {
	var found strings.Builder
	for _, character := range characters {
		if character == 0 {
			break
		}
		found.WriteByte(byte(character))
	}
	return found.String()
}

func kernelLog() Log {
	room := make([]byte, logRoom)
	count, err := syscall.Klogctl(syslogReadAll, room)
	if err != nil {
		return Log{Errno: errnos.Of(err)}
	}
	return logOf(string(room[:count]))
}

func logOf(content string) Log {
	trimmed := strings.TrimSpace(strings.ToValidUTF8(content, "?"))
	if trimmed == "" {
		return Log{}
	}
	lines := strings.Split(trimmed, "\n")
	return Log{Lines: len(lines), First: lines[0], Last: lines[len(lines)-1]}
}

func rootMount(mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		words := strings.Fields(line)
		if len(words) > 4 && words[4] == "/" {
			line = strings.TrimSpace(line)
			return line[:min(len(line), longest)]
		}
	}
	return ""
}

func field(status, name string) string {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

func processes(folder string) (int, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0, err
	}
	count := 0
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err == nil {
			count++
		}
	}
	return count, nil
}

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"sigs.k8s.io/cri-tools/pkg/framework"
)

// removeLeft removes each pod that a spec has left behind. A runtime that does not stop one is no
// obstacle: the processes of its containers are killed first, and their shims with them.
func removeLeft() error {
	client, err := framework.LoadCRIClient()
	if err != nil {
		return err
	}
	runtime, ctx := client.CRIRuntimeClient, context.Background()
	pods, err := runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return err
	}
	var failed []error
	for _, pod := range pods {
		if !strings.HasPrefix(pod.GetMetadata().GetNamespace(), framework.DefaultNamespacePrefix) {
			continue
		}
		containers, err := runtime.ListContainers(ctx, &runtimeapi.ContainerFilter{PodSandboxId: pod.GetId()})
		failed = append(failed, err)
		ids := []string{pod.GetId()}
		for _, container := range containers {
			ids = append(ids, container.GetId())
		}
		killNamed(ids)
		stopped := runtime.StopPodSandbox(ctx, pod.GetId())
		if err := runtime.RemovePodSandbox(ctx, pod.GetId()); err != nil {
			failed = append(failed, stopped, err)
		}
	}
	return errors.Join(failed...)
}

// killNamed kills the shims and the processes of runsc that have one of these ids in their command
// line. Others may well have it, too: a shell that reads a log, say.
func killNamed(ids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(string(line), id) }) {
			continue
		}
		program, err := os.Readlink(filepath.Join(filepath.Dir(file), "exe"))
		if err != nil || !isOfRuntime(program) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// isOfRuntime is whether a program, as /proc/PID/exe has it, is a shim of containerd's, runsc, or what
// the lab has before runsc. One whose file has been replaced has " (deleted)" at its end.
func isOfRuntime(program string) bool {
	name := strings.TrimSuffix(filepath.Base(program), " (deleted)")
	return strings.HasPrefix(name, "containerd-shim") || name == "runsc" || name == "edge-runsc"
}

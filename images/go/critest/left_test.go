package main

import "testing"

func TestOnlyShimsAndRunscAreOfTheRuntime(t *testing.T) {
	for program, wanted := range map[string]bool{
		"/usr/bin/containerd-shim-runc-v2":    true,
		"/usr/bin/containerd-shim-runsc-v1":   true,
		"/usr/bin/runsc":                      true,
		"/usr/local/bin/edge-runsc (deleted)": true,
		"/usr/bin/containerd":                 false,
		"/usr/bin/dash":                       false,
		"/usr/bin/grep (deleted)":             false,
		"/usr/bin/runsc-logs":                 false,
	} {
		if got := isOfRuntime(program); got != wanted {
			t.Errorf("%s: %t", program, got)
		}
	}
}

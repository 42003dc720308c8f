package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"time"

	"edge-lab/images/workload/internal/bench"
	"edge-lab/images/workload/internal/config"
)

// runBench times reads of a Modbus device, and samples of it that are kept on disk.
func runBench(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	count := flags.Int("count", 50, "")
	registers := flags.Int("registers", 8, "")
	folder := flags.String("folder", "", "")
	seconds := flags.Float64("limit", 60, "")
	words, err := parseMixed(flags, args)
	if err != nil || len(words) != 2 || words[0] != config.Modbus || *folder == "" ||
		*count < 1 || *registers < 2 || *registers > 125 {
		return errUsage
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*seconds*float64(time.Second)))
	defer cancel()
	result := bench.Timed(ctx, bench.Modbus(words[1], *registers), *folder, *count)
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return err
	}
	if !result.OK {
		return errProbe
	}
	return nil
}

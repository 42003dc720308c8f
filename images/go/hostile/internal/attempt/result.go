// Package attempt has what a hostile pod tries, as a table, and tries each in a process of its own.
package attempt

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"edge-lab/images/hostile/internal/errnos"
)

// How an attempt's process ended.
const (
	Answered = "answered" // with a result
	TimedOut = "timed out"
	Killed   = "killed" // by a signal, which Detail names
	Silent   = "silent" // without a result
)

// Result is what came of one attempt.
type Result struct {
	Attempt string `json:"attempt"`
	Ended   string `json:"ended"`
	// Reached says that nothing stopped it: it got what it asked for, or the call was refused only for
	// its arguments, beyond the check that it is about.
	Reached bool   `json:"reached"`
	Errno   string `json:"errno"`  // by name; empty if there was none
	Status  int    `json:"status"` // of HTTP; 0 if there was none
	Detail  string `json:"detail"`
}

// Attempt is one thing to try.
type Attempt struct {
	Name string
	// Beyond are error numbers that come only after the check that the attempt is about.
	Beyond []syscall.Errno
	// Do tries it, and says in words what was met. It runs in a process of its own.
	Do func() (string, error)
}

// errNothingTried is of an attempt that could not be made: it is no answer.
var errNothingTried = errors.New("it could not be tried")

// StatusError is an answer of HTTP that is no success.
type StatusError int

func (status StatusError) Error() string { return fmt.Sprintf("HTTP %d", int(status)) }

// Try makes the attempt here.
func (attempt Attempt) Try() Result {
	detail, err := attempt.Do()
	result := Result{Attempt: attempt.Name, Ended: Answered, Errno: errnos.Of(err), Detail: detail}
	var number syscall.Errno
	var status StatusError
	switch {
	case err == nil:
		result.Reached = true
	case errors.Is(err, errNothingTried):
		result.Ended = Silent
	case errors.As(err, &number):
		result.Reached = slices.Contains(attempt.Beyond, number)
	case errors.As(err, &status):
		result.Status = int(status)
	}
	if err != nil {
		result.Detail = joined(detail, err.Error())
	}
	return result
}

func joined(first, second string) string {
	if first == "" {
		return second
	}
	return first + ": " + second
}

// Choose gives the attempts of these names, in the table's order; all if there are none.
func Choose(table []Attempt, names []string) ([]Attempt, error) {
	for _, name := range names {
		if !slices.ContainsFunc(table, func(one Attempt) bool { return one.Name == name }) {
			return nil, fmt.Errorf("there is no attempt %q", name)
		}
	}
	if len(names) == 0 {
		return table, nil
	}
	var chosen []Attempt
	for _, one := range table {
		if slices.Contains(names, one.Name) {
			chosen = append(chosen, one)
		}
	}
	return chosen, nil
}

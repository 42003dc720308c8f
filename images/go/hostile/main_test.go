package main

import (
	"errors"
	"testing"
)

func TestMistakesInTheCommandLineAreUsage(t *testing.T) {
	t.Setenv(permission, inAPod)
	for _, args := range [][]string{
		{}, {"dance"}, {"facts", "extra"}, {"attempts", "--dance"}, {"attempts", "no-such-attempt"},
		{"attempt"}, {"bomb"}, {"bomb", "fork"}, {"bomb", "nuclear", "--limit", "1"},
	} {
		if err := run(args); !errors.Is(err, errUsage) {
			t.Errorf("%v gives %v", args, err)
		}
	}
}

func TestNothingIsTriedOutsideOfAPodOfALab(t *testing.T) {
	t.Setenv(permission, "")
	// Of names that there are not, so that nothing is tried here whatever becomes of the check.
	for _, args := range [][]string{
		{"attempts", "no-such-attempt"}, {"attempt", "no-such-attempt"},
		{"bomb", "nuclear", "--limit", "1"},
	} {
		if err := run(args); !errors.Is(err, errElsewhere) {
			t.Errorf("%v gives %v", args, err)
		}
	}
}

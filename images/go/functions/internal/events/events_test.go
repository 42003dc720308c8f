package events

import "testing"

var limit = Limit{Device: "boiler", Point: "temperature", Above: 700, AgainBelow: 690}

func changes(values ...int64) []Change {
	var watch Watch
	var found []Change
	for _, value := range values {
		found = append(found, watch.See(limit, value))
	}
	return found
}

func same(t *testing.T, got []Change, wanted ...Change) {
	t.Helper()
	for index := range wanted {
		if got[index] != wanted[index] {
			t.Fatalf("got %v, not %v", got, wanted)
		}
	}
}

func TestALimitIsCrossedOnceUntilTheValueWasBelowAgain(t *testing.T) {
	same(t, changes(650, 701, 702, 695, 701, 689, 701),
		Rearmed, Crossed, Nothing, Nothing, Nothing, Rearmed, Crossed)
}

func TestTheLimitItselfIsNotOverIt(t *testing.T) {
	same(t, changes(650, 700, 701), Rearmed, Nothing, Crossed)
}

func TestAValueThatIsOverFromTheBeginningHasNotCrossed(t *testing.T) {
	same(t, changes(710, 720, 650, 710), Nothing, Nothing, Rearmed, Crossed)
}

func TestAWatchThatWasArmedBeforeARestartSeesTheCrossing(t *testing.T) {
	watch := Watch{Armed: true}
	if got := watch.See(limit, 710); got != Crossed {
		t.Fatalf("got %v", got)
	}
}

func TestSubjectsOfNodesDoNotOverlap(t *testing.T) {
	if Subject("edge-arm", "warm") == Subject("edge-riscv", "warm") {
		t.Fatal("two nodes share a subject")
	}
}

package desired

import (
	"errors"
	"testing"
	"time"

	"github.com/zensus-io/zensus/sdk/internal/link"
)

func quiet(string, int, error) {}

func keys(due map[string]uint64) int { return len(due) }

func TestAKeyIsDueUntilItIsAgreedOnThisConnection(t *testing.T) {
	table := New(0, quiet)
	now := time.Now()
	v := table.Want("a")
	due, _ := table.due(1, now)
	if due["a"] != v {
		t.Fatalf("due %v", due)
	}
	table.settle("a", v, 1, now, Outcome{})
	if due, _ := table.due(1, now.Add(time.Hour)); keys(due) != 0 {
		t.Errorf("agreed, but due %v", due)
	}
	if due, _ := table.due(2, now); keys(due) != 1 {
		t.Error("not due on another connection")
	}
}

func TestAWishThatChangedMeanwhileIsStillDue(t *testing.T) {
	table := New(0, quiet)
	now := time.Now()
	old := table.Want("a")
	table.Want("a")
	table.settle("a", old, 1, now, Outcome{Forget: true})
	if due, _ := table.due(1, now); keys(due) != 1 {
		t.Error("the later wish is forgotten")
	}
	if err := table.Wait(t.Context(), "a", old); err != nil {
		t.Errorf("the earlier one was agreed: %v", err)
	}
}

func TestWhatIsNotConfirmedForLongIsSaidAgain(t *testing.T) {
	table := New(time.Minute, quiet)
	now := time.Now()
	table.settle("a", table.Want("a"), 1, now, Outcome{})
	if due, next := table.due(1, now.Add(59*time.Second)); keys(due) != 0 || next > time.Second {
		t.Errorf("due %v, next look after %v", due, next)
	}
	if due, _ := table.due(1, now.Add(time.Minute)); keys(due) != 1 {
		t.Error("not said again")
	}
}

func TestFailuresAreRetriedWithGrowingPausesAndForEver(t *testing.T) {
	table := New(0, quiet)
	now := time.Now()
	v := table.Want("a")
	for n := 1; n <= 20; n++ {
		if got := table.settle("a", v, 1, now, Outcome{Err: errors.New("trouble")}); got != n {
			t.Fatalf("failure %d counts as %d", n, got)
		}
		due, next := table.due(1, now)
		if keys(due) != 0 || next > retryMax {
			t.Fatalf("failure %d: due %v, next look after %v", n, due, next)
		}
		now = now.Add(retryMax)
		if due, _ := table.due(1, now); keys(due) != 1 {
			t.Fatalf("failure %d: given up", n)
		}
	}
	table.Want("a") // a new wish does not wait for the pause of the former
	if due, _ := table.due(1, now.Add(-retryMax)); keys(due) != 1 {
		t.Error("a new wish waits")
	}
}

func TestARefusalEndsTheWaitForItsVersionOnly(t *testing.T) {
	table := New(0, quiet)
	now := time.Now()
	v := table.Want("a")
	refusal := &link.Error{Code: 400, Message: "no"}
	table.settle("a", v, 1, now, Outcome{Err: refusal})
	if err := table.Wait(t.Context(), "a", v); !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	later := table.Want("a")
	table.settle("a", later, 1, now, Outcome{})
	if err := table.Wait(t.Context(), "a", later); err != nil {
		t.Errorf("got %v", err)
	}
}

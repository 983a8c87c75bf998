package differential

import (
	"slices"
	"time"
)

// shrinkTime is how long is spent on reducing a script.
const shrinkTime = time.Minute

// Shrink drops steps of a script as long as again still finds the same sort of
// difference, and returns what is left.
func Shrink(s *Script, sort string, again func(*Script) (*Finding, error)) *Script {
	deadline := time.Now().Add(shrinkTime)
	fails := func(steps []Step) bool {
		if time.Now().After(deadline) {
			return false
		}
		f, err := again(&Script{Seed: s.Seed, Root: s.Root, Mixed: s.Mixed, Steps: steps})
		return err == nil && f != nil && f.Sort == sort
	}
	steps := s.Steps
	for size := max(1, len(steps)/2); ; size /= 2 {
		for at := 0; at < len(steps); {
			less := slices.Concat(steps[:at], steps[min(at+size, len(steps)):])
			if len(less) < len(steps) && fails(less) {
				steps = less
			} else {
				at += size
			}
		}
		if size <= 1 {
			break
		}
	}
	for i := range steps {
		for k := 0; k < len(steps[i].Requests) && len(steps[i].Requests) > 1; {
			less := slices.Clone(steps)
			less[i].Requests = slices.Delete(slices.Clone(steps[i].Requests), k, k+1)
			if fails(less) {
				steps = less
			} else {
				k++
			}
		}
	}
	return &Script{Seed: s.Seed, Root: s.Root, Mixed: s.Mixed, Steps: steps}
}

package differential

import (
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// made is a script of one getData and what two sides have recorded of it.
func made() (*Judge, *Script, *Record, *Record) {
	s := &Script{Root: rootOf(0), Steps: []Step{{Requests: []Request{{Xid: 7, Op: wire.OpGetData}}}}}
	record := func(base int64) *Record {
		stat := core.Stat{Czxid: core.Zxid(base + 3), Mzxid: core.Zxid(base + 3), Ctime: 1.8e12, Mtime: 1.8e12}
		reply := Frame{
			Kind: Reply, Request: &s.Steps[0].Requests[0], Xid: 7, Zxid: base + 9,
			Body: wire.AppendStat(wire.AppendBuffer(nil, []byte("x")), &stat),
		}
		return &Record{Start: base + 9, Outcomes: []Outcome{{Own: []Frame{reply}, Zxid: base + 9}}}
	}
	j := NewJudge(&Side{Name: "reference", first: 1}, &Side{Name: "zensus", first: 1 << 32})
	return j, s, record(1), record(1 << 32)
}

func TestJudgeFindsNoDifferenceWhereOnlyTheNumberingOfZxidsDiffers(t *testing.T) {
	j, s, ref, ours := made()
	if f := j.Compare(s, ref, ours); f != nil {
		t.Error(f)
	}
	if len(j.Hits) != 0 {
		t.Errorf("classes were met: %v", j.Hits)
	}
}

func TestJudgeFindsEveryDifference(t *testing.T) {
	event := Frame{Kind: Event, Xid: -1, Zxid: -1, Body: wire.AppendWatcherEvent(nil, core.NodeCreated, "/a")}
	for name, spoil := range map[string]func(*Outcome){
		"a code":                 func(o *Outcome) { o.Own[0].Err = -101 },
		"an xid":                 func(o *Outcome) { o.Own[0].Xid++ },
		"the zxid of a reply":    func(o *Outcome) { o.Own[0].Zxid++ },
		"the zxid of a stat":     func(o *Outcome) { o.Own[0].Body[4+1+7]++ },
		"a time":                 func(o *Outcome) { o.Own[0].Body[4+1+16+7]++ },
		"data":                   func(o *Outcome) { o.Own[0].Body[4]++ },
		"a byte behind":          func(o *Outcome) { o.Own[0].Body = append(o.Own[0].Body, 0) },
		"a reply that is not":    func(o *Outcome) { o.Own = nil },
		"an end":                 func(o *Outcome) { o.Own = append(o.Own, Frame{Kind: Closed}) },
		"an event":               func(o *Outcome) { o.Own = append([]Frame{event}, o.Own...) },
		"an event for another":   func(o *Outcome) { o.Others = map[int][]Frame{2: {event}} },
		"the zxid that is there": func(o *Outcome) { o.Zxid++ },
	} {
		t.Run(name, func(t *testing.T) {
			for side := range 2 {
				j, s, ref, ours := made()
				spoil(&[]*Record{ref, ours}[side].Outcomes[0])
				if j.Compare(s, ref, ours) == nil {
					t.Errorf("not found on side %d", side)
				}
			}
		})
	}
}

func TestNotificationMayOnlyHaveTheZxidOfItsCause(t *testing.T) {
	body := wire.AppendWatcherEvent(nil, core.NodeCreated, "/a")
	for name, c := range map[string]struct {
		zxid int64
		fine bool
	}{
		"of the step":      {1<<32 + 10, true},
		"of an older step": {1<<32 + 9, false},
		"of none":          {-1, false},
	} {
		t.Run(name, func(t *testing.T) {
			j, s, ref, ours := made()
			ref.Outcomes[0].Zxid, ours.Outcomes[0].Zxid = 11, 1<<32+10
			ref.Outcomes[0].Others = map[int][]Frame{1: {{Kind: Event, Zxid: -1, Body: body}}}
			ours.Outcomes[0].Others = map[int][]Frame{1: {{Kind: Event, Zxid: c.zxid, Body: body}}}
			if f := j.Compare(s, ref, ours); (f == nil) != c.fine {
				t.Errorf("found %v", f)
			}
		})
	}
}

func TestShrinkKeepsWhatADifferenceNeeds(t *testing.T) {
	s := Generate(3, Options{Steps: 80})
	needs := func(s *Script) bool {
		has := map[int]bool{}
		for _, st := range s.Steps {
			has[st.ID] = true
		}
		return has[5] && has[40] && has[79]
	}
	small := Shrink(s, "x", func(s *Script) (*Finding, error) {
		if needs(s) {
			return &Finding{Sort: "x"}, nil
		}
		return nil, nil
	})
	if len(small.Steps) != 3 || !needs(small) {
		t.Errorf("%d steps are left", len(small.Steps))
	}
}

func TestScriptsNeverSendWhatEndsTheReference(t *testing.T) {
	for seed := range uint64(60) {
		for _, st := range Generate(seed, Options{Steps: 150}).Steps {
			for _, q := range st.Requests {
				r := wire.NewReader(q.Body)
				if q.Op == wire.OpCheck {
					t.Fatalf("seed %d: %v", seed, &q)
				}
				if q.Op == wire.OpCreateTTL {
					c := wire.DecodeCreate(&r, q.Op)
					if r.Err() == nil && c.Flags >= 0 && c.Flags <= 4 && c.TTL < 0 {
						t.Fatalf("seed %d: %v", seed, &q)
					}
				}
			}
		}
	}
}

func TestPageNamesEveryClassOnce(t *testing.T) {
	page := Document()
	for _, c := range Classes() {
		if n := strings.Count(page, "## "+c.Name+"\n"); n != 1 {
			t.Errorf("%q is there %d times", c.Name, n)
		}
		if c.What == "" || c.Reason == "" || c.Follows != "3.9" && c.Follows != "neither" {
			t.Errorf("%q does not say what it is", c.Name)
		}
		if c.matches == nil && c.Name != classEventZxid && c.Name != classOvertakes {
			t.Errorf("%q matches nothing", c.Name)
		}
	}
}

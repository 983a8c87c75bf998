package session

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// expired is what one call of Expired yields.
func expired(t *Tracker, now int64, limit int) (ids []core.SessionID, more bool) {
	more = t.Expired(now, limit, func(id core.SessionID) { ids = append(ids, id) })
	return ids, more
}

func wantExpired(t *testing.T, tr *Tracker, now int64, want ...core.SessionID) {
	t.Helper()
	if got, _ := expired(tr, now, 1000); !slices.Equal(got, want) {
		t.Errorf("at %d: got %v, want %v", now, got, want)
	}
}

func TestASessionLivesForItsTimeoutAndAtMostATickMore(t *testing.T) {
	const tick = 2000
	for _, timeout := range []int32{4000, 4001, 5999, 1, 40_000} {
		for start := int64(10_000); start < 14_000; start += 333 {
			tr := NewTracker(tick)
			tr.Add(1, timeout, start)
			end, _ := tr.Deadline(1)
			if end <= start+int64(timeout) || end > start+int64(timeout)+tick || end%tick != 0 {
				t.Errorf("timeout %d from %d: deadline %d", timeout, start, end)
			}
			wantExpired(t, tr, end-1)
			wantExpired(t, tr, end, 1)
		}
	}
}

func TestFourSecondsAtATickOfTwoExpireAfterSix(t *testing.T) {
	tr := NewTracker(2000)
	tr.Add(1, 4000, 0)
	wantExpired(t, tr, 5999)
	wantExpired(t, tr, 6000, 1)
}

func TestATouchGivesTheFullTimeoutAgain(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(1, 5000, 0)
	tr.Add(2, 5000, 0)
	if !tr.Touch(1, 4500) {
		t.Fatal("unknown")
	}
	wantExpired(t, tr, 6000, 2)
	wantExpired(t, tr, 9999)
	wantExpired(t, tr, 10_000, 1)
}

func TestAnExpiredSessionIsYieldedOnceAndNoTouchRevivesIt(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(1, 1000, 0)
	wantExpired(t, tr, 5000, 1)
	wantExpired(t, tr, 9000)
	if tr.Touch(1, 9000) || tr.Len() != 0 {
		t.Error("it is tracked again")
	}
	tr.SetTimeout(1, 1000, 9000)
	tr.Remove(1)
	if _, ok := tr.Deadline(1); ok || tr.Len() != 0 {
		t.Error("an unknown session became known")
	}
}

func TestExpiryIsBoundedPerCallAndEarliestFirst(t *testing.T) {
	tr := NewTracker(1000)
	for id := range core.SessionID(10) {
		tr.Add(id+1, int32(10-id)*1000, 0)
	}
	first, more := expired(tr, 20_000, 4)
	if !more || !slices.Equal(first, []core.SessionID{10, 9, 8, 7}) {
		t.Errorf("got %v, more %v", first, more)
	}
	tr.Touch(1, 20_000)
	rest, more := expired(tr, 20_000, 5)
	if more || !slices.Equal(rest, []core.SessionID{6, 5, 4, 3, 2}) {
		t.Errorf("then got %v, more %v", rest, more)
	}
	if none, more := expired(tr, 20_000, 0); more || none != nil {
		t.Errorf("a limit of 0 with nothing due: got %v, more %v", none, more)
	}
}

func TestRenegotiationReplacesTheTimeout(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(1, 10_000, 0)
	tr.SetTimeout(1, 2000, 0)
	tr.Touch(1, 1000)
	wantExpired(t, tr, 3999)
	wantExpired(t, tr, 4000, 1)
}

func TestAStallMovesAllDeadlines(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(1, 2000, 0)
	tr.Add(2, 5000, 0)
	before, _ := tr.Deadline(1)
	tr.Extend(7300)
	tr.Extend(0)
	tr.Extend(-5000)
	if after, _ := tr.Deadline(1); after != before+7300 {
		t.Errorf("deadline %d became %d", before, after)
	}
	wantExpired(t, tr, 3000+7299)
	tr.Add(3, 1000, 10_299) // the next tick is at 10,300 now
	wantExpired(t, tr, 3000+7300, 1)
	wantExpired(t, tr, 12_299, 3)
	wantExpired(t, tr, 6000+7300, 2)
}

func TestAClockThatGoesBackLosesNoSession(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(1, 60_000, 50_000)
	wantExpired(t, tr, 50_000)
	tr.Add(2, 1000, 3000)
	wantExpired(t, tr, 50_000)
	wantExpired(t, tr, 51_000, 2)
}

func TestOddTimeouts(t *testing.T) {
	tr := NewTracker(0) // a tick of a millisecond
	tr.Add(1, -5, 100)
	tr.Add(2, 0, 100)
	tr.Add(3, math.MaxInt32, 100)
	wantExpired(t, tr, 100)
	wantExpired(t, tr, 101, 1, 2)
	wantExpired(t, tr, 100+math.MaxInt32)
	wantExpired(t, tr, 101+math.MaxInt32, 3)
}

func TestYieldMayCallTheTracker(t *testing.T) {
	tr := NewTracker(1000)
	for id := range core.SessionID(6) {
		tr.Add(id+1, 1000, 0)
	}
	var got []core.SessionID
	tr.Expired(10_000, 100, func(id core.SessionID) {
		got = append(got, id)
		tr.Remove(id + 1)
		tr.Add(id+100, 1000, 10_000)
	})
	if !slices.Equal(got, []core.SessionID{1, 3, 5}) || tr.Len() != 3 {
		t.Errorf("got %v, %d left", got, tr.Len())
	}
}

func TestBucketsShowDeadlinesInOrder(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(9, 5000, 0)
	tr.Add(7, 1000, 0)
	tr.Add(8, 5100, 0)
	tr.Extend(500)
	var got []string
	tr.Buckets(func(deadline int64, ids []core.SessionID) bool {
		got = append(got, fmt.Sprint(deadline, ids))
		return true
	})
	if want := []string{"2500 [0x7]", "6500 [0x8 0x9]"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	n := 0
	tr.Buckets(func(int64, []core.SessionID) bool { n++; return false })
	if n != 1 {
		t.Errorf("it went on after it was told to stop")
	}
}

// FuzzTracker plays calls against the tracker and a plain map of deadlines.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, 1, 5, 0, 2, 9, 1, 1, 3, 4, 0, 9, 4, 0, 9, 5, 0, 7, 4, 0, 40})
	f.Add([]byte("sessions come, are touched, renegotiate, go; the clock stalls and all live on"))
	f.Fuzz(func(t *testing.T, script []byte) {
		const tick = 10
		type plain struct {
			timeout int32
			end     int64
		}
		tr, model, now := NewTracker(tick), map[core.SessionID]plain{}, int64(0)
		var shift int64
		end := func(timeout int32) int64 {
			return ((now-shift+int64(timeout))/tick+1)*tick + shift
		}
		for ; len(script) >= 3; script = script[3:] {
			id, arg := core.SessionID(script[1]%16), int32(script[2])
			switch script[0] % 7 {
			case 0:
				tr.Add(id, arg, now)
				model[id] = plain{arg, end(arg)}
			case 1:
				p, known := model[id]
				if tr.Touch(id, now) != known {
					t.Fatalf("touch of %v: known %v", id, !known)
				}
				if known {
					model[id] = plain{p.timeout, end(p.timeout)}
				}
			case 2:
				tr.SetTimeout(id, arg, now)
				if _, known := model[id]; known {
					model[id] = plain{arg, end(arg)}
				}
			case 3:
				tr.Remove(id)
				delete(model, id)
			case 4:
				now += int64(arg)
			case 5:
				now += int64(arg)
				shift += int64(arg)
				tr.Extend(int64(arg))
				for id, p := range model {
					p.end += int64(arg)
					model[id] = p
				}
			case 6:
				limit := int(arg % 4)
				got, more := expired(tr, now, limit)
				for _, id := range got {
					if p, known := model[id]; !known || p.end > now {
						t.Fatalf("%v expired at %d, its end is %d (known %v)", id, now, p.end, known)
					}
					delete(model, id)
				}
				due := 0
				for _, p := range model {
					if p.end <= now {
						due++
					}
				}
				if more != (due > 0) || due > 0 && len(got) != limit {
					t.Fatalf("%d due are left after %d of %d, more %v", due, len(got), limit, more)
				}
			}
			if tr.Len() != len(model) {
				t.Fatalf("%d sessions, want %d", tr.Len(), len(model))
			}
			n := 0
			tr.Buckets(func(deadline int64, ids []core.SessionID) bool {
				for _, id := range ids {
					if model[id].end != deadline {
						t.Fatalf("%v ends at %d, want %d", id, deadline, model[id].end)
					}
				}
				n += len(ids)
				return len(ids) > 0
			})
			if n != len(model) {
				t.Fatalf("%d sessions in buckets, want %d", n, len(model))
			}
		}
	})
}

func TestIDs(t *testing.T) {
	const wall = 0x0000_0199_1234_5678
	tests := []struct {
		name  string
		peer  core.PeerID
		wall  int64
		above core.SessionID
		want  core.SessionID
	}{
		{"the server's byte, 40 bits of the clock, and a counter", 1, wall, 0, 0x0199_1234_5678_0000 | 1<<56},
		{"a clock beyond 40 bits is cut", 1, 0x7f_0199_1234_5678, 0, 0x0199_1234_5678_0000 | 1<<56},
		{"ids go on above one of an earlier life", 1, 5, 0x0199_1234_5678_0042, 0x0199_1234_5678_0043},
		{"another server's ids do not matter", 2, 5, 0x0199_1234_5678_0042, 2<<56 | 5<<16},
		{"an id below the clock does not hold it back", 1, wall, 0x0100_0000_0000_0007, 0x0199_1234_5678_0000 | 1<<56},
		{"the top bit of a server's byte is no sign", 254, 5, -0x0200_0000_0000_0000 + 9<<16, -0x0200_0000_0000_0000 + 9<<16 + 1},
		{"the owner of containers is never given out", 128, 0, 0, math.MinInt64 + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ids := NewIDs(tt.peer, tt.wall, tt.above)
			got := ids.Next()
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if PeerOf(got) != tt.peer {
				t.Errorf("made by %d, want %d", PeerOf(got), tt.peer)
			}
			if next := ids.Next(); next != got+1 {
				t.Errorf("then got %v, want one more", next)
			}
		})
	}
}

func TestIDsStayWithTheirServerWhenTheyRunOut(t *testing.T) {
	ids := NewIDs(3, 7, 0x03ff_ffff_ffff_fffe)
	if last := ids.Next(); last != 0x03ff_ffff_ffff_ffff {
		t.Fatalf("got %v", last)
	}
	if next := ids.Next(); next != 3<<56|7<<16 {
		t.Errorf("got %v after the last", next)
	}
}

func TestServersHaveIDsFrom1To254(t *testing.T) {
	for _, peer := range []core.PeerID{0, 255} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("server %d makes ids", peer)
				}
			}()
			NewIDs(peer, 1, 0)
		}()
	}
}

func TestApachePasswordIsZooKeepers(t *testing.T) {
	got := ApachePassword(0x0100001b64b50000)
	if want := "81798d817ad3e7f1c7722db053f18ecf"; hex.EncodeToString(got[:]) != want {
		t.Fatalf("got %x, want %s", got, want)
	}
	got = ApachePassword(0x0100002991830000) // from the handshake in core/wire's goldens
	if want := "dfbd98228063c82d5529b8e9c93f8a5e"; hex.EncodeToString(got[:]) != want {
		t.Fatalf("got %x, want %s", got, want)
	}
}

func TestPasswordsBelongToOneSessionAndOneSecret(t *testing.T) {
	p := Password([]byte("secret"), 1)
	many := NewPasswords([]byte("secret"))
	for id := range core.SessionID(3) {
		if many.Of(id) != Password([]byte("secret"), id) {
			t.Errorf("of %d: it depends on those before", id)
		}
	}
	if p != Password([]byte("secret"), 1) {
		t.Error("it is not the same at every server")
	}
	if p == Password([]byte("secret"), 2) || p == Password([]byte("other"), 1) || p == ApachePassword(1) {
		t.Error("another session or secret has the same password")
	}
	if !SamePassword(p, p[:]) || SamePassword(p, p[:15]) || SamePassword(p, nil) || SamePassword(p, make([]byte, 16)) {
		t.Error("passwords are compared wrongly")
	}
}

func TestNegotiate(t *testing.T) {
	tests := []struct {
		name            string
		requested, want int32
	}{
		{"within the limits it is what was asked for", 10_000, 10_000},
		{"below it is the least", 1, 4000},
		{"zero gets the least", 0, 4000},
		{"negative gets the least", -1, 4000},
		{"above it is the most", math.MaxInt32, 40_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Negotiate(tt.requested, 4000, 40_000); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func BenchmarkTouch(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			tr := NewTracker(2000)
			for id := range core.SessionID(n) {
				tr.Add(id, int32(4000+id%60_000), 0)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				tr.Touch(core.SessionID(i%n), int64(i/n)*2000)
				i++
			}
		})
	}
}

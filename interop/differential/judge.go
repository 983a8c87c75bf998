package differential

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/zensus-io/zensus/core/wire"
)

// Difference is one place at which two records are not the same.
type Difference struct {
	Script  *Script
	Step    *Step
	Conn    int      // on which the frames arrived
	Request *Request // that the frames answer, if they do
	Ref     *Frame   // nil where only the other side has one
	Ours    *Frame

	RefText, OursText string
	// watches are those that this connection has asked for, by path.
	watches map[string]watchMode
	judge   *Judge
}

// Finding is a difference that no class accounts for.
type Finding struct {
	Step      *Step
	Conn      int
	Ref, Ours string
	Lists     [2][]string // all that came on the connection in this step
	// Sort is what findings of one cause are likely to share.
	Sort string
}

// String is the finding for people.
func (f *Finding) String() string {
	s := fmt.Sprintf("step %v\n  on connection %d\n  reference: %s\n     zensus: %s", f.Step, f.Conn, f.Ref, f.Ours)
	for i, side := range []string{"reference", "zensus"} {
		if len(f.Lists[i]) > 1 {
			s += fmt.Sprintf("\n  all of %s:\n    %s", side, strings.Join(f.Lists[i], "\n    "))
		}
	}
	return s
}

// Judge compares what two sides have recorded. It lives as long as the sides: it
// knows how far their zxids are apart.
type Judge struct {
	Ref, Ours *Side
	Hits      map[string]int // of classes, by name
	Coverage  *Coverage

	shifts []shift
	apart  bool // a finding left the sides with zxids of their own

	// Of the script under judgement.
	script    *Script
	watches   [conns]map[string]watchMode
	ever      map[string]bool // paths that anybody has watched
	before    [2]int64        // zxids before the step: of the reference, of ours
	now       [2]int64
	tolerated bool // the step has a difference after which zxids may be apart
}

// shift moves the numbers of the reference's zxids from one on.
type shift struct{ from, by int64 }

// NewJudge compares records of the two sides.
func NewJudge(ref, ours *Side) *Judge {
	return &Judge{Ref: ref, Ours: ours, Hits: map[string]int{}, Coverage: NewCoverage()}
}

// number is a zxid's place in the order of all of its side.
func (j *Judge) number(s *Side, zxid int64) int64 {
	return j.shifted(s, zxid, zxid)
}

func (j *Judge) shifted(s *Side, zxid, place int64) int64 {
	n := zxid - s.first
	if s == j.Ref {
		for _, sh := range j.shifts {
			if place >= sh.from {
				n += sh.by
			}
		}
	}
	return n
}

// reached is number for the zxid up to which a side has come. Where the sides
// came apart at it, it stands for what both have reached.
func (j *Judge) reached(s *Side, zxid int64) int64 { return j.shifted(s, zxid, zxid+1) }

func (j *Judge) names(s *Side) *names {
	by := func(count func(*Side, int64) int64) func(int64) string {
		return func(z int64) string {
			if z <= 0 {
				return fmt.Sprint(z)
			}
			return fmt.Sprintf("%+d", count(s, z))
		}
	}
	return &names{session: s.sessionName, zxid: by(j.number), reached: by(j.reached)}
}

// Compare returns the first finding in the records of a script, or nil.
func (j *Judge) Compare(script *Script, ref, ours *Record) *Finding {
	j.script = script
	j.watches = [conns]map[string]watchMode{}
	j.ever = map[string]bool{}
	j.before = [2]int64{ref.Start, ours.Start}
	if j.apart {
		// The last change before it is the script's root, the same for both.
		j.align(ref.Start, ours.Start)
		j.shifts[len(j.shifts)-1].from--
		j.apart = false
	}
	for i := range script.Steps {
		if f := j.step(&script.Steps[i], &ref.Outcomes[i], &ours.Outcomes[i]); f != nil {
			j.apart = true
			return f
		}
	}
	return nil
}

// align has the two sides agree on the zxid that they have reached.
func (j *Judge) align(ref, ours int64) {
	by := j.reached(j.Ours, ours) - j.reached(j.Ref, ref)
	j.shifts = append(j.shifts, shift{from: ref + 1, by: by})
}

func (j *Judge) step(st *Step, ref, ours *Outcome) *Finding {
	j.now = [2]int64{ref.Zxid, ours.Zxid}
	j.tolerated = false
	if st.Kind == Drop || st.Kind == Connect || st.Kind == Expire || len(ref.Before) > 0 {
		j.watches[st.Conn] = nil
	}
	if f := j.lists(st, st.Conn, ref.Before, ours.Before); f != nil {
		return f
	}
	j.register(st)
	j.Coverage.add(st, ref.Own, 0)
	j.Coverage.add(st, ours.Own, 1)
	refAside, refOwn := aside(ref.Own)
	oursAside, oursOwn := aside(ours.Own)
	if slices.ContainsFunc(refAside, func(f Frame) bool { return f.Turn > 0 }) {
		j.Hits[classOvertakes]++
	}
	if f := j.lists(st, st.Conn, refAside, oursAside); f != nil {
		return f
	}
	if f := j.lists(st, st.Conn, refOwn, oursOwn); f != nil {
		return f
	}
	for i := range conns {
		if f := j.lists(st, i, ref.Others[i], ours.Others[i]); f != nil {
			return f
		}
		if slices.ContainsFunc(ref.Others[i], isClosed) || i == st.Conn && slices.ContainsFunc(ref.Own, isClosed) || slices.Contains(st.Drops, i) {
			j.watches[i] = nil
		}
	}
	refAt, oursAt := j.reached(j.Ref, ref.Zxid), j.reached(j.Ours, ours.Zxid)
	if refAt != oursAt {
		if !j.tolerated {
			return &Finding{Step: st, Conn: -1, Ref: fmt.Sprintf("zxid %+d", refAt), Ours: fmt.Sprintf("zxid %+d", oursAt), Sort: "zxid"}
		}
		j.align(ref.Zxid, ours.Zxid)
	}
	j.before = j.now
	return nil
}

func isClosed(f Frame) bool { return f.Kind == Closed }

// aside parts the replies that may overtake from all else.
func aside(all []Frame) (apart, others []Frame) {
	for _, f := range all {
		if f.Kind == Reply && overtakes(f.Request.Op) {
			apart = append(apart, f)
		} else {
			others = append(others, f)
		}
	}
	return apart, others
}

// register notes the watches that a step asks for.
func (j *Judge) register(st *Step) {
	for i := range st.Requests {
		for _, r := range st.Requests[i].registers() {
			j.watch(st.Conn, r.path, r.mode)
		}
	}
}

func (j *Judge) watch(conn int, path string, mode watchMode) {
	if j.watches[conn] == nil {
		j.watches[conn] = map[string]watchMode{}
	}
	j.watches[conn][path] |= mode
	j.ever[path] = true
}

// watched reports whether any connection of the script has asked to watch a path,
// be it one whose end the reference may not have noticed yet.
func (j *Judge) watched(path string) bool { return j.ever[path] }

// lists compares what arrived on one connection.
func (j *Judge) lists(st *Step, conn int, ref, ours []Frame) *Finding {
	if len(ref) == 0 && len(ours) == 0 {
		return nil
	}
	a, b := j.texts(j.Ref, ref), j.texts(j.Ours, ours)
	if endsSession(st) {
		// In which order the ephemerals of a session end is nobody's promise.
		ref, a = sortEvents(ref, a)
		ours, b = sortEvents(ours, b)
	}
	diff := func(i, k int) *Difference {
		d := &Difference{Script: j.script, Step: st, Conn: conn, RefText: "nothing", OursText: "nothing", watches: j.watches[conn], judge: j}
		if i >= 0 {
			d.Ref, d.RefText, d.Request = &ref[i], a[i], ref[i].Request
		}
		if k >= 0 {
			d.Ours, d.OursText = &ours[k], b[k]
			if ours[k].Request != nil {
				d.Request = ours[k].Request
			}
		}
		return d
	}
	found := func(d *Difference) *Finding {
		f := d.finding()
		f.Lists = [2][]string{a, b}
		return f
	}
	i, k := 0, 0
	for i < len(ref) || k < len(ours) {
		if i < len(ref) && k < len(ours) {
			if a[i] == b[k] {
				if d := diff(i, k); ref[i].Kind == Event && !j.accounted(d, d.checkEventZxid()) {
					return found(d)
				}
				i, k = i+1, k+1
				continue
			}
			if ref[i].Kind == ours[k].Kind && ref[i].Request == ours[k].Request && ref[i].Kind != Event && j.tolerate(diff(i, k)) {
				i, k = i+1, k+1
				// The zxids may have come apart with it.
				a, b = j.texts(j.Ref, ref), j.texts(j.Ours, ours)
				continue
			}
		}
		if i < len(ref) && j.tolerate(diff(i, -1)) {
			i++
			continue
		}
		if k < len(ours) && j.tolerate(diff(-1, k)) {
			k++
			continue
		}
		if i == len(ref) {
			return found(diff(-1, k))
		}
		if k == len(ours) {
			return found(diff(i, -1))
		}
		return found(diff(i, k))
	}
	return nil
}

func (j *Judge) texts(s *Side, frames []Frame) []string {
	n := j.names(s)
	all := make([]string, len(frames))
	for i := range frames {
		all[i] = n.text(&frames[i])
	}
	return all
}

func endsSession(st *Step) bool {
	return st.Kind == Expire || slices.ContainsFunc(st.Requests, func(q Request) bool { return q.Op == wire.OpCloseSession })
}

// sortEvents sorts each run of notifications.
func sortEvents(frames []Frame, texts []string) ([]Frame, []string) {
	order := make([]int, len(frames))
	for i := range order {
		order[i] = i
	}
	for from := 0; from < len(frames); {
		to := from
		for to < len(frames) && frames[to].Kind == Event {
			to++
		}
		sort.SliceStable(order[from:to], func(x, y int) bool { return texts[order[from:to][x]] < texts[order[from:to][y]] })
		from = to + 1
	}
	f, t := make([]Frame, len(frames)), make([]string, len(frames))
	for i, o := range order {
		f[i], t[i] = frames[o], texts[o]
	}
	return f, t
}

// tolerate reports whether a class accounts for a difference, and counts it.
func (j *Judge) tolerate(d *Difference) bool {
	for i := range classes {
		if c := &classes[i]; c.matches != nil && c.matches(d) {
			j.tolerated = j.tolerated || c.zxids == zxidsApart
			if c.zxids != zxidsAlike && d.Ref != nil && d.Ours != nil && d.Ref.Zxid > 0 && d.Ours.Zxid > 0 {
				j.align(d.Ref.Zxid, d.Ours.Zxid)
			}
			if c.zxids == zxidsHidden {
				last := j.shifts[len(j.shifts)-1]
				j.shifts = append(j.shifts, shift{from: last.from + 1, by: -last.by})
			}
			return j.accounted(d, c.Name)
		}
	}
	return false
}

func (j *Judge) accounted(d *Difference, class string) bool {
	if class != "" && class != none {
		j.Hits[class]++
	}
	return class != ""
}

// none says that there is nothing to account for.
const none = "none"

// checkEventZxid holds the header of a notification that is the same otherwise
// against what it must be. The empty string means that it is not.
func (d *Difference) checkEventZxid() string {
	j := d.judge
	switch {
	case d.Ref.Zxid != -1:
		return ""
	case d.Ours.Zxid == -1 && slices.ContainsFunc(d.Step.Requests, func(q Request) bool {
		return q.Op == wire.OpSetWatches || q.Op == wire.OpSetWatches2
	}):
		return none
	case d.Ours.Zxid > j.before[1] && d.Ours.Zxid <= j.now[1]:
		return classEventZxid
	}
	d.RefText += fmt.Sprintf(" (zxid %d)", d.Ref.Zxid)
	d.OursText += fmt.Sprintf(" (zxid %#x; before the step %#x, after %#x)", d.Ours.Zxid, j.before[1], j.now[1])
	return ""
}

func (d *Difference) finding() *Finding {
	f := &Finding{Step: d.Step, Conn: d.Conn, Ref: d.RefText, Ours: d.OursText, Sort: "other"}
	if q := d.Request; q != nil {
		f.Ref += "\n   to request: " + q.String()
		f.Sort = q.Op.String()
	}
	for _, side := range []*Frame{d.Ref, d.Ours} {
		if side != nil {
			f.Sort += fmt.Sprintf(" %d/%d", side.Kind, side.Err)
		} else {
			f.Sort += " -"
		}
	}
	return f
}

// modesAbove are the modes of the watches on a path and, for recursive ones, on
// what is above it; several says that more than one mode meets on one of them.
func (d *Difference) severalModes(path string) bool {
	for {
		m := d.watches[path]
		if m&modeDoubtful != 0 || severalIn(m) {
			return true
		}
		if path == "/" || path == "" {
			return false
		}
		path = path[:max(0, strings.LastIndexByte(path, '/'))]
		if path == "" {
			path = "/"
		}
	}
}

// severalIn reports whether a set has modes beside which an older server keeps
// no other.
func severalIn(m watchMode) bool {
	standard := m & (modeData | modeChild)
	n := 0
	for _, has := range []bool{standard != 0, m&modePersistent != 0, m&modeRecursive != 0} {
		if has {
			n++
		}
	}
	return n > 1
}

package fuzzy

// Difference is a key in which a client differs from what there is.
type Difference struct {
	Key  Key
	Text string // as the client has named it; blank if it has not
	Gone bool   // the client has it, and is not to have it
	// There says, in a message, that the key is there all the same: the client has it
	// and is not to have it because it may not read it.
	There bool
}

// Form is how a kind of keys is written: "g@@s", for instance.
type Form struct {
	Write func(Key) string
	Read  func(string) (Key, bool)
}

// textBytesMax is longer than any key can be. What is longer was told by nobody, and is
// not kept.
const textBytesMax = 2560

// Compare is in what a client differs that has received these keys, and may read those for
// which readable says so. Keys that it has and that are not known to be gone are left to
// it if matches are not complete, and no more of them are told than limit: the client
// compares again every few minutes.
func Compare(f Form, matches []Key, complete bool, received []string, readable func(Key) bool, limit int) []Difference {
	has := make(map[string]bool, len(received)) // whether it was told so
	for _, text := range received {
		has[text] = false
	}
	var diff []Difference
	for _, k := range matches {
		if !readable(k) {
			continue
		}
		text := f.Write(k)
		if _, ok := has[text]; ok {
			has[text] = true
			continue
		}
		diff = append(diff, Difference{Key: k})
	}
	if !complete {
		return diff
	}
	most := len(diff) + limit
	for _, text := range received {
		if has[text] || len(diff) == most || len(text) > textBytesMax {
			continue
		}
		has[text] = true // it may be named twice
		k, _ := f.Read(text)
		diff = append(diff, Difference{Key: k, Text: text, Gone: true})
	}
	return diff
}

// Kind is what a message is.
type Kind int

// The kinds of messages.
const (
	Initial Kind = iota // part of what the client has not, when it begins
	Finish              // that was all
	Differs             // part of what the client has not, later
	Change              // one key came or went
)

// Message is what a client is to be told next.
type Message struct {
	Kind    Kind
	Pattern string // not of a Change
	Keys    []Difference
	// Batch is the number of this part, from 1, of Batches.
	Batch, Batches int

	watch *watch
	due   *comparison
	size  int // differences that it covers
	news  *item
}

// Take is the next message for a client; false if it is owed nothing. Done must follow
// before the next. The keys may be none: then nothing is to be sent but a Finish.
func (c *Client) Take() (Message, bool) {
	for _, w := range c.watches {
		if w.due != nil {
			return c.takeDue(w), true
		}
	}
	for el := c.queue.Front(); el != nil; el = c.queue.Front() {
		n := el.Value.(*item)
		there := c.there(n.key)
		if n.knows == there && !n.unsure || !c.concerns(n.key) {
			c.drop(el)
			continue
		}
		n.taken = true
		return Message{Kind: Change, Keys: []Difference{{Key: n.key, Gone: !there, There: there}}, news: n}, true
	}
	return Message{}, false
}

func (c *Client) takeDue(w *watch) Message {
	s := w.due
	m := Message{Kind: Differs, Pattern: w.topic.pattern.text, Batch: s.batch, Batches: s.batches, watch: w, due: s}
	if s.initial {
		m.Kind = Initial
	}
	if len(s.diff) == 0 {
		m.Kind = Finish
		return m
	}
	m.size = min(c.table.limits.Batch, len(s.diff))
	for _, lasting := range s.diff[:m.size] {
		d := *lasting
		if el := c.news[d.Key]; el != nil {
			el.Value.(*item).unsure = true // after this it knows it for one pattern, or not for another
		}
		if d.There = w.topic.has(d.Key); d.There || d.Gone {
			m.Keys = append(m.Keys, d)
		}
	}
	return m
}

// Done tells what became of a message: the client has it, or nobody knows.
func (c *Client) Done(m Message, arrived bool) {
	if m.Kind == Change {
		c.told(m.news, m.Keys[0].There, arrived)
		return
	}
	s := m.due
	if m.watch.due != s || !arrived {
		return // a newer comparison took its place, or it is sent again
	}
	s.diff = s.diff[m.size:]
	s.batch++
	if m.Kind == Finish || len(s.diff) == 0 && !s.initial {
		m.watch.due = nil
	}
}

func (c *Client) told(n *item, there, arrived bool) {
	n.taken = false
	el := c.news[n.key]
	if el == nil || el.Value.(*item) != n {
		return // nobody wants to know any more
	}
	n.unsure = !arrived
	if arrived {
		n.knows = there
	}
	if !n.unsure && n.knows == c.there(n.key) {
		c.drop(el)
		return
	}
	c.queue.MoveToBack(el)
}

// Owes reports whether a client is owed anything.
func (c *Client) Owes() bool {
	if c.queue.Len() > 0 {
		return true
	}
	for _, w := range c.watches {
		if w.due != nil {
			return true
		}
	}
	return false
}

package sim

import (
	"fmt"
	"maps"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// picture is a copy of a subtree that a client keeps by watching.
type picture struct {
	c     *client
	nodes map[string]string
	live  bool
}

func newPicture(c *client) *picture {
	p := &picture{c: c}
	p.reset()
	c.onEvent = func(t core.EventType, path string) { p.event(t, path) }
	return p
}

func (p *picture) reset() { p.nodes, p.live = map[string]string{}, false }

func (p *picture) begin() {
	p.reset()
	p.live = true
	p.list()
}

func (p *picture) list() {
	p.c.children("/mir", true, func(r *reply) {
		if r.lost || r.code != core.OK {
			p.live = false
			return
		}
		names, _ := wire.DecodeStrings(&r.body)
		kept := map[string]string{}
		for _, n := range names {
			if data, known := p.nodes["/mir/"+n]; known {
				kept["/mir/"+n] = data
			} else if p.c.ready() {
				p.load("/mir/" + n)
			}
		}
		p.nodes = kept
	})
}

func (p *picture) load(path string) {
	p.c.get(path, true, func(r *reply) {
		switch {
		case r.lost:
			p.live = false
		case r.code == core.OK:
			p.nodes[path] = string(r.body.Bytes())
		default:
			delete(p.nodes, path)
		}
	})
}

func (p *picture) event(t core.EventType, path string) {
	switch t {
	case core.NodeChildrenChanged:
		p.list()
	case core.NodeDataChanged, core.NodeCreated:
		p.load(path)
	case core.NodeDeleted:
		delete(p.nodes, path)
	}
}

// mirror begins its picture anew when it has lost the thread.
func mirror(c *client) {
	if !c.picture.live {
		c.picture.begin()
	}
}

// compare holds the picture, when everything has come to rest, against the model.
func (p *picture) compare() error {
	if !p.live || !p.c.ready() || len(p.c.pending) > 0 {
		return nil // its link broke, or it pings, just now
	}
	p.c.w.cover.hit("mirror compared")
	want := map[string]string{}
	for path, n := range p.c.link.s.model.Nodes {
		if core.ParentPath(path) == "/mir" {
			want[path] = string(n.Data)
		}
	}
	if !maps.Equal(p.nodes, want) {
		return fmt.Errorf("the mirror holds %v, expected %v", p.nodes, want)
	}
	return nil
}

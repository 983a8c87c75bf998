package cache

import (
	"slices"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/internal/names"
)

// Query says which configs of a namespace are looked for. A blank field means
// any. Without Blur a name must be equal; with it, * stands for any characters,
// and a name without * must be equal all the same.
type Query struct {
	Namespace string
	Group     string
	DataID    string
	AppName   string
	Tags      string   // comma list: all of them
	Types     []string // one of them
	Content   string
	Blur      bool
	Page      int // from 1
	PageSize  int
}

// Page is one page of what a Query finds, ordered by group and dataId.
type Page struct {
	Items []*configcenter.Item
	Total int // on all pages
	Page  int
	Pages int
}

// PageSizeMax bounds a page: dubbo-go asks for 9999 at once.
const PageSizeMax = 10_000

// Search finds configs.
func (c *Cache) Search(q Query) Page {
	q.Page = max(q.Page, 1)
	q.PageSize = min(max(q.PageSize, 1), PageSizeMax)
	// However many are asked for, there are few.
	some := len(q.Types) > 0
	q.Types = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(q.Types))), func(t string) bool { return configcenter.NormalType(t) != t })
	page := Page{Page: q.Page}
	if some && len(q.Types) == 0 {
		return page
	}
	// Compared in this form because a product of two numbers from outside may overflow.
	skip := 0
	if q.Page-1 <= c.Len()/q.PageSize {
		skip = (q.Page - 1) * q.PageSize
	} else {
		skip = c.Len()
	}
	c.each(q.Namespace, func(it *configcenter.Item) bool {
		if !q.matches(it) {
			return true
		}
		if page.Total >= skip && len(page.Items) < q.PageSize {
			page.Items = append(page.Items, it)
		}
		page.Total++
		return true
	})
	page.Pages = (page.Total + q.PageSize - 1) / q.PageSize
	return page
}

// Matching are the configs of a namespace that match, in order, limit at most.
func (c *Cache) Matching(namespace string, match func(configcenter.Key) bool, limit int) (found []configcenter.Key) {
	c.each(namespace, func(it *configcenter.Item) bool {
		if match(it.Key) {
			found = append(found, it.Key)
		}
		return len(found) < limit
	})
	return found
}

// each calls f with every config of a namespace, in order, until it says no.
func (c *Cache) each(namespace string, f func(*configcenter.Item) bool) {
	c.mu.Lock() // a copy marks the original too
	view := c.mu.sorted.Copy()
	c.mu.Unlock()
	view.Ascend(&configcenter.Item{Key: configcenter.Key{Namespace: namespace}}, func(it *configcenter.Item) bool {
		if it.Key.Namespace != namespace {
			return false
		}
		return f(it)
	})
}

func (q *Query) matches(it *configcenter.Item) bool {
	switch {
	case !q.field(q.DataID, it.Key.DataID), !q.field(q.Group, it.Key.Group), !q.field(q.AppName, it.AppName):
		return false
	case len(q.Types) > 0 && !slices.Contains(q.Types, it.Type):
		return false
	case !q.field(q.Content, it.Content):
		return false
	}
	if q.Tags != "" {
		for tag := range strings.SplitSeq(q.Tags, ",") {
			if !configcenter.HasTag(it.Tags, strings.TrimSpace(tag)) {
				return false
			}
		}
	}
	return true
}

func (q *Query) field(pattern, s string) bool {
	switch {
	case pattern == "":
		return true
	case q.Blur:
		return names.Match(pattern, s)
	default:
		return pattern == s
	}
}

package store

import "slices"

// pager is where a reader of windows stands, who reads them page by page in the order of stream, start and key.
type pager struct {
	rest  []WindowKey // windows after the current one
	at    WindowKey
	from  string // key in the current window to go on from
	limit int    // rows of the next page
	ended bool
}

func newPager(windows []WindowKey, from string, limit int) *pager {
	if len(windows) == 0 {
		return &pager{ended: true}
	}
	sorted := slices.SortedFunc(slices.Values(windows), WindowKey.compare)
	return &pager{rest: sorted[1:], at: sorted[0], from: from, limit: limit}
}

func (k WindowKey) compare(o WindowKey) int {
	if k.Stream != o.Stream {
		if k.Stream < o.Stream {
			return -1
		}
		return 1
	}
	return k.Start.Compare(o.Start)
}

func (p *pager) done() bool { return p.ended }
func (p *pager) end()       { p.ended = true }

// goOn has the next page begin at a key of a window.
func (p *pager) goOn(window WindowKey, key string) {
	for p.at.compare(window) < 0 {
		p.at, p.rest = p.rest[0], p.rest[1:]
	}
	p.from = key
}

// args are those of a statement that reads the next page; from is the key as the statement wants it.
func (p *pager) args(from string) (params, error) {
	args, err := windowList(p.rest)
	args = args.value("stream", p.at.Stream).value("start", p.at.Start).value("from", from).value("limit", p.limit)
	return args.setting("max_block_size", min(p.limit, 4096)), err
}

package schema

import "time"

// refill is the share of the time that events may wait for a registry once they have waited for
// as long as one may: a hundredth.
const refill = 100

// patience bounds how long events wait for a registry altogether: a registry that is slow, or
// events that each name another schema, cost the first wait and then a hundredth of the time.
// What waits at the same time counts once.
type patience struct {
	most    time.Duration // that events may wait at a stretch; nobody waits where it is not positive
	spent   time.Duration
	at      time.Time // of spent
	waiting int
}

// begin notes that an event begins to wait, and returns for how long it may. Where that is not
// positive it does not wait; else end has to follow.
func (p *patience) begin(now time.Time) time.Duration {
	p.count(now)
	left := p.most - p.spent
	if left > 0 {
		p.waiting++
	}
	return left
}

// end notes that an event waits no more.
func (p *patience) end(now time.Time) {
	p.count(now)
	p.waiting--
}

func (p *patience) count(now time.Time) {
	passed := max(now.Sub(p.at), 0)
	if p.at = now; p.waiting > 0 {
		p.spent += passed
		return
	}
	p.spent = max(p.spent-passed/refill, 0)
}

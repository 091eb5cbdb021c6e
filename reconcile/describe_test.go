package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// describe prints a history so that a person can follow it.
func describe(p *play) string {
	text := fmt.Sprintf("settings %+v\n", p.history.Settings)
	for i, step := range p.history.Steps[:p.step] {
		text += fmt.Sprintf("%d %s ", i, step.Now.Format("15:04:05.000"))
		if r := step.Report; r != nil {
			text += fmt.Sprintf("%s %.8s #%d epoch %d after %v sent %s state %d lanes %d/%v", r.Hop, r.Emitter, r.Number, r.Epoch, r.After,
				r.SentAt.Format("15:04:05.000"), r.State, r.LaneCount, clocks(r.Lanes))
			for _, w := range r.Windows {
				text += " window " + w.Start.Format("15:04:05")
				for _, source := range w.Sources {
					text += fmt.Sprintf(" %.13s:", source.ID)
					for k, b := range source.Rolls {
						if b != nil {
							text += fmt.Sprintf(" %d%v", k, b.ToArray())
						}
					}
				}
			}
			for _, e := range r.Ended {
				text += fmt.Sprintf(" ended %.8s %v", e.Emitter, e.Windows)
			}
		}
		if step.Close != nil {
			text += fmt.Sprintf("close %+v", *step.Close)
		}
		text += "\n"
	}
	return text
}

func clocks(lanes map[string]time.Time) []string {
	var all []string
	for _, lane := range slices.Sorted(maps.Keys(lanes)) {
		all = append(all, lane+"="+lanes[lane].Format("15:04:05.000"))
	}
	return all
}

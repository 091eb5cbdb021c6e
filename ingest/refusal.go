package ingest

import (
	"fmt"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Refusal says that a batch cannot be taken as it is; sending it again unchanged will not help.
type Refusal struct {
	Faults []wire.Fault // at least one
	reason string       // label of the metric
	items  int          // how many are not taken, where the others are
}

// Error implements error.
func (r *Refusal) Error() string { return wire.Faults(r.Faults).Error() }

func (r *Refusal) add(path, format string, args ...any) {
	const most = 20
	if len(r.Faults) < most {
		r.Faults = append(r.Faults, wire.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

// orNil returns the refusal as an error, nil when nothing is wrong.
func (r *Refusal) orNil() error {
	if len(r.Faults) == 0 {
		return nil
	}
	return r
}

package wire

import (
	"fmt"
	"strings"
)

// maxFaults is how many faults of one batch are told.
const maxFaults = 20

// Fault is one thing wrong with a batch, at its path, such as
// reports[0].windows[2].sources[1].seen.ranges[3]. The path is empty where the
// whole body is at fault. The message says the value's shape and the limit, and
// never repeats more than a few characters of the value.
type Fault struct {
	Path, Message string
}

// Faults are all that was found wrong with a batch, in the order met, 20 at most.
// Decode and Validate return them as their error.
type Faults []Fault

// Error implements error.
func (f Faults) Error() string {
	var b strings.Builder
	for i, one := range f {
		if i > 0 {
			b.WriteString("; ")
		}
		if one.Path != "" {
			b.WriteString(one.Path + ": ")
		}
		b.WriteString(one.Message)
	}
	return b.String()
}

func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

func (f Faults) full() bool { return len(f) >= maxFaults }

func (f *Faults) add(at *path, format string, args ...any) {
	if !f.full() {
		*f = append(*f, Fault{at.String(), fmt.Sprintf(format, args...)})
	}
}

// path is where a decoder or validator stands. It is written out only for a fault.
type path struct {
	steps []step
}

type step struct {
	key   string // "" for an element of an array
	index int
	entry bool // key is of a map, not a field's name
}

func (p *path) field(name string) { p.steps = append(p.steps, step{key: name}) }
func (p *path) item(i int)        { p.steps = append(p.steps, step{index: i}) }
func (p *path) entry(key string)  { p.steps = append(p.steps, step{key: key, entry: true}) }

// key goes to a key found in the input: a field where it looks like one.
func (p *path) key(name string) {
	for _, r := range name {
		if r > 'z' || r < 'A' || r > 'Z' && r < 'a' {
			p.entry(name)
			return
		}
	}
	if len(name) == 0 || len(name) > 40 {
		p.entry(name)
		return
	}
	p.field(name)
}

func (p *path) up() { p.steps = p.steps[:len(p.steps)-1] }

// String returns the path; long or odd map keys are quoted and cut.
func (p *path) String() string {
	var b strings.Builder
	for _, s := range p.steps {
		switch {
		case s.entry:
			fmt.Fprintf(&b, "[%q]", clip(s.key))
		case s.key == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case b.Len() > 0:
			b.WriteString("." + s.key)
		default:
			b.WriteString(s.key)
		}
	}
	return b.String()
}

// clip cuts text for a message.
func clip(text string) string {
	const most = 40
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}

package wire

// The names of enumerated values on the wire, by value; the first of each is no name.
var (
	stateNames      = [...]string{"", "RUNNING", "CLOSED"}
	reasonKindNames = [...]string{"", "filtered", "rejected"}
	outcomeNames    = [...]string{"", "OK", "INVALID", "UNKNOWN_SCHEMA", "UNDECODABLE", "DEPRECATED"}
)

// String returns the state's name on the wire.
func (s State) String() string {
	if s == Running || s == Closed {
		return stateNames[s]
	}
	return "unknown"
}

// reasonKind returns the kind at an index of reasonKindNames.
func reasonKind(i uint8) Kind {
	if i == 2 {
		return Rejected
	}
	return Filtered
}

// indexOf returns the index of name in names, or -1.
func indexOf(names []string, name string) int {
	for i := range names {
		if names[i] == name {
			return i
		}
	}
	return -1
}

package schema

// Event is what a source is asked about.
type Event struct {
	Stream  string
	Payload []byte
	Header  []byte // value of the record header SchemaIDHeader; nil where there is none
}

// Found is the schema of an event, or why there is none.
type Found struct {
	Schema *Schema
	Body   []byte // the payload without its framing
	Reason string // where Schema is nil; never of the event
	Broken bool   // where Schema is nil: the event itself is at fault, and not that its schema is not at hand
}

// The reasons why a schema is not at hand.
const (
	whyUnframed = "the event does not name a schema"
	whyUnknown  = "no such schema"
	whyUnusable = "the schema cannot be used"
	whyAway     = "registry away"
	whyEarly    = "the schema is being looked up"
	whyBusy     = "too many schemas are being looked up"
	whyMessage  = "the message is not in the schema"
)

func missing(reason string) Found { return Found{Reason: reason} }

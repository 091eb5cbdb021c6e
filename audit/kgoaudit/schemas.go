package kgoaudit

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/audit"
)

// schemaHeader is the record header in which serializers put the id of a value's schema.
const schemaHeader = "__value_schema_id"

// SchemaChecker checks events against their schemas; a *schema.Checker of audit/schema does.
// Check must not wait for long: it is called where a record is produced or polled. Header is
// the value of the record header "__value_schema_id", nil where there is none.
type SchemaChecker interface {
	Check(hop *audit.Hop, h audit.Header, payload, header []byte) audit.SchemaTally
}

func schemaID(r *kgo.Record) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == schemaHeader {
			return r.Headers[i].Value
		}
	}
	return nil
}

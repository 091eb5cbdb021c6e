package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// maxAnswer bounds an answer of the registry, in bytes after decompression. JSON has a
// schema's text as a string, at up to twice its length.
const maxAnswer = 2*maxSchemaText + 64<<10

// errLie is an answer that contradicts the question or itself.
var errLie = errors.New("it answered with another schema than it was asked for")

// look asks the registry and notes the answer.
func (r *Registry) look(l *lookup) {
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Timeout)
	defer cancel()
	var doc Document
	err := contained(func() (err error) { doc, err = r.document(ctx, l.key); return err })
	var schema *Schema
	unfit := error(nil)
	if err == nil {
		schema, unfit = Compile(doc)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looking--
	now := time.Now()
	var refused *sr.ResponseError
	switch {
	case errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound:
		r.state.Unknown++
		l.reason, l.until = whyUnknown, now.Add(r.cfg.AskAgain)
	case err != nil:
		r.state.Failed++
		l.reason, l.until = whyAway, now.Add(r.cfg.TryAgain)
		r.isAway(wrongWith(err), now)
	case unfit != nil:
		r.state.Unfit++
		r.state.Error = bounded(fmt.Sprintf("schema %s@%s cannot be used", doc.ID, doc.Version), maxReason)
		l.reason, l.until = whyUnusable, now.Add(r.cfg.AskAgain)
	default:
		l.schema = schema
	}
	close(l.done)
	if l.reason != whyAway {
		r.isThere(now)
	}
}

// wrongWith says what is wrong with the registry in words of our own: an answer may hold anything,
// and a URL may hold a password.
func wrongWith(err error) string {
	var refused *sr.ResponseError
	var network *url.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("it answered %d", refused.StatusCode)
	case errors.Is(err, context.DeadlineExceeded):
		return "it did not answer in time"
	case errors.Is(err, errAnswer), errors.Is(err, errLie):
		return err.Error()
	case errors.As(err, &network):
		return network.Err.Error()
	}
	return "its answer is not what a registry answers"
}

// document asks for a schema and all that it refers to.
func (r *Registry) document(ctx context.Context, key lookupKey) (Document, error) {
	s, err := r.subject(ctx, key)
	if err != nil {
		return Document{}, err
	}
	doc := Document{
		ID: bounded(s.Subject, maxReason), Version: fmt.Sprint(s.Version),
		Type: s.Type.String(), Name: s.Subject, Text: []byte(s.Schema.Schema),
	}
	if s.Version == 0 {
		doc.Version = ""
	}
	refs := references{r: r, texts: make(map[string][]byte)}
	if err := refs.add(ctx, s.References, 0); err != nil {
		return Document{}, err
	}
	doc.Refer, doc.Order = refs.get, refs.order
	return doc, nil
}

// subject asks for a schema by its id or GUID, and under which subject and version it is.
func (r *Registry) subject(ctx context.Context, key lookupKey) (sr.SubjectSchema, error) {
	if key.frame.global() {
		s, err := r.client.SchemaByGUID(ctx, key.frame.text())
		if err == nil && s.GUID != "" && !strings.EqualFold(s.GUID, key.frame.text()) {
			err = errLie
		}
		if s.Subject == "" {
			s.Subject = key.frame.text()
		}
		return s, err
	}
	text, err := r.client.SchemaByID(ctx, int(key.frame.id))
	if err != nil {
		return sr.SubjectSchema{}, err
	}
	if text.Schema == "" {
		return sr.SubjectSchema{}, errLie
	}
	s := sr.SubjectSchema{Subject: fmt.Sprintf("id %d", key.frame.id), Schema: text}
	versions, err := r.client.SchemaVersionsByID(ctx, int(key.frame.id))
	if err != nil || len(versions) == 0 {
		return s, nil //nolint:nilerr // older registries do not say; the id is a name, too
	}
	at := bestSubject(versions, key.stream)
	same, err := r.client.SchemaByVersion(ctx, at.Subject, at.Version)
	if err != nil {
		return sr.SubjectSchema{}, err
	}
	if same.ID != int(key.frame.id) || same.Schema.Schema != text.Schema {
		return sr.SubjectSchema{}, errLie
	}
	s.Subject, s.Version = at.Subject, at.Version
	return s, nil
}

// bestSubject returns the subject of the stream, where a schema has several, else the first;
// of that the newest version.
func bestSubject(versions []sr.SubjectVersion, stream string) sr.SubjectVersion {
	other := func(s string) bool { return s != stream+"-value" && s != stream }
	return slices.MinFunc(versions, func(a, b sr.SubjectVersion) int {
		if x, y := other(a.Subject), other(b.Subject); x != y {
			if y {
				return -1
			}
			return 1
		}
		if c := strings.Compare(a.Subject, b.Subject); c != 0 {
			return c
		}
		return b.Version - a.Version
	})
}

// references is what a schema refers to, and what that does.
type references struct {
	r     *Registry
	texts map[string][]byte
	order []string // what refers to others comes after them
}

func (refs *references) add(ctx context.Context, of []sr.SchemaReference, depth int) error {
	if depth > maxDocuments {
		return errors.New("references are nested too deep")
	}
	for _, ref := range of {
		if _, ok := refs.texts[ref.Name]; ok {
			continue
		}
		if len(refs.texts) >= maxDocuments {
			return fmt.Errorf("more than %d references", maxDocuments)
		}
		s, err := refs.r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return err
		}
		refs.texts[ref.Name] = []byte(s.Schema.Schema)
		if err := refs.add(ctx, s.References, depth+1); err != nil {
			return err
		}
		refs.order = append(refs.order, ref.Name)
	}
	return nil
}

func (refs *references) get(name string) ([]byte, error) {
	if text, ok := refs.texts[name]; ok {
		return text, nil
	}
	return nil, errors.New("the schema does not list it among its references")
}

// client returns a client whose answers are bounded.
func (cfg *RegistryConfig) client() (*sr.Client, error) {
	var ours http.Client
	if cfg.Client != nil {
		ours = *cfg.Client
	}
	if ours.Transport == nil {
		ours.Transport = http.DefaultTransport
	}
	ours.Transport = guard{ours.Transport}
	ours.Timeout = cfg.Timeout
	opts := []sr.ClientOpt{sr.URLs(cfg.URLs...), sr.HTTPClient(&ours), sr.UserAgent("rollcall")}
	if cfg.User != "" {
		opts = append(opts, sr.BasicAuth(cfg.User, cfg.Password))
	}
	if cfg.Token != "" {
		opts = append(opts, sr.BearerToken(cfg.Token))
	}
	for _, at := range cfg.URLs {
		u, err := url.Parse(at)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, errors.New("schema registry: a URL that does not begin with http:// or https:// and a host")
		}
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	return client, nil
}

// errAnswer is an answer that is not read, or not to its end.
var errAnswer = errors.New("its answer is no JSON or too long")

// guard refuses answers that are not JSON, and ends those that are too long.
type guard struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK && !strings.Contains(resp.Header.Get("Content-Type"), "json") {
		resp.Body.Close()
		return nil, errAnswer
	}
	resp.Body = &bounds{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

type bounds struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *bounds) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errAnswer
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

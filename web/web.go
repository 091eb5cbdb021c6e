// Package web owns the pages of the Log Inspector: the files built into dist,
// how they are cached, and the headers they are served with. It must not know
// the API, its data, or how the server is put together.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// policy lets a page load from its own server only: no inline scripts, no
// inline styles, no frame around it.
const policy = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"

const notBuilt = "page not built: run make build\n"

// Handler serves the built files, and index.html for every page route, so that
// an address can be opened directly. A path that is neither answers 404 with
// the page, which says so. Without a build it answers 503 and says what to run.
// Only GET and HEAD are served.
func Handler() http.Handler {
	root, err := fs.Sub(dist, "dist")
	if err != nil { // only a malformed constant can cause it
		root = dist
	}
	return handler(root)
}

func handler(root fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		serve(w, r, root)
	})
}

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

func serve(w http.ResponseWriter, r *http.Request, root fs.FS) {
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if body, err := fs.ReadFile(root, name); err == nil && name != "index.html" {
		send(w, r, name, body, http.StatusOK)
		return
	}
	if strings.HasPrefix(name, "assets/") {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	index, err := fs.ReadFile(root, "index.html")
	if err != nil {
		http.Error(w, notBuilt, http.StatusServiceUnavailable)
		return
	}
	send(w, r, "index.html", index, status(name))
}

// status is 200 for the routes the page knows, 404 for all others.
func status(name string) int {
	first, rest, _ := strings.Cut(name, "/")
	switch first {
	case "incidents":
		return http.StatusOK
	case "", "hours":
		if rest == "" {
			return http.StatusOK
		}
	case "h", "w", "uid", "latency", "schemas":
		if rest != "" {
			return http.StatusOK
		}
	}
	return http.StatusNotFound
}

func send(w http.ResponseWriter, r *http.Request, name string, body []byte, code int) {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Content-Type", contentType(name))
	h.Set("Cache-Control", caching(name))
	if code == http.StatusOK && r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(code)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the reader went away; there is nobody to tell
	}
}

// caching is for ever where the name holds a hash of the content, and asks the
// server again everywhere else.
func caching(name string) string {
	if strings.HasPrefix(name, "assets/") {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	if known := mime.TypeByExtension(path.Ext(name)); known != "" {
		return known
	}
	return "application/octet-stream"
}

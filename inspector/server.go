package inspector

import (
	"net/http"
	"time"
)

// Server returns an HTTP server with every timeout and limit set. The live stream moves its own
// deadlines; all else ends within the write timeout.
func Server(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    32 << 10,
	}
}

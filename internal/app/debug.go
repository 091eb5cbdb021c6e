package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// checkDebug refuses to show the profiler to other hosts: it tells of memory and asks nobody for a token.
func checkDebug(listen string) error {
	if listen == "" {
		return nil
	}
	near, err := loopback(listen)
	if err != nil {
		return fmt.Errorf("--debug-listen: %w", err)
	}
	if !near {
		return fmt.Errorf("--debug-listen %q: the profiler listens on loopback only, such as 127.0.0.1:6060", listen)
	}
	return nil
}

// openDebug serves the profiler, where it is asked for, apart from all else.
func (a *App) openDebug(ctx context.Context) error {
	if a.config.Debug == "" {
		return nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", a.config.Debug)
	if err != nil {
		return fmt.Errorf("listen on %s for the profiler: %w", a.config.Debug, err)
	}
	server := &http.Server{Handler: profiler(), ReadHeaderTimeout: 5 * time.Second}
	a.stack.push("profiler", func(context.Context) error { return server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("profiler: %w", err)
		}
	}()
	a.log.Info("profiler", "url", "http://"+listener.Addr().String()+"/debug/pprof/")
	return nil
}

func profiler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

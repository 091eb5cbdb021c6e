package embedded

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const loopback = "127.0.0.1"

// listenLoopback listens on the port if it is free and on one that the system picks if it is not. Port 0 asks for
// any.
func listenLoopback(port int) (net.Listener, error) {
	l, err := net.Listen("tcp", address(port))
	if err != nil && port != 0 {
		l, err = net.Listen("tcp", address(0))
	}
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	return l, nil
}

// freePort returns a port that was free a moment ago, wanted if that is. Another process may take it before it is
// used: whoever uses it must notice.
func freePort(wanted int) (int, error) {
	l, err := listenLoopback(wanted)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return portOf(l), nil
}

// isFree says whether the port can be listened on now.
func isFree(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

func portOf(l net.Listener) int {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// savedPort returns the port last served from dir, 0 if there is none: clients of a service that was restarted
// find it where it was.
func savedPort(dir string) int {
	text, err := os.ReadFile(portPath(dir))
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || port < 1 || port > 65535 {
		return 0
	}
	return port
}

func savePort(dir string, port int) error {
	return os.WriteFile(portPath(dir), []byte(strconv.Itoa(port)+"\n"), 0o600)
}

func portPath(dir string) string { return filepath.Join(dir, "port") }

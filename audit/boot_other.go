//go:build !linux

package audit

// bootID tells one boot of the host from another; empty where the system does not say.
func bootID() string { return "" }

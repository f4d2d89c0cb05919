//go:build !linux

package agent

import "context"

// takePrecedence asks for nothing: this system is not asked.
func (a *Agent) takePrecedence(context.Context) {}

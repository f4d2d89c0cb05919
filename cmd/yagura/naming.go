package main

import (
	"fmt"
	"strings"

	"connectrpc.com/connect"

	"github.com/yagura-edr/yagura/internal/event"
	consolev1 "github.com/yagura-edr/yagura/internal/gen/console/v1"
)

// Hosts are named by id or by name, and processes by HOST/p-…, wherever a verb takes one.

// revoked is the state of a host whose certificate was ended: it is no host to act on any more.
const revoked = "revoked"

// hosts lists the hosts of the tenant, once a verb.
func (s *shell) hosts(doing string) ([]*consolev1.Host, error) {
	r, err := s.console().ListHosts(s.ctx, connect.NewRequest(&consolev1.ListHostsRequest{}))
	if err != nil {
		return nil, s.explain(doing, err)
	}
	return r.Msg.Hosts, nil
}

// optionalHost takes what findHost takes, or nothing, and gives the id as text.
func (s *shell) optionalHost(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	id, err := s.findHost(name)
	return id.String(), err
}

// findHost takes a host id or the name of exactly one host that is not revoked.
func (s *shell) findHost(name string) (event.HostID, error) {
	if strings.HasPrefix(name, "h-") {
		if id, err := event.ParseHostID(name); err == nil {
			return id, nil
		}
	}
	all, err := s.hosts("find host " + name)
	if err != nil {
		return event.HostID{}, err
	}
	var live, gone []string
	for _, h := range all {
		switch {
		case h.Name != name:
		case h.State == revoked:
			gone = append(gone, h.Id)
		default:
			live = append(live, fmt.Sprintf("%s, %s", h.Id, h.State))
		}
	}
	switch {
	case len(live) == 1:
		return event.ParseHostID(live[0][:strings.IndexByte(live[0], ',')])
	case len(live) > 1:
		return event.HostID{}, usagef("%d hosts are called %q: give the id (%s)", len(live), name, strings.Join(live, "; "))
	case len(gone) > 0:
		return event.HostID{}, usagef("host %q is revoked: for its stored events give the id (%s)", name, strings.Join(gone, ", "))
	}
	return event.HostID{}, usagef("no host is called %q: `yagura hosts` lists them", name)
}

// findProcess takes HOST/p-…, the host by id or name.
func (s *shell) findProcess(named string) (event.Ref, error) {
	host, key, ok := strings.Cut(named, "/")
	if !ok {
		return event.Ref{}, usagef("process %q is not HOST/p-…: copy it from `yagura detections` or `yagura incidents show last`", named)
	}
	k, err := event.ParseKey(key)
	if err != nil {
		return event.Ref{}, usagef("process %q is not HOST/p-…: copy it from `yagura detections` or `yagura incidents show last`", named)
	}
	h, err := s.findHost(host)
	if err != nil {
		return event.Ref{}, err
	}
	return event.Ref{Host: h, Key: k}, nil
}

// optionalProcess takes what findProcess takes, or nothing, and gives the full form.
func (s *shell) optionalProcess(named string) (string, error) {
	if named == "" {
		return "", nil
	}
	ref, err := s.findProcess(named)
	if err != nil {
		return "", err
	}
	return ref.String(), nil
}

// shortNames gives for each host id the name that findHost leads back to it, the id where none does.
func (s *shell) shortNames() func(id string) string {
	all, err := s.hosts("list hosts")
	count, of := map[string]int{}, map[string]string{}
	if err == nil {
		for _, h := range all {
			if h.State != revoked {
				count[h.Name]++
				of[h.Id] = h.Name
			}
		}
	}
	return func(id string) string {
		name := of[id]
		if name == "" || count[name] != 1 || strings.ContainsAny(name, "/ ") || strings.HasPrefix(name, "h-") || name != event.Show(name) || len(name) >= len(id) {
			return id
		}
		return name
	}
}

// shortRef gives a process with the short name of its host.
func shortRef(names func(string) string, process string) string {
	if host, key, ok := strings.Cut(process, "/"); ok {
		return names(host) + "/" + key
	}
	return process
}
